"""Documents outlive the process, and a change is made in full or not at all."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_account.foundation.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "account.sqlite")


def test_a_document_comes_back_as_it_was(store: Store) -> None:
    document = {
        "when": datetime(2026, 1, 2, tzinfo=UTC),
        "body": b"\x00\xff",
        "nested": [{"n": 1.5}],
        "none": None,
    }
    store.table("builds").put("b1", document)
    assert store.table("builds").get("b1") == document


def test_another_process_sees_what_was_written(store: Store, tmp_path: Path) -> None:
    store.table("builds").put("b1", {"status": "SUCCEEDED"})
    assert Store(tmp_path / "account.sqlite").table("builds").require("b1") == {"status": "SUCCEEDED"}


def test_tables_do_not_mix(store: Store) -> None:
    store.table("builds").put("x", {"n": 1})
    assert store.table("projects").get("x") is None


def test_order_is_insertion_order(store: Store) -> None:
    table = store.table("builds")
    for key in ("b", "a", "c"):
        table.put(key, {})
    table.put("b", {"again": True})
    assert table.keys() == ["b", "a", "c"]


def test_an_update_that_fails_changes_nothing(store: Store) -> None:
    table = store.table("builds")
    table.put("b1", {"n": 1})
    with pytest.raises(RuntimeError), table.update("b1") as document:
        document["n"] = 2
        raise RuntimeError
    assert table.require("b1") == {"n": 1}


def test_an_update_of_a_missing_document_is_an_error(store: Store) -> None:
    with pytest.raises(KeyError), store.table("builds").update("b1"):
        pass


def test_callers_get_copies(store: Store) -> None:
    table = store.table("builds")
    table.put("b1", {"tags": []})
    table.require("b1")["tags"].append("changed")
    assert table.require("b1") == {"tags": []}


def test_documents_are_found_by_the_beginning_of_their_key(store: Store) -> None:
    table = store.table("resources")
    for key in ("stack/b#1", "stack/a#2", "stack/a#1", "stack/ab#1"):
        table.put(key, {"key": key})
    assert [key for key, _ in table.items("stack/a#")] == ["stack/a#2", "stack/a#1"]
    assert table.values("stack/b") == [{"key": "stack/b#1"}]


def test_documents_are_found_by_a_member_and_the_index_is_used(store: Store) -> None:
    table = store.table("builds")
    table.index("build.projectName")
    for key, project in (("1", "a"), ("2", "b"), ("3", "a")):
        table.put(key, {"build": {"projectName": project, "id": key}})
    store.table("other").put("1", {"build": {"projectName": "a"}})
    asked: list[str] = []
    store._connection.set_trace_callback(asked.append)

    assert [one["build"]["id"] for one in table.where("build.projectName", "a")] == ["1", "3"]

    store._connection.set_trace_callback(None)
    (plan,) = store.execute(f"EXPLAIN QUERY PLAN {asked[0]}")
    assert "USING INDEX builds.build.projectName" in plan[-1]


def test_writes_that_belong_together_are_made_or_not(store: Store) -> None:
    table = store.table("builds")
    with store.together():
        table.put("1", {})
        with store.together():
            table.put("2", {})
    with pytest.raises(RuntimeError), store.together():
        table.put("3", {})
        raise RuntimeError
    assert table.keys() == ["1", "2"]


def test_members_are_read_without_the_documents(store: Store) -> None:
    table = store.table("builds")
    table.put("1", {"pipeline": "a", "number": 2, "big": ["x"]})
    table.put("2", {"pipeline": "b", "status": "Failed"})
    assert table.members("pipeline", "number", "status") == [("1", "a", 2, None), ("2", "b", None, "Failed")]


def test_documents_are_found_by_a_text_in_them(store: Store) -> None:
    table = store.table("builds")
    for key, job in (("1", "j1"), ("2", "j2")):
        table.put(key, {"actions": [{"job": job}]})
    assert table.containing("j2") == [{"actions": [{"job": "j2"}]}]


def test_documents_are_found_by_a_part_of_their_key_in_any_case(store: Store) -> None:
    table = store.table("jobs")
    for key in ("Ana-1", "bob-1", "ana-2"):
        table.put(key, {"key": key})
    assert [one["key"] for one in table.named("aNA-")] == ["Ana-1", "ana-2"]
    assert table.keys("ana") == ["ana-2"]


def test_a_document_is_updated_within_a_block_only_under_a_lock_taken_around_it(store: Store) -> None:
    """Otherwise two threads can wait for each other: one has the store, the other the table."""
    table = store.table("things")
    table.put("a", {"n": 1})
    with pytest.raises(RuntimeError, match="things"), store.together(), table.update("a") as found:
        found["n"] = 2
    with pytest.raises(RuntimeError, match="things"), store.together(), table.lock:
        pass
    with table.lock, store.together(), table.update("a") as found:
        found["n"] += 1
    assert table.get("a") == {"n": 2}
