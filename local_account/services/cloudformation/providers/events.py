"""AWS::Events::Rule."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    call,
    exists,
    forget_missing,
    pick,
    refuse_existing,
    without,
)
from local_account.services.cloudformation.providers.tags import retag


class Rule(Provider):
    """AWS::Events::Rule with its targets: ``Ref`` gives its name."""

    type = "AWS::Events::Rule"
    name_property = "Name"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutRule, unless a rule of that name exists, and PutTargets."""
        events, bus = ctx.client("events"), pick(props, "EventBusName")
        refuse_existing(self.type, ctx.name, lambda: events.describe_rule(Name=ctx.name, **bus))
        call(events, "put_rule", {**without(props, "Targets"), "Name": ctx.name})
        ctx.created(
            f"{bus['EventBusName']}|{ctx.name}"
            if bus.get("EventBusName", "default") != "default"
            else ctx.name
        )
        self._put_targets(ctx, props)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutRule, PutTargets, RemoveTargets."""
        events = ctx.client("events")
        if without(props, "Targets", "Tags") != without(old, "Targets", "Tags"):
            call(events, "put_rule", {**without(props, "Targets", "Tags"), "Name": ctx.name})
        if props.get("Targets") != old.get("Targets"):
            self._put_targets(ctx, props)
            now = {target["Id"] for target in props.get("Targets", [])}
            self._remove_targets(ctx, props, [t["Id"] for t in old.get("Targets", []) if t["Id"] not in now])
        retag(events, "events", ctx.attributes["Arn"], props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN and the name."""
        rule = ctx.client("events").describe_rule(Name=ctx.name, **pick(props, "EventBusName"))
        return {"Arn": rule["Arn"], "RuleName": ctx.name}

    def delete(self, ctx: Context, props: Properties) -> None:
        """RemoveTargets for all targets, then DeleteRule."""
        events, bus = ctx.client("events"), pick(props, "EventBusName")
        if not exists(lambda: events.describe_rule(Name=ctx.name, **bus)):
            return
        targets = events.list_targets_by_rule(Rule=ctx.name, **bus)["Targets"]
        self._remove_targets(ctx, props, [target["Id"] for target in targets])
        forget_missing(events.delete_rule, Name=ctx.name, **bus)

    def _put_targets(self, ctx: Context, props: Properties) -> None:
        targets = props.get("Targets")
        if not targets:
            return
        params = {"Rule": ctx.name, "Targets": targets, **pick(props, "EventBusName")}
        _raise_failures(call(ctx.client("events"), "put_targets", params), "put")

    def _remove_targets(self, ctx: Context, props: Properties, ids: list[str]) -> None:
        if ids:
            remove = ctx.client("events").remove_targets
            _raise_failures(remove(Rule=ctx.name, Ids=ids, **pick(props, "EventBusName")), "removed")


def _raise_failures(answer: dict[str, Any], verb: str) -> None:
    if answer.get("FailedEntryCount"):
        reasons = [f"{each['TargetId']}: {each.get('ErrorMessage')}" for each in answer["FailedEntries"]]
        raise ResourceError(f"Targets could not be {verb}: {'; '.join(reasons)}")
