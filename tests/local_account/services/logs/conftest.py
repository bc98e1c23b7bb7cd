"""Log groups and streams of their own for each test, in the account that all tests of services share."""

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from local_account.services.logs import Logs
from tests.local_account.services.served import Served
from tests.refusing import refusal

_numbers = itertools.count()


class LogWriter:
    """One log group, and events in it."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.group = f"/test/group-{next(_numbers)}"
        client.create_log_group(logGroupName=self.group)
        self.now = int(time.time() * 1000)

    def stream(self, *names: str) -> None:
        for name in names:
            self.client.create_log_stream(logGroupName=self.group, logStreamName=name)

    def put(self, stream: str, *events: tuple[int, str]) -> dict[str, Any]:
        """Put events; their times are milliseconds after the writer's ``now``."""
        return dict(
            self.client.put_log_events(
                logGroupName=self.group,
                logStreamName=stream,
                logEvents=[{"timestamp": self.now + after, "message": text} for after, text in events],
            )
        )

    def get(self, stream: str, **request: Any) -> dict[str, Any]:
        return dict(self.client.get_log_events(logGroupName=self.group, logStreamName=stream, **request))

    def read(self, stream: str, **request: Any) -> list[str]:
        return [one["message"] for one in self.get(stream, **request)["events"]]

    def filter(self, **request: Any) -> list[str]:
        """Return the messages of all pages."""
        pages = self.client.get_paginator("filter_log_events").paginate(logGroupName=self.group, **request)
        return [one["message"] for page in pages for one in page["events"]]

    def described(self) -> dict[str, Any]:
        (group,) = self.client.describe_log_groups(logGroupNamePrefix=self.group)["logGroups"]
        return dict(group)

    def refused(self, operation: str, **request: Any) -> str:
        """Return code and message of the refusal."""
        return refusal(getattr(self.client, operation), **request)


@pytest.fixture
def writer(service_client: Callable[[str], Any]) -> LogWriter:
    return LogWriter(service_client("logs"))


@pytest.fixture
def logs(served: Served) -> Logs:
    """The service itself."""
    return served.logs
