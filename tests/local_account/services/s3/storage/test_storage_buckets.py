"""Buckets: what they are set to outlives the process; only empty ones can be deleted."""

import sqlite3
from pathlib import Path

import pytest

from local_account.services.s3.storage import (
    Attributes,
    BucketAlreadyExists,
    BucketNotEmpty,
    NoSuchBucket,
    Storage,
    Usage,
)
from tests.local_account.services.s3.storage.objects import LARGE, NOW, files, put, put_part


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
        lambda: storage.usage("b"),
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


def test_usage_counts_versions_and_bytes_as_they_change(storage: Storage) -> None:
    put(storage, "k", b"12345")
    put(storage, "k", b"123")
    assert storage.usage("b") == Usage(1, 3)
    storage.set_versioning("b", "Enabled")
    new = put(storage, "k", b"1" * LARGE)
    marker = storage.delete("b", "k", NOW)
    assert storage.usage("b") == Usage(3, LARGE + 3)
    storage.delete_version("b", "k", marker.version_id or "")
    storage.delete_version("b", "k", new.version_id)
    assert storage.usage("b") == Usage(1, 3)


def test_an_index_of_another_build_is_refused_with_what_to_do(storage: Storage, directory: Path) -> None:
    storage.close()
    with sqlite3.connect(directory / "index.sqlite") as index:
        index.execute("PRAGMA user_version=99")
    index.close()
    with pytest.raises(RuntimeError, match=r"format 99.*local reset"):
        Storage(directory)
