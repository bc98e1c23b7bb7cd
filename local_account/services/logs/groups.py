"""Log groups and log streams: what is kept about them, and the lists of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import NamedTuple

from local_account.foundation.errors import ServiceError
from local_account.services.logs.database import Database

_GROUP = "id, name, created, retention, class, protected, size"
_STREAM = "id, name, created, first, last, ingested"


class Group(NamedTuple):
    """One log group. Times are milliseconds since 1970."""

    id: int
    """Never given to another group, even of the same name."""
    name: str
    created: int
    retention: int | None
    """Days; None if events do not expire."""
    kind: str
    """Its log group class."""
    protected: int
    """1 if it cannot be deleted."""
    size: int
    """Bytes of its events."""


class Stream(NamedTuple):
    """One log stream. Times are milliseconds since 1970."""

    id: int
    name: str
    created: int
    first: int | None
    last: int | None
    ingested: int | None


class Groups:
    """The groups and streams of an account."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, name: str, now: int, kind: str, *, protected: bool) -> None:
        """Create a group. Raises ServiceError ResourceAlreadyExistsException."""
        try:
            with self._database.write() as connection:
                connection.execute(
                    "INSERT INTO groups (name, created, class, protected, size) VALUES (?, ?, ?, ?, 0)",
                    (name, now, kind, int(protected)),
                )
        except sqlite3.IntegrityError as error:
            raise _exists("The specified log group already exists") from error

    def group(self, name: str) -> Group:
        """Return a group. Raises ServiceError ResourceNotFoundException."""
        with self._database.read() as connection:
            return group_of(connection, name)

    def stream(self, group: Group, name: str) -> Stream:
        """Return a stream. Raises ServiceError ResourceNotFoundException."""
        with self._database.read() as connection:
            return stream_of(connection, group, name)

    def delete(self, name: str) -> None:
        """Delete a group with all that it has; its events are unreachable at once, and deleted later."""
        with self._database.write() as connection:
            group = group_of(connection, name)
            if group.protected:
                raise ServiceError(
                    "ValidationException",
                    f"The log group {name} has deletion protection enabled: disable it with "
                    "PutLogGroupDeletionProtection before you delete the log group",
                )
            connection.execute("INSERT INTO garbage VALUES ('log_group', ?)", (group.id,))
            connection.execute("DELETE FROM streams WHERE log_group=?", (group.id,))
            connection.execute("DELETE FROM metric_filters WHERE log_group=?", (group.id,))
            connection.execute("DELETE FROM filtered_minutes WHERE log_group=?", (group.id,))
            connection.execute("DELETE FROM groups WHERE id=?", (group.id,))

    def protect(self, name: str, *, protected: bool) -> None:
        """Allow or forbid that the group is deleted."""
        self._set(name, "protected", int(protected))

    def keep(self, name: str, days: int | None) -> None:
        """Set how long the group's events are kept; None for ever."""
        self._set(name, "retention", days)

    def _set(self, name: str, column: str, value: int | None) -> None:
        with self._database.write() as connection:
            group = group_of(connection, name)
            connection.execute(f"UPDATE groups SET {column}=? WHERE id=?", (value, group.id))  # noqa: S608

    def create_stream(self, group_name: str, name: str, now: int) -> None:
        """Create a stream. Raises ServiceError ResourceAlreadyExistsException, ResourceNotFoundException."""
        try:
            with self._database.write() as connection:
                group = group_of(connection, group_name)
                connection.execute(
                    "INSERT INTO streams (log_group, name, created, size) VALUES (?, ?, ?, 0)",
                    (group.id, name, now),
                )
        except sqlite3.IntegrityError as error:
            raise _exists("The specified log stream already exists") from error

    def delete_stream(self, group_name: str, name: str) -> None:
        """Delete a stream; its events are unreachable at once, and deleted later."""
        with self._database.write() as connection:
            group = group_of(connection, group_name)
            stream = stream_of(connection, group, name)
            connection.execute(
                "UPDATE groups SET size=size-(SELECT size FROM streams WHERE id=?) WHERE id=?",
                (stream.id, group.id),
            )
            connection.execute("DELETE FROM streams WHERE id=?", (stream.id,))
            connection.execute("INSERT INTO garbage VALUES ('stream', ?)", (stream.id,))

    def some(
        self, after: str, limit: int, *, prefix: str = "", part: str = "", kind: str | None = None
    ) -> list[tuple[Group, int]]:
        """Return groups by name, each with the number of its metric filters."""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_GROUP}, (SELECT count(*) FROM metric_filters WHERE log_group=groups.id)"  # noqa: S608
                " FROM groups"
                " WHERE name>? AND name>=? AND name<? AND instr(name, ?)>0 AND (?5 IS NULL OR class=?5)"
                " ORDER BY name LIMIT ?6",
                (after, prefix, _end_of(prefix), part, kind, limit),
            )
            return [(Group._make(row[:-1]), row[-1]) for row in rows]

    def streams(
        self, group: Group, prefix: str, after: str | None, limit: int, *, backward: bool
    ) -> list[Stream]:
        """Return streams by name."""
        sign, order = ("<", "DESC") if backward else (">", "ASC")
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_STREAM} FROM streams WHERE log_group=?1 AND name>=?2 AND name<?3"  # noqa: S608
                f" AND (?4 IS NULL OR name{sign}?4) ORDER BY name {order} LIMIT ?5",
                (group.id, prefix, _end_of(prefix), after, limit),
            )
            return list(map(Stream._make, rows))

    def streams_by_time(
        self, group: Group, after: tuple[int, str] | None, limit: int, *, backward: bool
    ) -> list[Stream]:
        """Return streams by the time of their last event; those without events count as the oldest."""
        sign, order = ("<", "DESC") if backward else (">", "ASC")
        where = f" AND (coalesce(last, -1), name) {sign} (?, ?)" if after else ""
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_STREAM} FROM streams WHERE log_group=?{where}"  # noqa: S608
                f" ORDER BY last {order}, name {order} LIMIT ?",
                (group.id, *(after or ()), limit),
            )
            return list(map(Stream._make, rows))


def group_of(connection: sqlite3.Connection, name: str) -> Group:
    """Return a group, in the caller's transaction. Raises ServiceError ResourceNotFoundException."""
    row = connection.execute(f"SELECT {_GROUP} FROM groups WHERE name=?", (name,)).fetchone()  # noqa: S608
    if row is None:
        raise _missing("The specified log group does not exist.")
    return Group._make(row)


def stream_of(connection: sqlite3.Connection, group: Group, name: str) -> Stream:
    """Return a stream, in the caller's transaction. Raises ServiceError ResourceNotFoundException."""
    row = connection.execute(
        f"SELECT {_STREAM} FROM streams WHERE log_group=? AND name=?",  # noqa: S608
        (group.id, name),
    ).fetchone()
    if row is None:
        raise _missing("The specified log stream does not exist.")
    return Stream._make(row)


def streams_with_prefix(connection: sqlite3.Connection, group: Group, prefix: str) -> list[int]:
    """Return the ids of the streams whose names begin with a text."""
    rows = connection.execute(
        "SELECT id FROM streams WHERE log_group=? AND name>=? AND name<?",
        (group.id, prefix, _end_of(prefix)),
    )
    return [row[0] for row in rows]


def stream_names(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, str]:
    """Return the names of streams; those that have been deleted are left out."""
    found = {}
    for one in ids:
        row = connection.execute("SELECT name FROM streams WHERE id=?", (one,)).fetchone()
        if row:
            found[one] = row[0]
    return found


def _end_of(prefix: str) -> str:
    """Return a text after all those that begin with a prefix."""
    return f"{prefix}\U0010ffff"


def _exists(message: str) -> ServiceError:
    return ServiceError("ResourceAlreadyExistsException", message)


def _missing(message: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", message)
