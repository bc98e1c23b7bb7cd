"""AWS::CodeConnections::Connection, and AWS::CodeStarConnections::Connection, its old name.

A connection is complete while it is PENDING: "A connection created through CloudFormation is in PENDING
status by default."
"""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import Context, Properties, forget_missing
from local_account.services.cloudformation.providers.simple import TaggedProvider


class Connection(TaggedProvider):
    """``Ref`` gives the ARN."""

    type = "AWS::CodeConnections::Connection"
    name_property = key = "ConnectionName"
    name_limit = 32
    service = "codeconnections"
    create_with, delete_with = "create_connection", "delete_connection"
    ref = ("ConnectionArn",)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteConnection."""
        forget_missing(ctx.client(self.service).delete_connection, ConnectionArn=ctx.physical_id)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """ARN, owner and status."""
        found = ctx.client(self.service).get_connection(ConnectionArn=ctx.physical_id)["Connection"]
        return {name: found[name] for name in ("ConnectionArn", "OwnerAccountId", "ConnectionStatus")}


class CodeStarConnection(Connection):
    """The type by its old name."""

    type = "AWS::CodeStarConnections::Connection"
    service = "codestar-connections"
