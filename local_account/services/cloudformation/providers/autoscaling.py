"""AWS::ApplicationAutoScaling::ScalableTarget and AWS::ApplicationAutoScaling::ScalingPolicy."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    call,
    forget_missing,
    pick,
    refuse_existing,
    without,
)
from local_account.services.cloudformation.providers.tags import retag

_KEYS = ("ServiceNamespace", "ResourceId", "ScalableDimension")


class ScalableTarget(Provider):
    """AWS::ApplicationAutoScaling::ScalableTarget: ``Ref`` gives ``resource|dimension|namespace``."""

    type = "AWS::ApplicationAutoScaling::ScalableTarget"
    lacking = ("ScheduledActions",)

    def create(self, ctx: Context, props: Properties) -> None:
        """RegisterScalableTarget, unless the resource is registered already."""
        client = ctx.client("application-autoscaling")
        identifier = "|".join(props[key] for key in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
        refuse_existing(
            self.type,
            identifier,
            lambda: client.describe_scalable_targets(
                ServiceNamespace=props["ServiceNamespace"],
                ResourceIds=[props["ResourceId"]],
                ScalableDimension=props["ScalableDimension"],
            )["ScalableTargets"],
        )
        _register(ctx, props)
        ctx.created(identifier)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """RegisterScalableTarget, which overwrites."""
        answer = _register(ctx, without(props, "Tags"))
        if props.get("Tags") != old.get("Tags"):
            retag(
                ctx.client("application-autoscaling"),
                "application-autoscaling",
                answer["ScalableTargetARN"],
                props,
                old,
            )

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The identifier."""
        return {"Id": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeregisterScalableTarget, which deletes its policies too."""
        deregister = ctx.client("application-autoscaling").deregister_scalable_target
        forget_missing(deregister, **pick(props, *_KEYS))


class ScalingPolicy(Provider):
    """AWS::ApplicationAutoScaling::ScalingPolicy: ``Ref`` gives its ARN."""

    type = "AWS::ApplicationAutoScaling::ScalingPolicy"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutScalingPolicy."""
        ctx.created(self._put(ctx, props))

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutScalingPolicy, which overwrites."""
        self._put(ctx, props)

    def _put(self, ctx: Context, props: Properties) -> str:
        params = {**without(props, "ScalingTargetId"), **_target(props)}
        answer = call(ctx.client("application-autoscaling"), "put_scaling_policy", params)
        return str(answer["PolicyARN"])

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN."""
        return {"Arn": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteScalingPolicy."""
        delete = ctx.client("application-autoscaling").delete_scaling_policy
        forget_missing(delete, PolicyName=props["PolicyName"], **_target(props))


def _register(ctx: Context, props: Properties) -> dict[str, Any]:
    params = without(props, "ScheduledActions")
    return call(ctx.client("application-autoscaling"), "register_scalable_target", params)


def _target(props: Properties) -> Properties:
    if "ScalingTargetId" in props:
        resource, dimension, namespace = props["ScalingTargetId"].split("|")
        return {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
    return pick(props, *_KEYS)
