"""What runs in the background waits for room on the disk; what a client asked for is refused."""

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.foundation.store import Store
from local_account.foundation.tasks import Tasks
from tests.local_account.small_disk import fill, small_file_system
from tests.waiting import Eventually


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store on a file system of a megabyte."""
    with small_file_system(tmp_path, megabytes=1) as disk:
        store = Store(disk / "store.sqlite")
        store.table("t").put("before", {"n": 1})
        yield store
        store.close()


def test_background_work_is_written_once_there_is_room(store: Store, tmp_path: Path) -> None:
    filler, table, tasks = tmp_path / "disk" / "filler", store.table("t"), Tasks()
    fill(filler)
    with pytest.raises(sqlite3.OperationalError, match="full"):
        table.put("refused", {"text": "x" * 100_000})
    put = tasks.spawn("put", table.put, "single", {"text": "x" * 100_000})

    called = threading.Event()

    def both() -> None:
        with store.together():
            table.put("first", {"text": "x" * 50_000})
            store.once_written(called.set)
            table.put("second", {"text": "x" * 50_000})

    together = tasks.spawn("together", both)
    put.join(0.5)
    assert put.is_alive() and together.is_alive() and not called.is_set()
    assert table.keys() == ["before"]
    filler.unlink()
    put.join(30)
    together.join(30)
    assert set(table.keys()) == {"before", "single", "first", "second"}
    assert called.is_set()


def test_an_account_that_stops_does_not_wait_for_room(
    store: Store, tmp_path: Path, eventually: Eventually
) -> None:
    tasks = Tasks()
    fill(tmp_path / "disk" / "filler")
    waiting: threading.Thread = tasks.spawn("put", store.table("t").put, "k", {"text": "x" * 100_000})
    tasks.stop()
    eventually(lambda: not waiting.is_alive())
