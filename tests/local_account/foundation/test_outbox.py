"""Accepted work is done at least once, whatever happens in between."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypedDict

import pytest

from local_account.foundation.account import Account
from local_account.foundation.config import AccountConfig
from local_account.foundation.outbox import Outbox
from tests.waiting import Eventually


class Job(TypedDict, total=False):
    n: int
    attempts: int


Work = Callable[[Job], float | None]
Start = Callable[[Work], Outbox[Job]]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Start]:
    """Start an outbox on the same store any number of times."""
    started: list[tuple[Account, Outbox[Job]]] = []

    def end() -> None:
        for account, box in started:
            account.tasks.stopping.set()
            box.stop()
            account.tasks.stop()
            account.store.close()
        started.clear()

    def start(work: Work) -> Outbox[Job]:
        end()
        account = Account(AccountConfig.load(tmp_path))
        box = Outbox(account, "work", work, threads=2)
        started.append((account, box))
        box.start()
        return box

    yield start
    end()


def test_work_is_done_and_forgotten(outbox: Start, eventually: Eventually) -> None:
    done: list[int] = []
    box = outbox(lambda document: done.append(document["n"]))
    for number in range(20):
        box.put({"n": number})
    eventually(lambda: len(done) == 20)
    assert sorted(done) == list(range(20))
    again: list[int] = []
    outbox(lambda document: again.append(document["n"])).put({"n": 99})
    eventually(lambda: again)
    assert again == [99]


def test_postponed_work_comes_back_changed(outbox: Start, eventually: Eventually) -> None:
    seen: list[int] = []

    def work(document: Job) -> float | None:
        seen.append(document["attempts"])
        document["attempts"] += 1
        return 0.05 if document["attempts"] < 3 else None

    outbox(work).put({"attempts": 0})
    eventually(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


def test_work_in_flight_is_done_again(outbox: Start, eventually: Eventually) -> None:
    began, release = threading.Event(), threading.Event()

    def interrupted(_: Job) -> float | None:
        began.set()
        release.wait(10)
        return 0.0

    box = outbox(interrupted)
    box.put({"n": 1})
    assert began.wait(5)
    box.stop()
    release.set()
    done: list[int] = []
    outbox(lambda document: done.append(document["n"]))
    eventually(lambda: done == [1])


def test_a_failure_loses_nothing(outbox: Start, eventually: Eventually) -> None:
    tried = threading.Event()

    def faulty(_: Job) -> float | None:
        tried.set()
        raise RuntimeError("a bug")

    box = outbox(faulty)
    box.put({"n": 1})
    assert tried.wait(5)
    table = box._table
    eventually(lambda: [entry["due"] for entry in table.values()])
    assert len(table.keys()) == 1


def test_what_is_put_in_a_transaction_that_is_undone_is_not_done(
    outbox: Start, eventually: Eventually
) -> None:
    done: list[int] = []
    box = outbox(lambda document: done.append(document["n"]))
    store = box._account.store
    with pytest.raises(RuntimeError), store.together():
        box.put({"n": 1})
        raise RuntimeError
    with store.together():
        box.put({"n": 2})
    eventually(lambda: not box._table.keys())
    assert done == [2]
