"""Log groups, streams and events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from local_account.console import links, log_pages
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient

_SECTION = "Logs"
_STREAMS = 50


def listing(visit: Visit) -> Answer:
    """All log groups."""
    found = list(visit.all("logs", "describe_log_groups", "logGroups"))
    return Page("log_groups.html", "Log groups", _SECTION, {"groups": found}, service="cloudwatch")


def group(visit: Visit) -> Answer:
    """The streams of a log group, those with the newest events first."""
    name, token = visit.argument("name"), visit.argument("token")
    client: CloudWatchLogsClient = visit.client("logs")
    more: dict[str, Any] = {"nextToken": token} if token else {}
    found = client.describe_log_streams(
        logGroupName=name, orderBy="LastEventTime", descending=True, limit=_STREAMS, **more
    )
    values = {"name": name, "streams": found["logStreams"], "next": found.get("nextToken", "")}
    return Page(
        "log_group.html", name, _SECTION, values, ((_SECTION, links.log_groups()),), live=0 if token else 2
    )


def stream(visit: Visit) -> Answer:
    """The events of a stream: the newest, or the page of a token."""
    group_name, name, token = (visit.argument(one) for one in ("group", "stream", "token"))
    if name not in log_pages.streams(visit, group_name, name):
        raise NotFoundError(f"There is no stream {name} in the log group {group_name}.")
    part = log_pages.read(visit, group_name, name, token)
    values = {"group": group_name, "name": name, "part": part, "token": token}
    crumbs = ((_SECTION, links.log_groups()), (group_name, links.log_group(group_name)))
    return Page("log_stream.html", name, _SECTION, values, crumbs, live=0 if token else 2)


PAGES: Mapping[str, Render] = {
    "/cloudwatch/home": listing,
    "/cloudwatch/log-groups": listing,
    "/cloudwatch/log-group": group,
    "/cloudwatch/log-stream": stream,
}
