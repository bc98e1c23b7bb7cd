"""Buckets: what they are set to outlives the process; only empty ones can be deleted."""

import sqlite3
from pathlib import Path

import pytest

from local_account.foundation.config import OlderStateError
from local_account.services.s3.storage import (
    Attributes,
    BucketAlreadyExists,
    BucketNotEmpty,
    NoSuchBucket,
    Storage,
)
from tests.local_account.services.s3.storage.objects import LARGE, NOW, files, keys, put, put_part, read


def test_a_bucket_and_its_settings_outlive_the_process(storage: Storage, directory: Path) -> None:
    storage.create_bucket("a", "eu-central-1", NOW, {"ownership": "BucketOwnerEnforced"})
    storage.configure("a", "policy", {"Statement": []})
    storage.configure("a", "lifecycle", {"Rules": [1]})
    storage.configure("a", "policy", None)
    changed = storage.set_versioning("a", "Enabled")
    assert changed == storage.bucket("a")
    storage.close()
    again = Storage(directory)
    assert [bucket.name for bucket in again.buckets()] == ["a", "b"]
    bucket = again.bucket("a")
    assert (bucket.created, bucket.region, bucket.versioning) == (NOW, "eu-central-1", "Enabled")
    assert bucket.settings == {"ownership": "BucketOwnerEnforced", "lifecycle": {"Rules": [1]}}
    again.close()


def test_a_bucket_is_made_once(storage: Storage) -> None:
    with pytest.raises(BucketAlreadyExists):
        storage.create_bucket("b", "us-east-1", NOW)


def test_only_an_empty_bucket_can_be_deleted(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    version = put(storage, "k")
    marker = storage.delete("b", "k", NOW)
    for left in (version.version_id, marker.version_id):
        with pytest.raises(BucketNotEmpty):
            storage.delete_bucket("b")
        storage.delete_version("b", "k", left or "")
    storage.delete_bucket("b")
    assert storage.buckets() == []
    for refused in (
        lambda: storage.bucket("b"),
        lambda: storage.delete_bucket("b"),
        lambda: put(storage, "k"),
        lambda: storage.latest("b", "k"),
        lambda: storage.get("b", "k"),
        lambda: storage.list_objects("b", "", "", "", 1),
    ):
        with pytest.raises(NoSuchBucket):
            refused()


def test_deleting_a_bucket_aborts_its_uploads(storage: Storage, directory: Path) -> None:
    upload = storage.create_upload("b", "k", Attributes(), NOW)
    put_part(storage, upload, 1, b"x" * LARGE)
    storage.delete_bucket("b")
    assert files(directory) == set()
    storage.create_bucket("b", "us-east-1", NOW)
    assert storage.uploads("b", "", "", "", "", limit=10).uploads == []


_BACK_TO_1 = """
DROP TRIGGER put;
DROP VIEW plain;
DROP TRIGGER removed;
DROP INDEX current;
ALTER TABLE versions DROP COLUMN versioned;
CREATE TABLE usage (bucket INTEGER PRIMARY KEY, versions INTEGER NOT NULL, size INTEGER NOT NULL);
CREATE UNIQUE INDEX current ON versions (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE TRIGGER stored AFTER INSERT ON versions BEGIN
    UPDATE usage SET versions = versions + 1, size = size + new.size WHERE bucket = new.bucket;
END;
CREATE TRIGGER removed AFTER DELETE ON versions BEGIN
    UPDATE usage SET versions = versions - 1, size = size - old.size WHERE bucket = old.bucket;
    DELETE FROM small WHERE sequence = old.sequence;
END;
PRAGMA user_version = 1;
"""


def test_an_index_of_format_1_is_taken_over(storage: Storage, directory: Path) -> None:
    put(storage, "k", b"plain")
    storage.create_bucket("versioned", "us-east-1", NOW)
    storage.set_versioning("versioned", "Enabled")
    put(storage, "k", b"1", bucket="versioned")
    put(storage, "k", b"2", bucket="versioned")
    storage.close()
    with sqlite3.connect(directory / "index.sqlite") as index:
        index.executescript(_BACK_TO_1)
    index.close()
    for _ in range(2):  # the second time it is of this format
        again = Storage(directory)
        assert keys(again) == ["k"]
        assert keys(again, bucket="versioned") == ["k"]
        assert read(again, "k") == b"plain"
        assert len(again.list_versions("versioned", "", "", "", "", limit=10).versions) == 2
        put(again, "k", b"plain")
        again.close()


def test_lists_of_a_bucket_are_right_when_versioning_begins(storage: Storage) -> None:
    for key in ("a", "b", "c"):
        put(storage, key, key.encode())
    storage.set_versioning("b", "Enabled")
    storage.delete("b", "a", NOW)
    put(storage, "b", b"2")
    assert keys(storage) == ["b", "c"]
    assert read(storage, "b") == b"2"
    storage.set_versioning("b", "Suspended")
    put(storage, "c", b"2")
    assert keys(storage) == ["b", "c"]
    assert [one.key for one in storage.list_versions("b", "", "", "", "", limit=10).versions] == [
        *("a", "a", "b", "b", "c")
    ]


def test_an_index_of_another_build_is_refused_with_what_to_do(storage: Storage, directory: Path) -> None:
    storage.close()
    with sqlite3.connect(directory / "index.sqlite") as index:
        index.execute("PRAGMA user_version=99")
    index.close()
    with pytest.raises(OlderStateError, match=r"format 99.*make reset"):
        Storage(directory)
