"""Versions of objects: written, read and deleted as the bucket's versioning says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime

from local_account.services.s3.storage import rows
from local_account.services.s3.storage.bodies import Bodies, Body, pack, unpack
from local_account.services.s3.storage.buckets import Buckets, Known
from local_account.services.s3.storage.content import Content
from local_account.services.s3.storage.errors import NoSuchKey, NoSuchVersion
from local_account.services.s3.storage.identifiers import version_id, version_sequence
from local_account.services.s3.storage.index import Execute, Index
from local_account.services.s3.storage.records import (
    NULL_VERSION,
    Attributes,
    Deleted,
    ObjectVersion,
    Part,
)
from local_account.services.s3.storage.rows import BODY, WHOLE, Row, microseconds

Unless = Callable[[ObjectVersion | None], None]
"""Called in the transaction with the current version (None if absent or a delete marker); raise to refuse.

It can read the storage, and cannot write to it.
"""
Query = Callable[[str, tuple[object, ...]], Row | None]

_DATA = "(SELECT data FROM small WHERE small.sequence = versions.sequence)"
_LATEST = "FROM versions WHERE bucket = ? AND key = ? ORDER BY sequence DESC LIMIT 1"
_ONE = "FROM versions WHERE bucket = ? AND key = ? AND sequence = ?"
_BURIED = "FROM versions WHERE bucket = ? AND key = ? AND latest = 0 AND version_id = 'null'"
_INSERT = "INSERT INTO versions VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?, ?, ?)"
_PLAIN = "INSERT INTO plain VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_MARKER = Attributes()


def _first(execute: Execute) -> Query:
    def query(sql: str, arguments: tuple[object, ...]) -> Row | None:
        row: Row | None = execute(sql, arguments).fetchone()
        return row

    return query


class Versions:
    """The object versions of one storage."""

    def __init__(self, index: Index, buckets: Buckets, bodies: Bodies) -> None:
        self._index = index
        self._buckets = buckets
        self._bodies = bodies

    # --- reading

    def latest(self, bucket: str, key: str) -> ObjectVersion:
        """Return the newest version or marker. Raises NoSuchKey."""
        row = self._index.one(f"SELECT {WHOLE} {_LATEST}", (self._buckets.known(bucket).number, key))
        if row is None:
            raise NoSuchKey(f"the bucket {bucket!r} has no key {key!r}")
        return rows.whole(bucket, row)

    def version(self, bucket: str, key: str, identifier: str) -> ObjectVersion:
        """Return a version or marker. Raises NoSuchVersion, InvalidVersionId."""
        number = self._buckets.known(bucket).number
        return rows.whole(bucket, self._row(self._index.one, number, key, identifier))

    def get(self, bucket: str, key: str, identifier: str | None) -> Content:
        """Return the newest version, or the given one, with its bytes."""
        number = self._buckets.known(bucket).number
        while True:
            generation = self._bodies.generation
            if identifier is None:
                row = self._index.one(f"SELECT {WHOLE}, {_DATA} {_LATEST}", (number, key))
                if row is None:
                    raise NoSuchKey(f"the bucket {bucket!r} has no key {key!r}")
            else:
                row = self._row(self._index.one, number, key, identifier, f"{WHOLE}, {_DATA}")
            content = self._content(bucket, row, generation)
            if content is not None:
                return content

    def open(self, version: ObjectVersion) -> Content:
        """Return the bytes of a version. Raises NoSuchVersion if it is gone."""
        number = self._buckets.known(version.bucket).number
        while True:
            generation = self._bodies.generation
            row = self._index.one(f"SELECT {WHOLE}, {_DATA} {_ONE}", (number, version.key, version.sequence))
            if row is None:
                raise NoSuchVersion(f"the version {version.version_id!r} of {version.key!r} is gone")
            content = self._content(version.bucket, row, generation)
            if content is not None:
                return content

    def _content(self, bucket: str, row: Row, generation: int) -> Content | None:
        """Return the content with its files pinned; None if they may have been unlinked meanwhile."""
        version = rows.whole(bucket, row)
        body = row[BODY]
        if body is None:
            data = row[BODY + 1]
            return Content(version, b"" if data is None else data, self._bodies, [])
        segments = unpack(body, version.size)
        if not self._bodies.pin([identifier for identifier, _ in segments], generation):
            return None
        return Content(version, None, self._bodies, segments)

    def _row(self, query: Query, number: int, key: str, identifier: str, columns: str = WHOLE) -> Row:
        if identifier == NULL_VERSION:
            row = query(f"SELECT {columns} {_LATEST}", (number, key))
            if row is not None and row[1] != NULL_VERSION:
                row = query(f"SELECT {columns} {_BURIED}", (number, key))
        else:
            row = query(f"SELECT {columns} {_ONE}", (number, key, version_sequence(identifier)))
        if row is None or row[1] != identifier:
            raise NoSuchVersion(f"{key!r} has no version {identifier!r}")
        return row

    # --- writing

    def put(
        self,
        bucket: str,
        key: str,
        segments: Sequence[Body],
        etag: str,
        attributes: Attributes,
        *,
        now: datetime,
        parts: Sequence[Part] = (),
        unless: Unless | None = None,
    ) -> ObjectVersion:
        """Store a version."""
        if unless is None and len(segments) == 1 and (segments[0].data or not segments[0].size):
            stored = self._put_plain(bucket, key, segments[0], etag, attributes, now=now)
            if stored is not None:
                return stored
        if len(segments) > 1:
            for body in segments:
                self._bodies.spill(body)
        with self._index as execute:
            known = self._buckets.known(bucket)
            self._bodies.forget_unlinked(execute)
            self._bodies.refer(execute, segments)
            kept = [(body.id, body.size) for body in segments if body.size and body.data is None]
            version = self.insert(
                execute,
                known,
                key,
                body=pack(kept),
                size=sum(body.size for body in segments),
                etag=etag,
                attributes=attributes,
                now=now,
                parts=parts,
                unless=unless,
            )
            if len(segments) == 1 and segments[0].data:
                execute("INSERT INTO small VALUES (?, ?)", (version.sequence, segments[0].data))
        return version

    def _put_plain(
        self, bucket: str, key: str, body: Body, etag: str, attributes: Attributes, *, now: datetime
    ) -> ObjectVersion | None:
        """Store a small version as one statement; None if it takes more, and nothing is stored."""
        columns = (body.size, etag, microseconds(now), *rows.columns(attributes), body.data)

        def arguments(number: Callable[[], int]) -> tuple[object, ...] | None:
            known = self._buckets.known(bucket)
            if known.bucket.versioning or self._bodies.has_unlinked:
                return None
            return (known.number, key, number(), *columns)

        stored = self._index.change(_PLAIN, arguments)
        if stored is None:
            return None
        return ObjectVersion(
            bucket, key, NULL_VERSION, True, False, body.size, etag, now, attributes, stored[2]
        )

    def insert(
        self,
        execute: Execute,
        known: Known,
        key: str,
        *,
        body: int | bytes | None,
        size: int,
        etag: str,
        attributes: Attributes,
        now: datetime,
        parts: Sequence[Part] = (),
        unless: Unless | None = None,
        marker: bool = False,
    ) -> ObjectVersion:
        """Store a version whose files are referred to already, within a transaction."""
        number, bucket = known.number, known.bucket
        row = execute(f"SELECT {WHOLE} {_LATEST}", (number, key)).fetchone()
        if unless is not None:
            unless(None if row is None or row[3] else rows.whole(bucket.name, row))
        sequence = self._index.sequence()
        enabled = bucket.versioning == "Enabled"
        identifier = version_id(sequence) if enabled else NULL_VERSION
        at = microseconds(now)
        if row is not None:
            self._bury(execute, number, key, row, at, replace_null=not enabled)
        execute(
            _INSERT,
            (
                number, key, sequence, identifier, marker, size, etag, at, *rows.columns(attributes),
                body, rows.parts_text(parts), bucket.versioning != "",
            ),
        )  # fmt: skip
        return ObjectVersion(
            bucket.name,
            key,
            identifier,
            True,
            marker,
            size,
            etag,
            now,
            attributes,
            sequence,
            None,
            tuple(parts),
        )

    def _bury(
        self, execute: Execute, number: int, key: str, row: Row, at: int, *, replace_null: bool
    ) -> None:
        """Make room for a newer version than the one of the row."""
        if replace_null and row[1] == NULL_VERSION:
            self._remove(execute, number, row)
            return
        if replace_null:
            null = execute(f"SELECT {WHOLE} {_BURIED}", (number, key)).fetchone()
            if null is not None:
                self._remove(execute, number, null)
        execute(
            "UPDATE versions SET latest = 0, noncurrent_since = ? "
            "WHERE bucket = ? AND key = ? AND sequence = ?",
            (at, number, key, row[12]),
        )

    def _remove(self, execute: Execute, number: int, row: Row) -> None:
        execute(
            "DELETE FROM versions WHERE bucket = ? AND key = ? AND sequence = ?", (number, row[0], row[12])
        )
        if row[BODY] is not None:
            self._bodies.release(execute, unpack(row[BODY], row[4]))

    def delete(self, bucket: str, key: str, *, now: datetime, unless: Unless | None = None) -> Deleted:
        """Delete an object as the bucket's versioning says."""
        with self._index as execute:
            self._bodies.forget_unlinked(execute)
            return self._delete(execute, self._buckets.known(bucket), key, now, unless)

    def _delete(
        self, execute: Execute, known: Known, key: str, now: datetime, unless: Unless | None = None
    ) -> Deleted:
        if known.bucket.versioning:
            null = None
            if known.bucket.versioning == "Suspended":
                with suppress(NoSuchVersion):
                    null = rows.whole(
                        known.bucket.name, self._row(_first(execute), known.number, key, NULL_VERSION)
                    )
            marker = self.insert(
                execute,
                known,
                key,
                body=None,
                size=0,
                etag="",
                attributes=_MARKER,
                now=now,
                unless=unless,
                marker=True,
            )
            return Deleted(marker.version_id, True, null)
        row = execute(f"SELECT {WHOLE} {_LATEST}", (known.number, key)).fetchone()
        if unless is not None:
            unless(None if row is None or row[3] else rows.whole(known.bucket.name, row))
        if row is None:
            return Deleted(None, False)
        self._remove(execute, known.number, row)
        return Deleted(None, False, rows.whole(known.bucket.name, row))

    def delete_version(self, bucket: str, key: str, identifier: str, unless: Unless | None = None) -> Deleted:
        """Remove a version or marker for good."""
        with self._index as execute:
            self._bodies.forget_unlinked(execute)
            return self._delete_version(execute, self._buckets.known(bucket), key, identifier, unless)

    def _delete_version(
        self, execute: Execute, known: Known, key: str, identifier: str, unless: Unless | None = None
    ) -> Deleted:
        number = known.number
        try:
            row = self._row(_first(execute), number, key, identifier)
        except NoSuchVersion:
            if unless is not None:
                unless(None)
            return Deleted(identifier, False)
        version = rows.whole(known.bucket.name, row)
        if unless is not None:
            unless(None if version.is_delete_marker else version)
        self._remove(execute, number, row)
        if version.is_latest:
            execute(
                "UPDATE versions SET latest = 1, noncurrent_since = NULL WHERE bucket = ? AND key = ? "
                "AND sequence = (SELECT max(sequence) FROM versions WHERE bucket = ? AND key = ?)",
                (number, key, number, key),
            )
        return Deleted(identifier, version.is_delete_marker, version)

    def delete_many(
        self, bucket: str, objects: Iterable[tuple[str, str | None]], now: datetime
    ) -> list[Deleted]:
        """Delete keys, or versions of keys, in one transaction."""
        with self._index as execute:
            self._bodies.forget_unlinked(execute)
            known = self._buckets.known(bucket)
            return [
                self._delete(execute, known, key, now)
                if identifier is None
                else self._delete_version(execute, known, key, identifier)
                for key, identifier in objects
            ]

    def set_tags(
        self, bucket: str, key: str, identifier: str | None, tags: Mapping[str, str]
    ) -> ObjectVersion:
        """Replace the tags of a version, or of the newest one."""
        with self._index as execute:
            number = self._buckets.known(bucket).number
            if identifier is None:
                row = execute(f"SELECT {WHOLE} {_LATEST}", (number, key)).fetchone()
                if row is None:
                    raise NoSuchKey(f"the bucket {bucket!r} has no key {key!r}")
            else:
                row = self._row(_first(execute), number, key, identifier)
            version = rows.whole(bucket, row)
            if not version.is_delete_marker:
                execute(
                    "UPDATE versions SET tags = ? WHERE bucket = ? AND key = ? AND sequence = ?",
                    (rows.text(tags), number, key, version.sequence),
                )
                version.attributes = replace(version.attributes, tags=dict(tags))
        return version
