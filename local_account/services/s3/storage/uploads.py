"""Multipart uploads: parts are bodies, and completing an upload only says in which order."""

# ruff: noqa: S608 (what statements are put together of are constants)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

from local_account.services.s3.storage import rows
from local_account.services.s3.storage.bodies import Bodies, Body, Segment, pack, unpack
from local_account.services.s3.storage.buckets import Buckets, Known
from local_account.services.s3.storage.errors import (
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    NoSuchUpload,
)
from local_account.services.s3.storage.identifiers import upload_id, upload_sequence
from local_account.services.s3.storage.index import Execute, Index
from local_account.services.s3.storage.records import (
    EMPTY,
    MINIMUM_PART,
    Attributes,
    ObjectVersion,
    Part,
    PartsPage,
    Upload,
)
from local_account.services.s3.storage.rows import PART, UPLOAD, Row, microseconds
from local_account.services.s3.storage.versions import Unless, Versions

_BODY = 5
"""Where a row of PART and the body has the body."""
Wanted = Sequence[tuple[int, str]]
"""Number and ETag (without quotes) of each part, as the client lists them."""


class Uploads:
    """The uploads in progress of one storage."""

    def __init__(self, index: Index, buckets: Buckets, bodies: Bodies, versions: Versions) -> None:
        self._index = index
        self._buckets = buckets
        self._bodies = bodies
        self._versions = versions

    def create(
        self, bucket: str, key: str, attributes: Attributes, now: datetime, said: Mapping[str, Any]
    ) -> Upload:
        """Begin an upload."""
        with self._index as execute:
            number = self._buckets.known(bucket).number
            sequence = self._index.sequence()
            identifier = upload_id(sequence)
            execute(
                "INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    number, key, sequence, identifier, microseconds(now), *rows.columns(attributes),
                    rows.text(said),
                ),
            )  # fmt: skip
        return Upload(bucket, key, identifier, now, attributes, said, sequence)

    def upload(self, bucket: str, key: str, identifier: str) -> Upload:
        """Return an upload in progress. Raises NoSuchUpload."""
        row = self._index.one(
            f"SELECT {UPLOAD} FROM uploads WHERE bucket = ? AND key = ? AND sequence = ?",
            (self._buckets.known(bucket).number, key, upload_sequence(identifier)),
        )
        if row is None or row[1] != identifier:
            raise NoSuchUpload(f"there is no upload {identifier!r} of {key!r}")
        return rows.upload(bucket, row)

    def _require(self, execute: Execute, upload: Upload) -> Known:
        known = self._buckets.known(upload.bucket)
        row = execute(
            "SELECT 1 FROM uploads WHERE bucket = ? AND key = ? AND sequence = ?",
            (known.number, upload.key, upload.sequence),
        ).fetchone()
        if row is None:
            raise NoSuchUpload(f"there is no upload {upload.id!r} of {upload.key!r}")
        return known

    def put_part(
        self,
        upload: Upload,
        number: int,
        segments: Sequence[Body],
        etag: str,
        checksums: Mapping[str, str],
        *,
        now: datetime,
    ) -> Part:
        """Store a part, new or in place of the one of that number."""
        size = sum(body.size for body in segments)
        for body in segments:
            self._bodies.spill(body)
        with self._index as execute:
            self._require(execute, upload)
            self._bodies.forget_unlinked(execute)
            self._index.sequence()  # so that the numbers of the files are not given out again
            old = execute(
                "SELECT size, body FROM parts WHERE upload = ? AND number = ?", (upload.sequence, number)
            ).fetchone()
            if old is not None:
                self._bodies.release(execute, unpack(old[1], old[0]))
            self._bodies.refer(execute, segments)
            kept = pack((body.id, body.size) for body in segments if body.size)
            execute(
                "INSERT OR REPLACE INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (
                    upload.sequence,
                    number,
                    size,
                    etag,
                    rows.checksums_text(checksums),
                    microseconds(now),
                    kept,
                ),
            )
        return Part(number, size, etag, checksums, now)

    def parts(self, upload: Upload, after: int, limit: int) -> PartsPage:
        """Return the parts after a number."""
        with self._index.snapshot() as execute:
            self._require(execute, upload)
            found = execute(
                f"SELECT {PART} FROM parts WHERE upload = ? AND number > ? ORDER BY number LIMIT ?",
                (upload.sequence, after, limit + 1),
            ).fetchall()
        return PartsPage([rows.part(row) for row in found[:limit]], 0 < limit < len(found))

    def chosen(self, upload: Upload, wanted: Wanted) -> list[Part]:
        """Return the parts that a client lists."""
        with self._index.snapshot() as execute:
            self._require(execute, upload)
            return [rows.part(row) for row in self._choose(execute, upload, wanted)]

    def _choose(self, execute: Execute, upload: Upload, wanted: Wanted) -> list[Row]:
        numbers = [number for number, _ in wanted]
        if any(later <= number for number, later in pairwise(numbers)):
            raise InvalidPartOrder("the parts are not in ascending order")
        found = {
            row[0]: row
            for row in execute(f"SELECT {PART}, body FROM parts WHERE upload = ?", (upload.sequence,))
        }
        chosen: list[Row] = []
        for number, etag in wanted:
            row = found.get(number)
            if row is None or row[2] != etag:
                raise InvalidPart(number, etag)
            chosen.append(row)
        for row in chosen[:-1]:
            if row[1] < MINIMUM_PART:
                raise EntityTooSmall(row[0], row[1], row[2])
        return chosen

    def complete(
        self,
        upload: Upload,
        wanted: Wanted,
        etag: str,
        attributes: Attributes,
        *,
        now: datetime,
        unless: Unless | None,
        part_checksums: bool,
    ) -> ObjectVersion:
        """Make a version of the parts."""
        with self._index as execute:
            known = self._require(execute, upload)
            self._bodies.forget_unlinked(execute)
            chosen = self._choose(execute, upload, wanted)
            segments: list[Segment] = []
            for row in chosen:
                segments += unpack(row[_BODY], row[1])
            parts = [rows.part(row) for row in chosen]
            version = self._versions.insert(
                execute,
                known,
                upload.key,
                body=pack(segments),
                size=sum(row[1] for row in chosen),
                etag=etag,
                attributes=attributes,
                now=now,
                parts=parts if part_checksums else [replace(part, checksums=EMPTY) for part in parts],
                unless=unless,
            )
            self._remove(execute, known, upload, kept={row[0] for row in chosen})
        return version

    def abort(self, upload: Upload) -> None:
        """End an upload and delete its parts."""
        with self._index as execute:
            known = self._require(execute, upload)
            self._bodies.forget_unlinked(execute)
            self._remove(execute, known, upload, kept=set())

    def abort_all(self, execute: Execute, known: Known) -> None:
        """End all uploads of a bucket, within a transaction."""
        for row in execute(f"SELECT {UPLOAD} FROM uploads WHERE bucket = ?", (known.number,)).fetchall():
            self._remove(execute, known, rows.upload(known.bucket.name, row), kept=set())

    def _remove(self, execute: Execute, known: Known, upload: Upload, kept: set[int]) -> None:
        """Remove an upload; the files of the kept parts have got another owner."""
        for number, size, body in execute(
            "SELECT number, size, body FROM parts WHERE upload = ?", (upload.sequence,)
        ).fetchall():
            if number not in kept:
                self._bodies.release(execute, unpack(body, size))
        execute("DELETE FROM parts WHERE upload = ?", (upload.sequence,))
        execute(
            "DELETE FROM uploads WHERE bucket = ? AND key = ? AND sequence = ?",
            (known.number, upload.key, upload.sequence),
        )
