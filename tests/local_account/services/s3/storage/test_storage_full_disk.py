"""A full disk is an error, loses nothing, and is over once there is room."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.services.s3.storage import Attributes, Storage
from tests.local_account.services.s3.storage.objects import (
    LARGE,
    NOW,
    assert_files_are_those_of_the_index,
    keys,
    put,
    put_part,
    read,
)
from tests.local_account.small_disk import fill, small_file_system

FULL = (OSError, sqlite3.OperationalError)
WORDS = "No space left|database or disk is full"  # the gateway answers DiskFull to these


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few megabytes."""
    with small_file_system(tmp_path, megabytes=4) as where:
        yield where


@pytest.mark.parametrize("size", [1000, LARGE, 40 * LARGE])
def test_a_full_disk_is_an_error_and_nothing_is_lost(small_disk: Path, size: int) -> None:
    directory = small_disk / "s3"
    storage = Storage(directory)
    storage.create_bucket("b", "us-east-1", NOW)
    upload = storage.create_upload("b", "upload", Attributes(), NOW)
    part = put_part(storage, upload, 1, b"p" * LARGE)
    put(storage, "before", b"b" * 1000)
    written: list[str] = []
    for round_ in range(3):
        filler = small_disk / "filler"
        fill(filler)
        with pytest.raises(FULL, match=WORDS):
            for i in range(10_000):
                key = f"{round_}-{i}"
                put(storage, key, key.encode() * (size // len(key)))
                written.append(key)
        with pytest.raises(FULL, match=WORDS):
            for _ in range(10_000):
                put_part(storage, upload, 1, b"p" * LARGE)
                fill(filler)
        filler.unlink()
        put(storage, f"after-{round_}", b"a" * LARGE)
        written.append(f"after-{round_}")
        assert read(storage, "before") == b"b" * 1000
        assert set(keys(storage)) == {"before", *written[-999:]} or len(written) > 999
    storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW)
    storage.close()
    again = Storage(directory)
    assert read(again, "upload") == b"p" * LARGE
    for key in written:
        expected = b"a" * LARGE if key.startswith("after") else key.encode() * (size // len(key))
        assert read(again, key) == expected
    again.close()
    assert_files_are_those_of_the_index(directory)
    assert list((directory / "incoming").iterdir()) == []


def test_the_newest_version_stays_the_newest_when_the_disk_was_full_at_the_first_write(
    small_disk: Path,
) -> None:
    """Numbers order the versions; those that a full disk kept from being reserved were given out twice."""
    directory = small_disk / "s3"
    storage = Storage(directory)
    storage.create_bucket("b", "us-east-1", NOW)
    storage.create_bucket("plain", "us-east-1", NOW)
    storage.set_versioning("b", "Enabled")
    storage.close()
    filler = small_disk / "filler"
    killed = Storage(directory)
    fill(filler)
    with pytest.raises(FULL, match=WORDS):
        put(killed, "key", b"0" * 1000, bucket="plain")
    filler.unlink()
    for number in range(1, 4):
        put(killed, "key", str(number).encode())
    again = Storage(directory)  # what a killed account's next start sees
    put(again, "key", b"newest")
    assert read(again, "key") == b"newest"
    killed.close()
    again.close()
