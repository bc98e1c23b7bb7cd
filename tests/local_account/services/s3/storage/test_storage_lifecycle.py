"""What lifecycle rules ask for, page by page."""

from collections.abc import Callable
from datetime import timedelta

from local_account.services.s3.storage import Attributes, Candidates, Storage
from tests.local_account.services.s3.storage.objects import NOW, put

DAY = timedelta(days=1)


def all_of(query: Callable[[tuple[str, int] | None, int], Candidates]) -> list[tuple[str, str]]:
    """Return (key, version id) of all pages; they are the same for any size of page."""
    results = []
    for limit in (1, 2, 100):
        found: list[tuple[str, str]] = []
        after: tuple[str, int] | None = None
        while True:
            page = query(after, limit)
            assert len(page.versions) <= limit
            found += [(each.key, each.version_id) for each in page.versions]
            after = page.after
            if after is None:
                break
        results.append(found)
    assert results[0] == results[1] == results[2]
    return results[0]


def test_current_versions_expire_by_when_they_were_written(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    for day, key in enumerate(["a/1", "a/2", "b/1", "a/3"]):
        put(storage, key, now=NOW + day * DAY)
    put(storage, "a/1", now=NOW + 5 * DAY)
    old = storage.latest("b", "a/2")
    storage.delete("b", "b/1", NOW)
    due = all_of(lambda after, limit: storage.expired("b", "a/", NOW + 2 * DAY, after, limit))
    assert due == [("a/2", old.version_id)]
    assert [key for key, _ in all_of(lambda *page: storage.expired("b", "", NOW + 9 * DAY, *page))] == [
        "a/1", "a/2", "a/3",
    ]  # fmt: skip
    # the moment itself is not before itself
    assert all_of(lambda *page: storage.expired("b", "", old.modified, *page)) == []


def test_noncurrent_versions_expire_by_when_they_were_replaced_but_some_are_kept(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    ids = [put(storage, "k", now=NOW + day * DAY).version_id for day in range(5)]
    put(storage, "other")

    def due(day: int, keep: int) -> list[str]:
        found = all_of(
            lambda after, limit: storage.noncurrent(
                "b", "", NOW + day * DAY, keep=keep, after=after, limit=limit
            )
        )
        assert {key for key, _ in found} <= {"k"}
        return [version_id for _, version_id in found]

    assert due(3, 0) == [ids[1], ids[0]]  # replaced on days 2 and 1
    assert due(9, 0) == [ids[3], ids[2], ids[1], ids[0]]
    assert due(9, 2) == [ids[1], ids[0]]
    assert due(9, 4) == []


def test_markers_that_are_all_that_is_left_of_a_key(storage: Storage) -> None:
    storage.set_versioning("b", "Enabled")
    kept, gone = put(storage, "kept"), put(storage, "gone")
    put(storage, "object")
    markers = {key: storage.delete("b", key, NOW).version_id for key in ("kept", "gone", "never")}
    storage.delete_version("b", "gone", gone.version_id)
    assert all_of(lambda *page: storage.lone_markers("b", "", *page)) == [
        ("gone", markers["gone"]), ("never", markers["never"]),
    ]  # fmt: skip
    assert all_of(lambda *page: storage.lone_markers("b", "g", *page)) == [("gone", markers["gone"])]
    assert storage.version("b", "kept", kept.version_id)


def test_uploads_that_were_begun_long_ago(storage: Storage) -> None:
    made = [
        storage.create_upload("b", key, Attributes(), NOW + day * DAY)
        for day, key in ((3, "a/1"), (1, "a/2"), (0, "b"), (2, "a/3"))
    ]
    assert storage.stale_uploads("b", "a/", NOW + 3 * DAY, 10) == [made[1], made[3]]
    assert storage.stale_uploads("b", "", NOW + 9 * DAY, 2) == [made[2], made[1]]
