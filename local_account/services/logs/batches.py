"""What PutLogEvents accepts, and how a batch of events is kept: one row, unless it spans minutes.

Contract: *PutLogEvents* in the CloudWatch Logs API Reference; the errors are worded as the service's.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

import msgspec
from msgspec import Meta

from local_account.foundation.errors import ServiceError
from local_account.foundation.log_events import EVENT_OVERHEAD, MOST_BYTES, MOST_EVENTS

SPAN = 60_000
"""Milliseconds between the first and the last event of a row, at most."""
_DAY = 86_400_000
_NEWEST = 2 * 3_600_000
_OLDEST = 14 * _DAY


class InputEvent(msgspec.Struct, forbid_unknown_fields=True):
    """One event of a request."""

    timestamp: Annotated[int, Meta(ge=0)]
    message: Annotated[str, Meta(min_length=1)]


class PutRequest(TypedDict):
    """A request of PutLogEvents; sequence tokens and entities are ignored, as the service does."""

    logGroupName: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[\.\-_/#A-Za-z0-9]+\Z")]
    logStreamName: Annotated[str, Meta(min_length=1, max_length=512, pattern=r"^[^:*]*\Z")]
    logEvents: Annotated[list[InputEvent], Meta(min_length=1, max_length=MOST_EVENTS)]
    sequenceToken: NotRequired[str]


class Rejected(TypedDict, total=False):
    """RejectedLogEventsInfo."""

    tooNewLogEventStartIndex: int
    tooOldLogEventEndIndex: int
    expiredLogEventEndIndex: int


Row = tuple[int, int, int, bytes]
"""First and last timestamp, size, and encoded events."""


@dataclass(frozen=True)
class Batch:
    """Events in the order of their time."""

    timestamps: list[int]
    """Milliseconds since 1970."""
    messages: list[str]
    size: int
    """Bytes, with the overhead of each event."""
    rows: list[Row]
    rejected: Rejected


def read_batch(events: Sequence[InputEvent], now: int, retention_days: int | None) -> Batch:
    """Return what is accepted of a request's events.

    Raises ServiceError InvalidParameterException if the batch is too large, not in chronological order, or
    spans more than 24 hours.
    """
    if len(events) > MOST_EVENTS:
        raise _invalid(
            "1 validation error detected: Value at 'logEvents' failed to satisfy constraint: Member must "
            f"have length less than or equal to {MOST_EVENTS}"
        )
    timestamps = [event.timestamp for event in events]
    messages = [event.message for event in events]
    size = _size(messages)
    if size > MOST_BYTES:
        if len(events) == 1:
            raise _invalid(f"Log event too large: {size} bytes exceeds limit of {MOST_BYTES}")
        raise _invalid(f"Upload too large: {size} bytes exceeds limit of {MOST_BYTES}")
    if timestamps != sorted(timestamps):
        raise _invalid("Log events in a single PutLogEvents request must be in chronological order.")
    oldest, newest = now - _OLDEST, now + _NEWEST
    expired = now - retention_days * _DAY if retention_days else 0
    rejected: Rejected = {}
    start, end = 0, len(timestamps)
    if timestamps[0] < max(oldest, expired) or timestamps[-1] > newest:
        too_old = sum(timestamp < oldest for timestamp in timestamps)
        start = max(too_old, sum(timestamp < expired for timestamp in timestamps))
        end -= sum(timestamp > newest for timestamp in timestamps)
        if too_old:
            rejected["tooOldLogEventEndIndex"] = too_old
        if start > too_old:
            rejected["expiredLogEventEndIndex"] = start
        if end < len(timestamps):
            rejected["tooNewLogEventStartIndex"] = end
        timestamps, messages = timestamps[start:end], messages[start:end]
        size = _size(messages)
    if timestamps and timestamps[-1] - timestamps[0] > _DAY:
        raise _invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    return Batch(timestamps, messages, size, list(_rows(timestamps, messages, size)), rejected)


def append(connection: sqlite3.Connection, log_group: int, stream: int, batch: Batch, now: int) -> bool:
    """Add a batch to a stream, in the caller's transaction; return False if the stream no longer exists."""
    changed = connection.execute(
        "UPDATE streams SET first=min(coalesce(first, ?1), ?1), last=max(coalesce(last, ?2), ?2),"
        " ingested=?3, size=size+?4 WHERE id=?5",
        (batch.timestamps[0], batch.timestamps[-1], now, batch.size, stream),
    )
    if changed.rowcount == 0:
        return False
    connection.executemany(
        "INSERT INTO batches (log_group, stream, ingested, first, last, size, events)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(log_group, stream, now, *row) for row in batch.rows],
    )
    connection.execute("UPDATE groups SET size=size+? WHERE id=?", (batch.size, log_group))
    return True


def decode(content: bytes) -> tuple[list[int], list[str]]:
    """Return the events of a row: milliseconds after its first event, and messages."""
    return _DECODER.decode(content)


_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(tuple[list[int], list[str]])


def _rows(timestamps: list[int], messages: list[str], size: int) -> Iterator[Row]:
    start = 0
    while start < len(timestamps):
        first = timestamps[start]
        end = bisect_right(timestamps, first + SPAN)
        whole = end - start == len(timestamps)
        some = messages if whole else messages[start:end]
        offsets = [timestamp - first for timestamp in timestamps[start:end]]
        yield first, timestamps[end - 1], size if whole else _size(some), _ENCODER.encode((offsets, some))
        start = end


def _size(messages: Sequence[str]) -> int:
    return sum(map(len, map(str.encode, messages))) + EVENT_OVERHEAD * len(messages)


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
