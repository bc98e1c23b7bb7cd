"""Log events on their way to CloudWatch Logs, in batches that PutLogEvents accepts.

Contract: *PutLogEvents* in the CloudWatch Logs API Reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypedDict

MOST_EVENTS = 10_000
MOST_BYTES = 1_048_576
EVENT_OVERHEAD = 26
"""Bytes that each event counts in addition to its message."""
MOST_EVENT_BYTES = 262_144 - EVENT_OVERHEAD
"""What services write into one event; longer lines become several events."""


class LogEvent(TypedDict):
    """One event of a request."""

    timestamp: int
    """Milliseconds since 1970."""
    message: str


def pieces(text: str, size: int = MOST_EVENT_BYTES) -> Iterator[str]:
    """Divide a text into messages of at most ``size`` bytes of UTF-8; an empty text is one piece."""
    if len(text) <= size // 4:
        yield text
        return
    content = text.encode()
    while content:
        piece = content[:size].decode(errors="ignore")  # does not end within a character
        yield piece
        content = content[len(piece.encode()) :]


def batches(events: Iterable[LogEvent]) -> Iterator[list[LogEvent]]:
    """Divide events, in the order of their time, into requests."""
    batch: list[LogEvent] = []
    size = 0
    for event in events:
        bytes_of_event = len(event["message"].encode()) + EVENT_OVERHEAD
        if batch and (len(batch) == MOST_EVENTS or size + bytes_of_event > MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(event)
        size += bytes_of_event
    if batch:
        yield batch
