"""What lifecycle rules apply to, in small pages in the order of keys.

The storage is looked through, as S3 does it once a day: an index by time would cost every put.
"""

# ruff: noqa: S608 (what statements are put together of are constants)
from __future__ import annotations

from datetime import datetime

from local_account.services.s3.storage import rows
from local_account.services.s3.storage.buckets import Buckets
from local_account.services.s3.storage.index import Index
from local_account.services.s3.storage.listing import successor
from local_account.services.s3.storage.records import Candidates, ObjectVersion, Upload
from local_account.services.s3.storage.rows import LISTED, UPLOAD, Row, microseconds

After = tuple[str, int] | None
"""Key and sequence of the row that was read last."""

_LATEST, _MARKER, _MODIFIED, _SEQUENCE, _SINCE = 2, 3, 6, 12, 13  # in LISTED
_BEYOND = "\U0010ffff" * 300  # above every key, which has at most 1,024 bytes


class Lifecycle:
    """The lifecycle queries of one storage."""

    def __init__(self, index: Index, buckets: Buckets) -> None:
        self._index = index
        self._buckets = buckets

    def _read(self, bucket: str, prefix: str, after: After, limit: int) -> list[Row]:
        """Return the rows that follow, whatever they are: a page is short even if nothing in it applies."""
        number = self._buckets.known(bucket).number
        high = successor(prefix) or _BEYOND
        head = f"SELECT {LISTED} FROM versions WHERE bucket = ?"
        order = "ORDER BY key, sequence DESC LIMIT ?"
        with self._index.snapshot() as execute:
            if after is None:
                low, found = "key >= ?", []
            else:
                low = "key > ?"
                found = execute(
                    f"{head} AND key = ? AND sequence < ? {order}", (number, *after, limit)
                ).fetchall()
            found += execute(
                f"{head} AND {low} AND key < ? {order}",
                (number, prefix if after is None else after[0], high, limit - len(found)),
            ).fetchall()
        return found

    @staticmethod
    def _page(found: list[Row], limit: int, chosen: list[ObjectVersion]) -> Candidates:
        return Candidates(chosen, (found[-1][0], found[-1][_SEQUENCE]) if len(found) == limit else None)

    def expired(self, bucket: str, prefix: str, older_than: datetime, after: After, limit: int) -> Candidates:
        """Return current versions written before a time."""
        found = self._read(bucket, prefix, after, limit)
        before = microseconds(older_than)
        chosen = [
            rows.listed(bucket, row)
            for row in found
            if row[_LATEST] and not row[_MARKER] and row[_MODIFIED] < before
        ]
        return self._page(found, limit, chosen)

    def noncurrent(
        self, bucket: str, prefix: str, older_than: datetime, *, keep: int, after: After, limit: int
    ) -> Candidates:
        """Return versions that became noncurrent before a time, except the newest of each key."""
        found = self._read(bucket, prefix, after, limit)
        before = microseconds(older_than)
        chosen: list[ObjectVersion] = []
        for row in found:
            if row[_LATEST] or row[_SINCE] >= before:
                continue
            if not keep or self._newer(bucket, row, keep) >= keep:
                chosen.append(rows.listed(bucket, row))
        return self._page(found, limit, chosen)

    def _newer(self, bucket: str, row: Row, keep: int, above: int | None = None) -> int:
        """Return how many noncurrent versions of the key are newer than the row, counting up to ``keep``."""
        return len(
            self._index.all(
                "SELECT 1 FROM versions WHERE bucket = ? AND key = ? AND sequence > ? AND latest = 0 LIMIT ?",
                (
                    self._buckets.known(bucket).number,
                    row[0],
                    row[_SEQUENCE] if above is None else above,
                    keep,
                ),
            )
        )

    def lone_markers(self, bucket: str, prefix: str, after: After, limit: int) -> Candidates:
        """Return delete markers that are all that is left of their key."""
        found = self._read(bucket, prefix, after, limit)
        chosen = [
            rows.listed(bucket, row)
            for row in found
            if row[_LATEST] and row[_MARKER] and not self._newer(bucket, row, 1, above=-1)
        ]
        return self._page(found, limit, chosen)

    def stale_uploads(self, bucket: str, prefix: str, older_than: datetime, limit: int) -> list[Upload]:
        """Return uploads that were begun before a time, the oldest first."""
        found = self._index.all(
            f"SELECT {UPLOAD} FROM uploads WHERE bucket = ? AND initiated < ? AND key >= ? AND key < ? "
            "ORDER BY initiated LIMIT ?",
            (
                self._buckets.known(bucket).number, microseconds(older_than), prefix,
                successor(prefix) or _BEYOND, limit,
            ),
        )  # fmt: skip
        return [rows.upload(bucket, row) for row in found]
