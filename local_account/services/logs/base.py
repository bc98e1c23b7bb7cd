"""What the operations of CloudWatch Logs share."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Service
from local_account.services.logs.database import Database
from local_account.services.logs.groups import Groups
from local_account.services.logs.metric_filters import MetricFilters

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.foundation.store import Table


class LogsBase(Service):
    """The parts that keep the state."""

    name = "logs"
    validation_error: ClassVar[str] = "InvalidParameterException"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.clock: Callable[[], datetime] = account.now
        """Says what time it is; tests can set their own, to see events expire."""
        self.database = Database(account.config.state_dir / "logs" / "logs.sqlite")
        self.groups = Groups(self.database)
        self.metric_filters = MetricFilters(self.database)
        self.deleted = threading.Event()
        """Set when there is something to free."""

    def milliseconds(self) -> int:
        """Return the current time in milliseconds since 1970."""
        return int(self.clock().timestamp() * 1000)

    @property
    def tags(self) -> Table[dict[str, str]]:
        """Tags by ARN, in the account's store, where the Resource Groups Tagging API finds them."""
        return self.account.store.table("logs.tags")

    def arn_of(self, group: str) -> str:
        """Return the ARN of a group, without ``:*``."""
        return self.account.arn("logs", f"log-group:{group}")

    def name_of_group(self, params: Mapping[str, Any]) -> str:
        """Return the name of the group that ``logGroupName`` or ``logGroupIdentifier`` (or an ARN) is for."""
        name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
        if bool(name) == bool(identifier):
            raise invalid("Specify either logGroupName or logGroupIdentifier, and not both.")
        return name or str(identifier).rpartition(":log-group:")[2].removesuffix(":*")


def invalid(message: str) -> ServiceError:
    """Return the error for a bad parameter."""
    return ServiceError("InvalidParameterException", message)


def refuse(params: Mapping[str, Any], *members: str) -> None:
    """Raise ServiceError for members that the local account does not implement."""
    for member in members:
        if params.get(member):
            raise invalid(f"{member} is not supported by the local account")
