"""Operations on log events: PutLogEvents, GetLogEvents and FilterLogEvents.

Differs from AWS (FilterLogEvents): after 128 MB it returns an incomplete page with a token, as the API
allows.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec

from local_account.gateway.service import Answer, Encoded
from local_account.services.logs.base import LogsBase, invalid
from local_account.services.logs.batches import InputEvent, PutRequest, append, read_batch
from local_account.services.logs.groups import (
    Group,
    group_of,
    stream_names,
    stream_of,
    streams_with_prefix,
)
from local_account.services.logs.patterns import Pattern, PatternError, compile_pattern
from local_account.services.logs.reading import END_OF_TIME, Event, Page, Query, Scope, position, read_page
from local_account.services.logs.retention import cutoff

if TYPE_CHECKING:
    from mypy_boto3_logs.type_defs import FilterLogEventsRequestTypeDef, GetLogEventsRequestTypeDef

_PAGE = 10_000
_TOKEN = re.compile(r"([fb])/([0-9]{1,56})")
_FIRST_BACKWARD = 1_704_067_200_000
"""2024-01-01: FilterLogEvents searches backward only from there on."""


class EventOperations(LogsBase):
    """Log events."""

    requests: ClassVar[Mapping[str, Any]] = {"PutLogEvents": PutRequest}

    def put_log_events(self, params: PutRequest) -> Answer:
        """PutLogEvents: what is answered has been written."""
        events: list[Any] = params["logEvents"]
        if not isinstance(events[0], InputEvent):
            events = msgspec.convert(events, list[InputEvent], strict=False)
        now = self.milliseconds()
        with self.database.read() as connection:
            group = group_of(connection, params["logGroupName"])
            stream = stream_of(connection, group, params["logStreamName"])
        batch = read_batch(events, now, group.retention)
        if batch.timestamps:
            with self.database.write() as connection:
                if not append(connection, group.id, stream.id, batch, now):
                    # Deleted in the meantime, and perhaps created again.
                    group = group_of(connection, group.name)
                    append(connection, group.id, stream_of(connection, group, stream.name).id, batch, now)
                filters = self.metric_filters.of_group(connection, group.id)
                for one in filters:
                    one.observe(connection, group.id, batch.timestamps, batch.messages)
            if filters:
                self.metric_filters.found.set()
        return {
            "nextSequenceToken": f"{position(now):056d}",
            "rejectedLogEventsInfo": batch.rejected or None,
        }

    def get_log_events(self, params: GetLogEventsRequestTypeDef) -> Encoded:
        """GetLogEvents: a page of a stream, from its end, from its head, or from a token on."""
        _refuse_unmask(params)
        high = position(min(params.get("endTime", END_OF_TIME), END_OF_TIME))
        token = params.get("nextToken")
        direction, at = _read_token(token) if token else ("f" if params.get("startFromHead") else "b", None)
        forward = direction == "f"
        with self.database.read() as connection:
            group = group_of(connection, self.name_of_group(params))
            start = max(params.get("startTime", 0), cutoff(group.retention, self.milliseconds()))
            low = position(min(start, END_OF_TIME - 1))
            stream = stream_of(connection, group, params["logStreamName"])
            query = Query(
                Scope(group.id, [stream.id]),
                max(low, at) if forward and at is not None else low,
                min(high, at) if not forward and at is not None else high,
                params.get("limit", _PAGE),
                backward=not forward,
            )
            page = read_page(connection, query)
        events = page.events if forward else page.events[::-1]
        here = low if at is None else at
        first, last = (events[0].position, events[-1].position + 1) if events else (here, here)
        return Encoded.of(
            {
                "events": [
                    {"timestamp": one.timestamp, "message": one.message, "ingestionTime": one.ingested}
                    for one in events
                ],
                "nextForwardToken": f"f/{last:056d}",
                "nextBackwardToken": f"b/{first:056d}",
            }
        )

    def filter_log_events(self, params: FilterLogEventsRequestTypeDef) -> Encoded:
        """FilterLogEvents: a page of the matching events of a group's streams, in the order of their time."""
        _refuse_unmask(params)
        names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix")
        if names and prefix:
            raise invalid("logStreamNames and logStreamNamePrefix are mutually exclusive parameters.")
        pattern = _compiled(params.get("filterPattern", ""))
        start, low = params.get("startTime", 0), 0
        high = position(min(params.get("endTime", END_OF_TIME) + 1, END_OF_TIME))  # the end is included
        backward = not params.get("startFromHead", True)
        if token := params.get("nextToken"):
            direction, at = _read_token(token)
            backward = direction == "b"
            low, high = (0, min(high, at)) if backward else (at, high)
        elif backward and start < _FIRST_BACKWARD:
            raise invalid("startFromHead can be false only if startTime is on or after 2024-01-01T00:00:00Z.")
        with self.database.read() as connection:
            group = group_of(connection, self.name_of_group(params))
            low = max(low, position(max(start, cutoff(group.retention, self.milliseconds()))))
            scope = _scope(connection, group, list(names or ()), prefix)
            query = Query(scope, low, high, params.get("limit", _PAGE), pattern, backward)
            page = read_page(connection, query)
            streams = stream_names(connection, {one.stream for one in page.events})
        return _filtered(page, streams, backward=backward)


def _filtered(page: Page, streams: Mapping[int, str], *, backward: bool) -> Encoded:
    answer: dict[str, object] = {
        "events": [_filtered_event(one, streams[one.stream]) for one in page.events],
        "searchedLogStreams": [],
    }
    if page.following is not None:
        answer["nextToken"] = f"{'b' if backward else 'f'}/{page.following:056d}"
    return Encoded.of(answer)


def _filtered_event(event: Event, stream: str) -> dict[str, object]:
    return {
        "logStreamName": stream,
        "timestamp": event.timestamp,
        "message": event.message,
        "ingestionTime": event.ingested,
        "eventId": f"{event.position:056d}",
    }


def _scope(connection: sqlite3.Connection, group: Group, names: list[str], prefix: str | None) -> Scope:
    if names:
        return Scope(group.id, [stream_of(connection, group, name).id for name in dict.fromkeys(names)])
    if prefix:
        return Scope(group.id, streams_with_prefix(connection, group, prefix))
    deleted = connection.execute("SELECT id FROM garbage WHERE owner='stream'")
    return Scope(group.id, None, {row[0] for row in deleted})


def _compiled(text: str) -> Pattern | None:
    try:
        return compile_pattern(text) if text.strip() else None
    except PatternError as error:
        raise invalid(str(error) or "Invalid filter pattern") from error


def _read_token(token: str) -> tuple[str, int]:
    found = _TOKEN.fullmatch(token)
    at = int(found[2]) if found else position(END_OF_TIME)
    if found is None or at >= position(END_OF_TIME):
        raise invalid("The specified nextToken is invalid.")
    return found[1], at


def _refuse_unmask(params: object) -> None:
    if cast("Mapping[str, Any]", params).get("unmask"):
        raise invalid("unmask is not supported by the local account: it masks nothing")
