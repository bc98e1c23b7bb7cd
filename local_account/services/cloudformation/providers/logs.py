"""AWS::Logs::LogGroup."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Context, Properties, forget_missing, without
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
