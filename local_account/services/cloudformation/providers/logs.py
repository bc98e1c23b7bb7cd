"""AWS::Logs::LogGroup, AWS::Logs::LogStream and AWS::Logs::MetricFilter."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    call,
    forget_missing,
    refuse_existing,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag


class LogGroup(SimpleProvider):
    """AWS::Logs::LogGroup: ``Ref`` gives its name."""

    type = "AWS::Logs::LogGroup"
    name_property = "LogGroupName"
    name_limit = 512
    service = "logs"
    key = "logGroupName"
    create_with, delete_with = "create_log_group", "delete_log_group"
    apart = ("RetentionInDays",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out the retention, which has a separate operation."""
        return super().parameters(ctx, without(props, "RetentionInDays"))

    def finish(self, ctx: Context, props: Properties) -> None:
        """Set the retention."""
        if "RetentionInDays" in props:
            ctx.client("logs").put_retention_policy(
                logGroupName=ctx.name, retentionInDays=props["RetentionInDays"]
            )

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change retention and tags."""
        self.refuse_changes(props, old, "RetentionInDays", "Tags")
        logs = ctx.client("logs")
        if "RetentionInDays" in props:
            self.finish(ctx, props)
        elif "RetentionInDays" in old:
            forget_missing(logs.delete_retention_policy, logGroupName=ctx.name)
        retag(logs, "logs", ctx.attributes["Arn"].removesuffix(":*"), props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN, which ends in ``:*``."""
        return {"Arn": ctx.account.arn("logs", f"log-group:{ctx.name}:*")}


class LogStream(SimpleProvider):
    """AWS::Logs::LogStream: ``Ref`` gives its name."""

    type = "AWS::Logs::LogStream"
    name_property = "LogStreamName"
    name_limit = 512
    service = "logs"
    key = "logStreamName"
    create_with, delete_with = "create_log_stream", "delete_log_stream"

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteLogStream."""
        delete = ctx.client("logs").delete_log_stream
        forget_missing(delete, logGroupName=props["LogGroupName"], logStreamName=ctx.name)


class MetricFilter(SimpleProvider):
    """AWS::Logs::MetricFilter: ``Ref`` gives its name."""

    type = "AWS::Logs::MetricFilter"
    name_property = "FilterName"
    name_limit = 512
    service = "logs"
    key = "filterName"
    create_with, delete_with = "put_metric_filter", "delete_metric_filter"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutMetricFilter, unless there is one of the name: it would be overwritten."""
        logs, group = ctx.client("logs"), props["LogGroupName"]
        refuse_existing(self.type, f"{group}|{ctx.name}", lambda: _has_filter(logs, group, ctx.name))
        super().create(ctx, props)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutMetricFilter, which replaces the whole filter."""
        call(ctx.client("logs"), self.create_with, self.parameters(ctx, props))

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteMetricFilter."""
        delete = ctx.client("logs").delete_metric_filter
        forget_missing(delete, logGroupName=props["LogGroupName"], filterName=ctx.name)


def _has_filter(logs: Any, group: str, name: str) -> bool:
    found = logs.describe_metric_filters(logGroupName=group, filterNamePrefix=name)["metricFilters"]
    return any(one["filterName"] == name for one in found)
