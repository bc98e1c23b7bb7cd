"""Deletes events that have expired, and those of deleted groups and streams, a few rows at a time.

Differs from AWS: expired events are no longer found, and are deleted within a minute (AWS: within 72 hours).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from local_account.services.logs.database import Database

_DAY = 86_400_000
_ROWS = 64
"""Rows in a transaction: PutLogEvents waits no longer than it takes to delete them."""

DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""*PutRetentionPolicy*, the possible values of retentionInDays."""


def cutoff(retention_days: int | None, now: int) -> int:
    """Return the time before which a group's events have expired, in milliseconds since 1970."""
    return now - retention_days * _DAY if retention_days else 0


class Sweeper:
    """Frees what nobody can read any more."""

    def __init__(self, database: Database, now: Callable[[], int], should_stop: Callable[[], bool]) -> None:
        self._database = database
        self._now = now
        self._should_stop = should_stop

    def sweep(self) -> None:
        """Delete all that there is to delete, in many short transactions."""
        freed = False
        while not self._should_stop() and (self._drop_garbage() or self._expire()):
            freed = True
        while freed and not self._should_stop() and self._database.shrink():
            pass

    def _drop_garbage(self) -> bool:
        with self._database.write() as connection:
            found = connection.execute("SELECT owner, id FROM garbage LIMIT 1").fetchone()
            if found is None:
                return False
            owner, identifier = found
            deleted = connection.execute(
                f"DELETE FROM batches WHERE id IN (SELECT id FROM batches WHERE {owner}=? LIMIT {_ROWS})",  # noqa: S608
                (identifier,),
            )
            if deleted.rowcount == 0:
                connection.execute("DELETE FROM garbage WHERE owner=? AND id=?", (owner, identifier))
        return True

    def _expire(self) -> bool:
        with self._database.write() as connection:
            groups = connection.execute(
                "SELECT id, retention FROM groups WHERE retention IS NOT NULL"
            ).fetchall()
            return any(_expire(connection, group, cutoff(days, self._now())) for group, days in groups)


def _expire(connection: sqlite3.Connection, group: int, before: int) -> bool:
    rows = connection.execute(
        "SELECT id, stream, size FROM batches INDEXED BY ends_of_group WHERE log_group=? AND last<? LIMIT ?",
        (group, before, _ROWS),
    ).fetchall()
    if not rows:
        return False
    sizes: dict[int, int] = {}
    for _, stream, size in rows:
        sizes[stream] = sizes.get(stream, 0) + size
    connection.executemany("DELETE FROM batches WHERE id=?", [(row[0],) for row in rows])
    for stream, size in sizes.items():
        changed = connection.execute(
            "UPDATE streams SET size=size-?1, first=(SELECT min(first) FROM batches WHERE stream=?2)"
            " WHERE id=?2",
            (size, stream),
        )
        if changed.rowcount:  # the size of a deleted stream has been taken off already
            connection.execute("UPDATE groups SET size=size-? WHERE id=?", (size, group))
    return True
