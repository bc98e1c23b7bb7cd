"""Lists of objects, versions and uploads, against what S3 documents, looked up in memory one by one."""

import itertools
import sqlite3
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from local_account.services.s3.storage import Attributes, InvalidVersionId, Page, Storage
from local_account.services.s3.storage import index as index_module
from local_account.services.s3.storage.listing import successor
from local_account.services.s3.storage.schema import connect
from tests.local_account.services.s3.storage.objects import NOW, keys, put
from tests.local_account.services.s3.storage.versions_model import KEYS, Entries, Model

PREFIXES = st.one_of(st.just(""), KEYS)
DELIMITERS = st.sampled_from(["", "/", "a", "/a", "é", "\U00010000"])
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["put", "put", "put", "delete", "delete version", "Enabled", "Suspended"]),
        KEYS,
        st.integers(0, 5),
    ),
    max_size=25,
)
_buckets = itertools.count()


def entries(page: Page) -> Entries:
    """Return a page as the model has it."""
    listed = [("", each.key, each.version_id) for each in page.versions]
    rolled = [(each, "", "") for each in page.common_prefixes]
    # keys and common prefixes are two lists in S3's answer, each in order
    assert listed == sorted(listed, key=lambda entry: entry[1].encode())
    merged = sorted(listed + rolled, key=lambda entry: (entry[0] or entry[1]).encode())
    return Entries(merged, page.truncated)


def carry_out(storage: Storage, bucket: str, operations: list[tuple[str, str, int]]) -> Model:
    """Do the same in the storage and in the model."""
    model = Model()
    for what, key, choice in operations:
        if what == "put":
            model.put(key, put(storage, key, bucket=bucket).version_id)
        elif what == "delete":
            model.delete(key, storage.delete(bucket, key, NOW).version_id)
        elif what == "delete version":
            known = [(name, version.id) for name, versions in model.keys.items() for version in versions]
            if known:
                name, version_id = known[choice % len(known)]
                assert storage.delete_version(bucket, name, version_id).removed
                model.delete_version(name, version_id)
        else:
            storage.set_versioning(bucket, what)
            model.versioning = what
    return model


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS, st.tuples(PREFIXES, DELIMITERS, PREFIXES, st.integers(0, 6)))
def test_lists_are_what_s3_documents(
    storage: Storage,
    operations: list[tuple[str, str, int]],
    question: tuple[str, str, str, int],
) -> None:
    prefix, delimiter, after, limit = question
    bucket = f"bucket-{next(_buckets)}"
    storage.create_bucket(bucket, "us-east-1", NOW)
    model = carry_out(storage, bucket, operations)
    for marker in {after, prefix + after, *list(model.keys)[:3]}:
        found = storage.list_objects(bucket, prefix, delimiter, marker, limit)
        assert entries(found) == model.objects(prefix, delimiter, marker, limit)
        page = storage.list_versions(bucket, prefix, delimiter, marker, "", limit=limit)
        assert entries(page) == model.versions(prefix, delimiter, marker, "", limit)
        for version in model.keys.get(marker, []):
            page = storage.list_versions(bucket, prefix, delimiter, marker, version.id, limit=limit)
            assert entries(page) == model.versions(prefix, delimiter, marker, version.id, limit)
    for key, versions in model.keys.items():
        kept = storage.list_versions(bucket, key, "", "", "", limit=1000).versions
        assert [each.version_id for each in kept if each.key == key] == [each.id for each in versions]
        assert [each.is_latest for each in kept if each.key == key] == [True] + [False] * (len(versions) - 1)
    everything = storage.list_versions(bucket, "", "", "", "", limit=1000).versions
    assert len(everything) == sum(map(len, model.keys.values()))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(OPERATIONS, PREFIXES, DELIMITERS, st.integers(1, 4))
def test_pages_of_any_size_add_up(
    storage: Storage, operations: list[tuple[str, str, int]], prefix: str, delimiter: str, limit: int
) -> None:
    bucket = f"bucket-{next(_buckets)}"
    storage.create_bucket(bucket, "us-east-1", NOW)
    model = carry_out(storage, bucket, operations)

    def follow(one: Callable[[str, str], Page]) -> Iterator[tuple[str, str, str]]:
        page = Page(truncated=True)
        while page.truncated:
            page = one(page.last, page.last_version_id)
            yield from entries(page).entries

    objects = follow(lambda last, _: storage.list_objects(bucket, prefix, delimiter, last, limit))
    assert list(objects) == model.objects(prefix, delimiter, "", 10_000).entries
    versions = follow(lambda key, of: storage.list_versions(bucket, prefix, delimiter, key, of, limit=limit))
    assert list(versions) == model.versions(prefix, delimiter, "", "", 10_000).entries


@given(KEYS, KEYS)
@example("a\ud7ff", "a\ue000")
@example("a\U0010ffff", "b")
@example("\U0010ffff", "\U0010ffff\U0010ffff")
def test_the_successor_of_a_prefix_is_above_its_keys_and_below_all_others(prefix: str, key: str) -> None:
    above = successor(prefix)
    begins = key.startswith(prefix)
    in_range = key.encode() >= prefix.encode() and (above is None or key.encode() < above.encode())
    assert begins == in_range


def test_keys_are_in_the_order_of_utf_8_bytes(storage: Storage) -> None:
    names = ["\U00010000", "\uffff", "é", "z", "Z", "a/b", "a-b", "a"]
    for name in names:
        put(storage, name)
    assert keys(storage) == sorted(names, key=str.encode)


def test_a_list_of_versions_goes_on_after_its_marker_was_deleted(storage: Storage) -> None:
    put(storage, "k")
    storage.set_versioning("b", "Enabled")
    for _ in range(3):
        put(storage, "k")
    all_ = [each.version_id for each in storage.list_versions("b", "", "", "", "", limit=10).versions]
    storage.delete_version("b", "k", all_[1])
    rest = storage.list_versions("b", "", "", "k", all_[1], limit=10).versions
    assert [each.version_id for each in rest] == all_[2:]
    with pytest.raises(InvalidVersionId):
        storage.list_versions("b", "", "", "k", "bad", limit=10)


def test_all_versions_can_be_deleted_page_by_page_even_a_null_marker(storage: Storage) -> None:
    put(storage, "k")
    storage.set_versioning("b", "Enabled")
    put(storage, "k")
    storage.set_versioning("b", "Suspended")
    put(storage, "k")
    page = Page(truncated=True)
    while page.truncated:
        page = storage.list_versions("b", "", "", page.last, page.last_version_id, limit=1)
        for version in page.versions:
            storage.delete_version("b", version.key, version.version_id)
    storage.delete_bucket("b")


def test_uploads_are_listed_by_key_and_then_by_initiation(storage: Storage) -> None:
    made = [
        storage.create_upload("b", key, Attributes(), NOW) for key in ("b", "a/2", "a/1", "b", "a/1", "é")
    ]
    expected = [made[2], made[4], made[1], made[0], made[3], made[5]]
    whole = storage.uploads("b", "", "", "", "", limit=10)
    assert whole.uploads == expected and not whole.truncated
    seen = []
    page = storage.uploads("b", "", "", "", "", limit=2)
    while True:
        seen += page.uploads
        if not page.truncated:
            break
        page = storage.uploads("b", "", "", page.last, page.last_id, limit=2)
    assert seen == expected
    rolled = storage.uploads("b", "", "/", "", "", limit=2)
    assert (rolled.common_prefixes, rolled.uploads, rolled.truncated) == (["a/"], [made[0]], True)
    assert storage.uploads("b", "a/", "", "a/1", "", limit=5).uploads == [made[1]]


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry for each hundred steps of SQLite's machine: what a query costs, whatever the machine does."""
    counted: list[int] = []

    def step() -> int:
        counted.append(1)
        return 0

    def counting(path: Path, *, cache_kib: int) -> sqlite3.Connection:
        connection = connect(path, cache_kib=cache_kib)
        connection.set_progress_handler(step, 100)
        return connection

    monkeypatch.setattr(index_module, "connect", counting)
    return counted


def cost(steps: list[int], run: Callable[[], object]) -> int:
    before = len(steps)
    run()
    return len(steps) - before


def test_a_page_costs_what_it_shows_and_not_what_lies_under_its_prefixes(
    steps: list[int], tmp_path: Path
) -> None:
    storage = Storage(tmp_path)
    for bucket, deep in (("one", 1), ("fifty", 50)):
        storage.create_bucket(bucket, "us-east-1", NOW)
        for prefix in range(50):
            for key in range(deep):
                put(storage, f"{prefix:02d}/{key}", bucket=bucket)
    listings: tuple[Callable[[str], Page], ...] = (
        lambda bucket: storage.list_objects(bucket, "", "/", "", 1000),
        lambda bucket: storage.list_versions(bucket, "", "/", "", "", limit=1000),
    )
    for listing in listings:
        assert len(listing("fifty").common_prefixes) == 50
        assert cost(steps, partial(listing, "fifty")) <= 1.3 * cost(steps, partial(listing, "one"))
    storage.close()


def test_putting_reading_and_listing_cost_the_same_however_much_there_is(
    steps: list[int], tmp_path: Path
) -> None:
    storage = Storage(tmp_path)
    storage.create_bucket("b", "us-east-1", NOW)
    storage.set_versioning("b", "Enabled")
    costs = []
    for round_ in range(2):
        for i in range(10 + 2000 * round_):
            put(storage, f"{i}")
            put(storage, "often")

        def use(name: str) -> None:
            for i in range(20):
                put(storage, f"{name}/{i}")
                put(storage, "often")
                storage.latest("b", "often")
            storage.list_objects("b", "", "", "1", 10)
            storage.list_versions("b", "", "", "often", storage.latest("b", "often").version_id, limit=10)

        costs.append(cost(steps, partial(use, f"new{round_}")))
    assert costs[1] <= 1.3 * costs[0]
    storage.close()
