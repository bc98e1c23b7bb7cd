"""AWS::CloudWatch::Alarm."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    call,
    forget_missing,
    refuse_existing,
    without,
)
from local_account.services.cloudformation.providers.tags import retag


class Alarm(Provider):
    """AWS::CloudWatch::Alarm: ``Ref`` gives its name."""

    type = "AWS::CloudWatch::Alarm"
    name_property = "AlarmName"
    name_limit = 255

    def create(self, ctx: Context, props: Properties) -> None:
        """PutMetricAlarm, unless an alarm of that name exists."""
        cloudwatch = ctx.client("cloudwatch")
        refuse_existing(
            self.type, ctx.name, lambda: cloudwatch.describe_alarms(AlarmNames=[ctx.name])["MetricAlarms"]
        )
        call(cloudwatch, "put_metric_alarm", {**props, "AlarmName": ctx.name})
        ctx.created(ctx.name)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutMetricAlarm, which overwrites."""
        cloudwatch = ctx.client("cloudwatch")
        call(cloudwatch, "put_metric_alarm", {**without(props, "Tags"), "AlarmName": ctx.name})
        retag(cloudwatch, "cloudwatch", ctx.attributes["Arn"], props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN."""
        return {"Arn": ctx.account.arn("cloudwatch", f"alarm:{ctx.name}")}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteAlarms."""
        forget_missing(ctx.client("cloudwatch").delete_alarms, AlarmNames=[ctx.name])
