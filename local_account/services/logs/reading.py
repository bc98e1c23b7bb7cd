"""Events in the order of their time, from a page's position on, forward or backward.

The rows of a group overlap in time. Rows are read in the order of their first event (backward: of their last
one), and a page is complete as soon as no unread row can hold an event that belongs before its end. So a page
costs what lies between its first and its last event, whatever the group holds.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from local_account.foundation.log_events import EVENT_OVERHEAD, MOST_BYTES
from local_account.services.logs.batches import SPAN, decode
from local_account.services.logs.patterns import Pattern

_INDEX_BITS, _ROW_BITS = 14, 48
_ROW_SHIFT = _INDEX_BITS
_TIME_SHIFT = _INDEX_BITS + _ROW_BITS
END_OF_TIME = 1 << 56
_SCANNED_BYTES = 128 << 20
"""Bytes of events that one page reads at most, as stored; the page is then incomplete, and has a token."""
_MERGED_STREAMS = 100
"""Streams that are read side by side; for more, all of the group's rows are looked at."""


def position(timestamp: int, row: int = 0, index: int = 0) -> int:
    """Return an event's position: positions are ordered as the events are, and are never given again."""
    return timestamp << _TIME_SHIFT | row << _ROW_SHIFT | index


class Event(NamedTuple):
    """An event that was found."""

    position: int
    stream: int
    ingested: int
    message: str

    @property
    def timestamp(self) -> int:
        """Milliseconds since 1970."""
        return self.position >> _TIME_SHIFT


@dataclass(frozen=True)
class Scope:
    """Where to look: in a group, or in some of its streams."""

    log_group: int
    streams: Sequence[int] | None = None
    deleted: Collection[int] = ()
    """Streams of the group whose rows still exist, but are not to be found."""


@dataclass(frozen=True)
class Query:
    """What a page is to hold."""

    scope: Scope
    low: int
    """The first position."""
    high: int
    """The position after the last one."""
    limit: int
    pattern: Pattern | None = None
    backward: bool = False
    """Whether the page begins with the latest event."""


@dataclass(frozen=True)
class Page:
    """Events from the earlier to the later one, or the other way round if read backward."""

    events: list[Event]
    following: int | None
    """The boundary from which the next page goes on; None if there is nothing more."""


class _Row(NamedTuple):
    edge: int
    """The first timestamp; backward, the last one."""
    id: int
    other: int
    stream: int
    size: int


class _Collected:
    """The events of a page so far: no more of them than fit into it."""

    def __init__(self, query: Query) -> None:
        self.events: list[Event] = []
        self.is_cut = False
        """Whether events had to be left out after the last one."""
        self._limit = query.limit
        self._backward = query.backward
        self._size = 0

    def add(self, events: Iterable[Event]) -> None:
        for event in events:
            self.events.append(event)
            self._size += len(event.message.encode()) + EVENT_OVERHEAD

    @property
    def is_full(self) -> bool:
        return len(self.events) >= self._limit or self._size > MOST_BYTES

    def cut(self) -> None:
        """Sort the events, and leave out those that do not fit."""
        self.events.sort(reverse=self._backward)
        size = 0
        for count, event in enumerate(self.events):
            following = size + len(event.message.encode()) + EVENT_OVERHEAD
            if count == self._limit or (following > MOST_BYTES and count):
                self.is_cut = True
                del self.events[count:]
                break
            size = following
        self._size = size

    def is_before(self, frontier: int) -> bool:
        """Return whether all the events come before a position, in the direction of reading."""
        last = self.events[-1].position
        return last >= frontier if self._backward else last < frontier

    def drop_from(self, frontier: int) -> None:
        """Leave out the events from a position on."""
        self.events = [
            event
            for event in self.events
            if (event.position >= frontier if self._backward else event.position < frontier)
        ]

    @property
    def end(self) -> int:
        """The boundary after the last event."""
        last = self.events[-1].position
        return last if self._backward else last + 1


def read_page(connection: sqlite3.Connection, query: Query) -> Page:
    """Return a page of at most ``limit`` events and 1 MB."""
    if query.low >= query.high:
        return Page([], None)
    collected = _Collected(query)
    scanned = 0
    for row in _rows(connection, query):
        # No unread row has an event before this (backward: from this on).
        frontier = position(row.edge, row.id + 1) if query.backward else position(row.edge, row.id)
        if collected.is_full:
            collected.cut()
            if collected.is_before(frontier):
                return Page(collected.events, collected.end)
        if scanned > _SCANNED_BYTES and query.low < frontier < query.high:
            collected.drop_from(frontier)
            return Page(*_last(collected, frontier))
        scanned += row.size
        collected.add(_matches(connection, row, query))
    return Page(*_last(collected, None))


def _last(collected: _Collected, stopped: int | None) -> tuple[list[Event], int | None]:
    collected.cut()
    return collected.events, collected.end if collected.is_cut and collected.events else stopped


def _matches(connection: sqlite3.Connection, row: _Row, query: Query) -> Iterator[Event]:
    pattern, low, high = query.pattern, query.low, query.high
    content, ingested, first = connection.execute(
        "SELECT events, ingested, first FROM batches WHERE id=?", (row.id,)
    ).fetchone()
    if pattern is not None and not all(needle in content for needle in pattern.needles):
        return
    offsets, messages = decode(content)
    base = position(first, row.id)
    chosen: Iterable[int] = range(len(messages)) if pattern is None else pattern.select(messages)
    for index in chosen:
        place = base + (offsets[index] << _TIME_SHIFT) + index
        if low <= place < high:
            yield Event(place, row.stream, ingested, messages[index])


def _rows(connection: sqlite3.Connection, query: Query) -> Iterator[_Row]:
    """Return the rows that may hold events of the query's time, in the order of their edges."""
    scope, backward = query.scope, query.backward
    start, end = query.low >> _TIME_SHIFT, query.high >> _TIME_SHIFT
    edge, other, order, index = (
        ("last", "first", "DESC", "ends") if backward else ("first", "last", "ASC", "batches")
    )
    low, high = (start, end + SPAN) if backward else (start - SPAN, end)
    reaches = "first<=?" if backward else "last>=?"
    bound = end if backward else start

    def select(column: str, owner: int) -> Iterator[_Row]:
        cursor = connection.execute(
            f"SELECT {edge}, id, {other}, stream, size FROM batches"  # noqa: S608 - names of ours
            f" INDEXED BY {index}_of_{column.removeprefix('log_')}"
            f" WHERE {column}=? AND {edge}>=? AND {edge}<=? AND {reaches}"
            f" ORDER BY {edge} {order}, id {order}",
            (owner, low, high, bound),
        )
        return map(_Row._make, cursor)

    if scope.streams is None:
        deleted = scope.deleted
        return (row for row in select("log_group", scope.log_group) if row.stream not in deleted)
    if len(scope.streams) > _MERGED_STREAMS:
        wanted = set(scope.streams)
        return (row for row in select("log_group", scope.log_group) if row.stream in wanted)
    rows = [select("stream", stream) for stream in scope.streams]
    return heapq.merge(*rows, reverse=backward)
