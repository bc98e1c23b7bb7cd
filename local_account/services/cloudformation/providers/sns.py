"""AWS::SNS::…: topics, their policies and subscriptions."""

from __future__ import annotations

import json
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    call,
    forget_missing,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider, TaggedProvider
from local_account.services.cloudformation.providers.tags import retag


class Topic(TaggedProvider):
    """AWS::SNS::Topic: ``Ref`` gives its ARN."""

    type = "AWS::SNS::Topic"
    name_property = "TopicName"
    name_limit = 256
    service = "sns"
    key = "Name"
    create_with, delete_with = "create_topic", "delete_topic"
    ref = ("TopicArn",)
    apart = ("TopicName", "DisplayName", "Subscription")
    updatable = ("DisplayName",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """DisplayName is an attribute; Subscription is a list of subscriptions."""
        own = super().parameters(ctx, props)
        own.pop("Subscription", None)
        display = own.pop("DisplayName", None)
        return {**own, **({"Attributes": {"DisplayName": display}} if display is not None else {})}

    def finish(self, ctx: Context, props: Properties) -> None:
        """Subscribe the endpoints that the topic lists."""
        for one in props.get("Subscription", []):
            call(ctx.client("sns"), "subscribe", {"TopicArn": ctx.physical_id, **one})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the name that mail shows and the tags."""
        self.refuse_changes(props, old, "Tags", *self.updatable)
        if props.get("DisplayName") != old.get("DisplayName"):
            ctx.client("sns").set_topic_attributes(
                TopicArn=ctx.physical_id,
                AttributeName="DisplayName",
                AttributeValue=props.get("DisplayName", ""),
            )
        retag(ctx.client("sns"), "sns", ctx.physical_id, props, old)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteTopic, with its subscriptions."""
        ctx.client("sns").delete_topic(TopicArn=ctx.physical_id)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """ARN and name."""
        return {"TopicArn": ctx.physical_id, "TopicName": ctx.physical_id.rpartition(":")[2]}

    def extra_attributes(self) -> set[str]:
        """The name, which the schema takes for a property only."""
        return {"TopicName"}


class Subscription(SimpleProvider):
    """AWS::SNS::Subscription: ``Ref`` gives its ARN."""

    type = "AWS::SNS::Subscription"
    service = "sns"
    key = "TopicArn"
    create_with, delete_with = "subscribe", "unsubscribe"
    ref = ("SubscriptionArn",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """The ARN also of an address that has not confirmed."""
        return {**props, "ReturnSubscriptionArn": True}

    def delete(self, ctx: Context, props: Properties) -> None:
        """Unsubscribe."""
        ctx.client("sns").unsubscribe(SubscriptionArn=ctx.physical_id)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its ARN."""
        return {"Arn": ctx.physical_id}


class TopicPolicy(Provider):
    """AWS::SNS::TopicPolicy: the policy of each of its topics."""

    type = "AWS::SNS::TopicPolicy"

    def create(self, ctx: Context, props: Properties) -> None:
        """SetTopicAttributes of each topic."""
        ctx.created(ctx.name or f"{ctx.stack_name}-{ctx.logical_id}")
        _set(ctx, props)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the policy; topics that are no longer listed get the default."""
        _set(ctx, props)
        _reset(ctx, [one for one in old["Topics"] if one not in props["Topics"]])

    def delete(self, ctx: Context, props: Properties) -> None:
        """Give the topics the default policy."""
        _reset(ctx, props["Topics"])

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Its id."""
        return {"Id": ctx.physical_id}


def _set(ctx: Context, props: Properties) -> None:
    policy = props["PolicyDocument"]
    text = policy if isinstance(policy, str) else json.dumps(policy)
    for topic in props["Topics"]:
        ctx.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=text)


def _reset(ctx: Context, topics: list[str]) -> None:
    for topic in topics:
        forget_missing(
            ctx.client("sns").set_topic_attributes,
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue="",
        )
