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
