"""Lists of objects, versions and uploads; a page costs what it shows, not what its common prefixes hold."""

# ruff: noqa: S608 (what statements are put together of are constants)
from __future__ import annotations

from collections.abc import Callable, Iterator

from local_account.services.s3.storage import rows
from local_account.services.s3.storage.buckets import Buckets
from local_account.services.s3.storage.identifiers import upload_sequence, version_sequence
from local_account.services.s3.storage.index import Execute, Index
from local_account.services.s3.storage.records import NULL_VERSION, Page, UploadsPage
from local_account.services.s3.storage.rows import LISTED, UPLOAD, Row


def successor(text: str) -> str | None:
    """Return the least text, in UTF-8 order, that is above all that begin with ``text``; None if none is.

    The order of UTF-8 bytes is that of code points, of which the surrogates are no text.
    """
    for end in range(len(text), 0, -1):
        point = ord(text[end - 1]) + 1
        if point <= 0x10FFFF:
            return text[: end - 1] + chr(0xE000 if 0xD800 <= point <= 0xDFFF else point)
    return None


class Selection:
    """A query for the rows of keys between two bounds, in order. Its columns begin with the key."""

    def __init__(self, head: str, order: str) -> None:
        self._statements = {
            (inclusive, bounded): f"{head} AND key {'>=' if inclusive else '>'} ?"
            f"{' AND key < ?' if bounded else ''} ORDER BY {order} LIMIT ?"
            for inclusive in (True, False)
            for bounded in (True, False)
        }

    def rows(
        self, execute: Execute, number: int, low: str, high: str | None, *, inclusive: bool, limit: int
    ) -> Iterator[Row]:
        """Return an iterator that reads rows as they are taken, ``limit`` at most."""
        bounds = (low,) if high is None else (low, high)
        return execute(self._statements[inclusive, high is not None], (number, *bounds, limit))


# In a bucket without versions the filter drops nothing; in others it would read all that is not current.
_OBJECTS = Selection(
    f"SELECT {LISTED} FROM versions NOT INDEXED WHERE bucket = ? AND latest = 1 AND marker = 0", "key"
)
_CURRENT = Selection(
    f"SELECT {LISTED} FROM versions INDEXED BY current "
    "WHERE bucket = ? AND latest = 1 AND marker = 0 AND versioned = 1",
    "key",
)
_VERSIONS = Selection(f"SELECT {LISTED} FROM versions WHERE bucket = ?", "key, sequence DESC")
_UPLOADS = Selection(f"SELECT {UPLOAD} FROM uploads WHERE bucket = ?", "key, sequence")

Rest = Callable[[Execute], Iterator[Row]]
"""Runs the query for what is left of the marker's own key."""


class Walk:
    """The entries of one page: what is under a prefix, rolled up at a delimiter ("ListObjectsV2", S3 API)."""

    def __init__(self, prefix: str, delimiter: str, after: str, limit: int) -> None:
        self._prefix = prefix
        self._delimiter = delimiter
        self._after = after
        self._limit = limit
        self.truncated = False

    def _common_prefix(self, key: str) -> str:
        """Return what a key is rolled up to; "" if it is listed itself."""
        if not self._delimiter:
            return ""
        at = key.find(self._delimiter, len(self._prefix))
        return "" if at < 0 else key[: at + len(self._delimiter)]

    def _start(self) -> tuple[str | None, bool]:
        """Return the key to begin at, and whether it can be listed itself; (None, …) if nothing can follow.

        A marker at or within a common prefix is after all of it, which an earlier page had.
        """
        if self._after < self._prefix:
            return self._prefix, True
        if self._after.startswith(self._prefix):
            rolled = self._common_prefix(self._after)
            if rolled:
                return successor(rolled), True
        return self._after, not self._after

    def entries(
        self, execute: Execute, selection: Selection, number: int, rest: Rest | None = None
    ) -> Iterator[tuple[str, Row | None]]:
        """Yield (common prefix, None) and ("", row) in order, up to the limit, which sets ``truncated``."""
        low, inclusive = self._start()
        high = successor(self._prefix)
        left = self._limit
        if left <= 0:
            return
        if rest is not None and low == self._after and self._after.startswith(self._prefix) and not inclusive:
            for row in rest(execute):
                if not left:
                    self.truncated = True
                    return
                left -= 1
                yield "", row
        while low is not None:
            skip = ""
            for row in selection.rows(execute, number, low, high, inclusive=inclusive, limit=left + 1):
                if not left:
                    self.truncated = True
                    return
                left -= 1
                skip = self._common_prefix(row[0])
                if skip:
                    yield skip, None
                    break
                yield "", row
            if not skip:
                return
            low, inclusive = successor(skip), True


class Listing:
    """The lists of one storage."""

    def __init__(self, index: Index, buckets: Buckets) -> None:
        self._index = index
        self._buckets = buckets

    def objects(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """Return the current versions after a key or common prefix."""
        known = self._buckets.known(bucket)
        selection = _CURRENT if known.bucket.versioning else _OBJECTS
        walk = Walk(prefix, delimiter, after, limit)
        page = Page()
        with self._index.snapshot() as execute:
            for rolled, row in walk.entries(execute, selection, known.number):
                if row is None:
                    page.common_prefixes.append(rolled)
                    page.last = rolled
                else:
                    page.versions.append(rows.listed(bucket, row))
                    page.last = row[0]
        page.truncated = walk.truncated
        return page

    def versions(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, id_marker: str, *, limit: int
    ) -> Page:
        """Return versions and markers after a key, or after a version of it."""
        number = self._buckets.known(bucket).number
        walk = Walk(prefix, delimiter, key_marker, limit)
        page = Page()
        with self._index.snapshot() as execute:
            rest = self._older(execute, number, key_marker, id_marker, limit) if id_marker else None
            for rolled, row in walk.entries(execute, _VERSIONS, number, rest):
                if row is None:
                    page.common_prefixes.append(rolled)
                    page.last, page.last_version_id = rolled, ""
                else:
                    page.versions.append(rows.listed(bucket, row))
                    page.last, page.last_version_id = row[0], row[1]
        page.truncated = walk.truncated
        return page

    def _older(self, execute: Execute, number: int, key: str, identifier: str, limit: int) -> Rest:
        """Return the query for the versions of a key that are older than one of them.

        A version id says how old it is, even when the version is gone. A "null" version that is gone does
        not: then all of the key is listed (again), so that who deletes what is listed leaves nothing out.
        """
        if identifier == NULL_VERSION:
            found = execute(
                "SELECT sequence FROM versions WHERE bucket = ? AND key = ? AND version_id = 'null'",
                (number, key),
            ).fetchone()
            below = 2**63 - 1 if found is None else found[0]
        else:
            below = version_sequence(identifier)
        return lambda run: run(
            f"SELECT {LISTED} FROM versions WHERE bucket = ? AND key = ? AND sequence < ? "
            "ORDER BY sequence DESC LIMIT ?",
            (number, key, below, limit + 1),
        )

    def uploads(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, id_marker: str, *, limit: int
    ) -> UploadsPage:
        """Return the uploads in progress after a key, or after an upload of it."""
        number = self._buckets.known(bucket).number
        walk = Walk(prefix, delimiter, key_marker, limit)
        page = UploadsPage()
        rest: Rest | None = None
        if id_marker:
            above = upload_sequence(id_marker)
            rest = lambda run: run(  # noqa: E731
                f"SELECT {UPLOAD} FROM uploads WHERE bucket = ? AND key = ? AND sequence > ? "
                "ORDER BY sequence LIMIT ?",
                (number, key_marker, above, limit + 1),
            )
        with self._index.snapshot() as execute:
            for rolled, row in walk.entries(execute, _UPLOADS, number, rest):
                if row is None:
                    page.common_prefixes.append(rolled)
                    page.last, page.last_id = rolled, ""
                else:
                    page.uploads.append(rows.upload(bucket, row))
                    page.last, page.last_id = row[0], row[1]
        page.truncated = walk.truncated
        return page
