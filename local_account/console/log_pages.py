"""Parts of logs, for the pages of what writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_account.console.visit import Visit

if TYPE_CHECKING:
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_logs.type_defs import GetLogEventsRequestTypeDef, OutputLogEventTypeDef

LINES = 500
"""So many events of a stream are on a page. A thousand take a browser longer to show than us to make."""


@dataclass(frozen=True)
class Part:
    """Consecutive events of a stream, and the tokens of the pages around them."""

    lines: Sequence[OutputLogEventTypeDef]
    older: str = ""
    newer: str = ""
    """Empty at the stream's end."""


NOTHING = Part(())


def read(visit: Visit, group: str, stream: str, token: str = "", lines: int = LINES) -> Part:
    """Return the newest events of a stream, or the page of a token; none if there is no such stream."""
    client: CloudWatchLogsClient = visit.client("logs")
    asked: GetLogEventsRequestTypeDef = {"logGroupName": group, "logStreamName": stream, "limit": lines}
    if token:
        asked["nextToken"] = token
    else:
        asked["startFromHead"] = False
    try:
        found = client.get_log_events(**asked)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return NOTHING
        raise
    older = found["nextBackwardToken"] if len(found["events"]) >= lines else ""
    return Part(found["events"], older, found["nextForwardToken"] if token else "")


def streams(visit: Visit, group: str, prefix: str = "", limit: int = 50) -> list[str]:
    """Return the names of the streams of a group that begin with a prefix; none if there is no group."""
    client: CloudWatchLogsClient = visit.client("logs")
    try:
        found = (
            client.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix, limit=limit)
            if prefix
            else client.describe_log_streams(
                logGroupName=group, orderBy="LastEventTime", descending=True, limit=limit
            )
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return []
        raise
    return [one["logStreamName"] for one in found["logStreams"]]


def newest(
    visit: Visit, group: str, prefix: str, most: int = 2, lines: int = LINES
) -> list[tuple[str, Part]]:
    """Return the newest events of the first streams that begin with a prefix, `most` of them."""
    found = streams(visit, group, prefix)[:most]
    return [(stream, read(visit, group, stream, lines=lines)) for stream in found]
