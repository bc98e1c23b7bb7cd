"""Putting and reading objects in tests, and what must be true of a storage's files."""

import hashlib
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from local_account.services.s3.storage import Attributes, Body, ObjectVersion, Part, Storage, Unless, Upload

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
LARGE = 50_000
"""Bytes of a body that has a file of its own."""
MIB = 1024 * 1024


def put(
    storage: Storage,
    key: str,
    data: bytes = b"",
    *,
    bucket: str = "b",
    now: datetime = NOW,
    unless: Unless | None = None,
) -> ObjectVersion:
    """Put an object whose ETag is its MD5."""
    with storage.receive() as receiver:
        for start in range(0, len(data), 20_000):
            receiver.write(data[start : start + 20_000])
        body = receiver.finish()
        etag = hashlib.md5(data).hexdigest()
        return storage.put(bucket, key, [body], etag, Attributes(), now=now, unless=unless)


def put_part(storage: Storage, upload: Upload, number: int, data: bytes) -> Part:
    """Put a part whose ETag is its MD5."""
    with storage.receive() as receiver:
        receiver.write(data)
        body: Body = receiver.finish()
        return storage.put_part(upload, number, [body], hashlib.md5(data).hexdigest(), {}, now=NOW)


def read(storage: Storage, key: str, version_id: str | None = None, *, bucket: str = "b") -> bytes:
    """Return the bytes of a version."""
    with storage.get(bucket, key, version_id) as content:
        return b"".join(content)


def keys(storage: Storage, bucket: str = "b") -> list[str]:
    """Return the keys of a bucket that ListObjects shows."""
    return [version.key for version in storage.list_objects(bucket, "", "", "", 1000).versions]


def files(directory: Path) -> set[int]:
    """Return the ids of all files with bodies."""
    return {int(path.name) for path in directory.glob("*/**/*") if path.is_file()}


def assert_files_are_those_of_the_index(directory: Path) -> None:
    """Every file is referred to, and every reference has its file."""
    with sqlite3.connect(directory / "index.sqlite") as index:
        known = {row[0] for row in index.execute("SELECT id FROM bodies")}
        referred: dict[int, int] = {}
        for table in ("versions", "parts"):
            for body, size in index.execute(f"SELECT body, size FROM {table} WHERE body IS NOT NULL"):
                for identifier, _ in _segments(body, size):
                    referred[identifier] = referred.get(identifier, 0) + 1
        counted = dict(index.execute("SELECT id, refs FROM bodies"))
    index.close()
    assert counted == referred
    assert files(directory) == known


def _segments(body: int | bytes, size: int) -> list[tuple[int, int]]:
    from local_account.services.s3.storage.bodies import unpack

    return unpack(body, size)
