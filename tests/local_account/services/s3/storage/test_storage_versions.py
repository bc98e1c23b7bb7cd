"""Versions and delete markers, as "Using versioning in S3 buckets" (S3 User Guide) says."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from local_account.services.s3.storage import (
    Attributes,
    Deleted,
    InvalidVersionId,
    NoSuchKey,
    NoSuchVersion,
    ObjectVersion,
    Storage,
)
from tests.local_account.services.s3.storage.objects import LARGE, NOW, keys, put, read

LATER = NOW + timedelta(days=1)


def stack(storage: Storage, key: str = "k") -> list[tuple[str, bool, bool]]:
    """Return (version id, is latest, is a marker) of a key's versions from the newest."""
    page = storage.list_versions("b", key, "", "", "", limit=1000)
    return [(each.version_id, each.is_latest, each.is_delete_marker) for each in page.versions]


@pytest.mark.parametrize("size", [0, 1, 1000, 16 * 1024, 16 * 1024 + 1, LARGE])
def test_an_object_comes_back_as_it_was_put(storage: Storage, size: int) -> None:
    data = bytes(i % 251 for i in range(size))
    attributes = Attributes(
        headers={"Content-Type": "text/csv", "Cache-Control": "no-cache"},
        user={"näme": 'välue, with "quotes"'},
        tags={"a": "1", "b": ""},
        checksums={"CRC32": "AAAAAA==", "SHA256": "abc+/=-3"},
        checksum_type="COMPOSITE",
    )
    with storage.receive() as receiver:
        receiver.write(memoryview(data)[: size // 2])
        receiver.write(bytearray(data[size // 2 :]))
        returned = storage.put("b", "k", [receiver.finish()], "etag", attributes, now=NOW)
    kept = storage.latest("b", "k")
    assert kept == returned == storage.version("b", "k", "null")
    assert (kept.size, kept.etag, kept.modified, kept.attributes) == (size, "etag", NOW, attributes)
    assert kept.is_latest and not kept.is_delete_marker
    assert read(storage, "k") == data
    with storage.open(kept, 10, 90) as content:
        assert b"".join(content) == data[10:90]
        assert content.size == len(data[10:90])


def test_without_versioning_a_put_replaces_and_a_deletion_removes(storage: Storage) -> None:
    put(storage, "k", b"1")
    assert put(storage, "k", b"2").version_id == "null"
    assert stack(storage) == [("null", True, False)]
    deleted = storage.delete("b", "k", NOW)
    assert (deleted.version_id, deleted.is_delete_marker) == (None, False)
    assert deleted.removed is not None and deleted.removed.size == 1
    assert storage.delete("b", "k", NOW) == Deleted(None, False, None)
    with pytest.raises(NoSuchKey):
        storage.latest("b", "k")
    with pytest.raises(NoSuchKey):
        storage.get("b", "k")


def test_with_versioning_nothing_is_lost(storage: Storage) -> None:
    put(storage, "k", b"null")
    storage.set_versioning("b", "Enabled")
    one, two = put(storage, "k", b"one"), put(storage, "k", b"two", now=LATER)
    marker = storage.delete("b", "k", LATER)
    assert marker.is_delete_marker and marker.removed is None and marker.version_id
    assert stack(storage) == [
        (marker.version_id, True, True),
        (two.version_id, False, False),
        (one.version_id, False, False),
        ("null", False, False),
    ]
    assert keys(storage) == []
    assert storage.latest("b", "k").is_delete_marker
    assert [read(storage, "k", each) for each in (one.version_id, two.version_id, "null")] == [
        b"one", b"two", b"null",
    ]  # fmt: skip
    assert storage.version("b", "k", one.version_id).noncurrent_since == LATER
    assert storage.delete_version("b", "k", marker.version_id).is_delete_marker
    assert keys(storage) == ["k"]
    assert storage.latest("b", "k").version_id == two.version_id
    assert storage.latest("b", "k").noncurrent_since is None
    storage.delete_version("b", "k", two.version_id)
    storage.delete_version("b", "k", one.version_id)
    assert stack(storage) == [("null", True, False)]
    assert len({one.version_id, two.version_id, marker.version_id}) == 3
    assert {len(each.version_id) for each in (one, two)} == {32}


def test_deleting_a_key_that_is_not_there_adds_a_marker_in_a_versioned_bucket(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    marker = storage.delete("b", "k", NOW)
    assert stack(storage) == [(marker.version_id, True, True)]


def test_a_suspended_bucket_replaces_only_the_null_version(storage: Storage) -> None:
    put(storage, "k", b"first null")
    storage.set_versioning("b", "Enabled")
    kept = put(storage, "k", b"kept")
    storage.set_versioning("b", "Suspended")
    assert put(storage, "k", b"second null").version_id == "null"
    assert stack(storage) == [("null", True, False), (kept.version_id, False, False)]
    assert read(storage, "k", "null") == b"second null"
    deleted = storage.delete("b", "k", NOW)
    assert (deleted.version_id, deleted.is_delete_marker) == ("null", True)
    assert deleted.removed is not None and deleted.removed.version_id == "null"
    assert stack(storage) == [("null", True, True), (kept.version_id, False, False)]
    storage.delete("b", "k", NOW)
    assert stack(storage) == [("null", True, True), (kept.version_id, False, False)]
    storage.set_versioning("b", "Enabled")
    newest = put(storage, "k", b"newest")
    assert storage.version("b", "k", "null").is_delete_marker
    storage.set_versioning("b", "Suspended")
    storage.delete_version("b", "k", "null")
    assert stack(storage) == [(newest.version_id, True, False), (kept.version_id, False, False)]


def test_version_ids_that_name_nothing(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    version = put(storage, "k")
    other = put(storage, "other")
    for missing in ("null", other.version_id, version.version_id.swapcase()):
        with pytest.raises(NoSuchVersion):
            storage.version("b", "k", missing)
        with pytest.raises(NoSuchVersion):
            storage.get("b", "k", missing)
        assert storage.delete_version("b", "k", missing) == Deleted(missing, False, None)
    for invalid in ("", "x", "é" * 32, "!" * 32, version.version_id + "A"):
        with pytest.raises(InvalidVersionId):
            storage.version("b", "k", invalid)
        with pytest.raises(InvalidVersionId):
            storage.delete_version("b", "k", invalid)
    storage.delete_version("b", "k", version.version_id)
    with pytest.raises(NoSuchVersion):
        storage.open(version)


def test_a_condition_sees_the_current_version_and_what_it_refuses_is_not_done(storage: Storage) -> None:
    seen: list[ObjectVersion | None] = []

    def look(current: ObjectVersion | None) -> None:
        seen.append(current)

    def refuse(current: ObjectVersion | None) -> None:
        raise PermissionError(current and current.etag)

    storage.set_versioning("b", "Enabled")
    first = put(storage, "k", b"1", unless=look)
    marker = storage.delete("b", "k", NOW, unless=look)
    last = put(storage, "k", b"2", unless=look)
    assert seen == [None, first, None]
    before = stack(storage)
    attempts: list[Callable[[], object]] = [
        lambda: put(storage, "k", b"x" * LARGE, unless=refuse),
        lambda: storage.delete("b", "k", NOW, unless=refuse),
        lambda: storage.delete_version("b", "k", last.version_id, unless=refuse),
    ]
    for attempt in attempts:
        with pytest.raises(PermissionError, match=last.etag):
            attempt()
    with pytest.raises(PermissionError, match="None"):
        storage.delete_version("b", "k", marker.version_id or "", unless=refuse)
    assert stack(storage) == before
    assert read(storage, "k") == b"2"


def test_many_are_deleted_at_once_or_none(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    versions = [put(storage, f"k{i}") for i in range(3)]
    with pytest.raises(InvalidVersionId):
        storage.delete_many("b", [("k0", None), ("k1", "bad")], NOW)
    assert keys(storage) == ["k0", "k1", "k2"]
    one, two, none = storage.delete_many(
        "b", [("k0", None), ("k1", versions[1].version_id), ("k9", versions[1].version_id)], NOW
    )
    assert one.is_delete_marker and one.version_id
    assert (two.version_id, two.is_delete_marker) == (versions[1].version_id, False)
    assert none.removed is None
    assert keys(storage) == ["k2"]


def test_tags_are_replaced_on_the_version_that_is_named(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    old, new = put(storage, "k"), put(storage, "k")
    assert storage.set_tags("b", "k", old.version_id, {"of": "old"}).attributes.tags == {"of": "old"}
    storage.set_tags("b", "k", None, {"of": "new"})
    assert storage.version("b", "k", old.version_id).attributes.tags == {"of": "old"}
    assert storage.version("b", "k", new.version_id).attributes.tags == {"of": "new"}
    storage.set_tags("b", "k", None, {})
    assert storage.latest("b", "k").attributes.tags == {}
    marker = storage.delete("b", "k", NOW)
    assert storage.set_tags("b", "k", marker.version_id, {"a": "b"}).is_delete_marker
    with pytest.raises(NoSuchKey):
        storage.set_tags("b", "other", None, {})
    with pytest.raises(NoSuchVersion):
        storage.set_tags("b", "k", "null", {})
