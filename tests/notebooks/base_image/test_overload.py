"""Overload, and workers that die: some clients are always served, and none waits forever."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import Container, serving
from tests.waiting import eventually

pytestmark = pytest.mark.docker
GOOD = [5.1, 3.5, 1.4, 0.2]
ONE_ROW = wire.request({"instances": [GOOD]})
FOREST = {"X-Amzn-SageMaker-Custom-Attributes": "algorithm=random_forest"}
HEAVY = wire.request(
    json.dumps({"instances": [GOOD, [6.3, 3.3, 6.0, 2.5]] * 10_000}).encode(), headers=FOREST
)


@pytest.fixture(scope="module")
def own(image: str, trained: Path) -> Iterator[Container]:
    """A server for this module alone: its workers are killed."""
    with serving(image, trained / "model", "--read-only", "--memory", "1g") as container:
        yield container


def test_no_error_at_100_and_500_connections(own: Container) -> None:
    for count in (100, 500):
        statuses: Counter[int] = Counter()
        connections = [own.connect(timeout=20) for _ in range(count)]
        try:
            for _ in range(10):
                for connection in connections:
                    connection.send(ONE_ROW)
                for connection in connections:
                    statuses[connection.receive().status] += 1
        finally:
            for connection in connections:
                connection.close()
        assert statuses == {200: count * 10}


def test_connections_are_shared_by_all_workers(own: Container) -> None:
    workers = own.workers()
    for count in (2 * len(workers), 40):
        connections = [own.connect(timeout=20) for _ in range(count)]
        try:
            for connection in connections:
                assert connection.ask(ONE_ROW).status == 200
            shares = []
            for worker in workers:
                with own.paused(worker):
                    for connection in connections:
                        connection.send(ONE_ROW)
                    time.sleep(0.3)
                    shares.append(sum(not connection.readable() for connection in connections))
                assert {connection.receive().status for connection in connections} == {200}
        finally:
            for connection in connections:
                connection.close()
        assert sum(shares) == count
        assert max(shares) - min(shares) <= max(2, count // 8), shares
        time.sleep(0.1)  # until the workers have noticed that all clients are gone


def test_a_worker_that_hangs_keeps_nobody_waiting(own: Container) -> None:
    """It soon has the fewest connections, and would be the one to take the next."""
    with own.paused(own.workers()[0]):
        for _ in range(20):
            assert own.ping() == 200  # the one that hangs would never answer
        held = [own.connect(timeout=60) for _ in range(20)]
        for connection in held:
            assert connection.ask(ONE_ROW).status == 200
            connection.close()


def test_overload_is_answered_with_503_quickly_and_the_health_check_does_not_suffer(own: Container) -> None:
    count = 200
    pings: list[tuple[int, float]] = []
    over = threading.Event()

    def ping() -> None:
        while not over.is_set():
            began = time.monotonic()
            pings.append((own.ping(), time.monotonic() - began))
            time.sleep(0.1)

    def ask(connection: wire.Connection) -> tuple[int, float]:
        began = time.monotonic()
        answer = connection.ask(HEAVY)
        if answer.status == 503:
            assert answer.error
        return answer.status, time.monotonic() - began

    pinging = threading.Thread(target=ping)
    pinging.start()
    connections = [own.connect(timeout=60) for _ in range(count)]
    try:
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(ask, connections))
    finally:
        over.set()
        pinging.join()
        for connection in connections:
            connection.close()
    statuses = Counter(status for status, _ in answers)
    assert set(statuses) == {200, 503}, statuses
    assert statuses[200] >= 4
    longest = max(waited for _, waited in answers)
    assert longest < 60  # InvokeEndpoint gives up then
    # Refused clients learn it long before the accepted work is done.
    refused = sorted(waited for status, waited in answers if status == 503)
    assert refused[len(refused) // 2] < max(2, longest / 4), f"{refused[-1]:.1f} s at most; {statuses}"
    assert {status for status, _ in pings} == {200}
    # SageMaker's health check waits two seconds, and tolerates single ones that take longer.
    assert sorted(waited for _, waited in pings)[len(pings) * 9 // 10] < 2, pings
    assert own.ask(ONE_ROW).status == 200


def test_a_killed_worker_is_replaced_without_a_failed_ping(own: Container) -> None:
    workers = own.workers()
    assert workers, "one process does everything: nothing could replace it"
    pings: list[tuple[int, float, float]] = []
    over = threading.Event()

    def ping() -> None:
        while not over.is_set():
            began = time.monotonic()
            pings.append((own.ping(), began, time.monotonic()))
            time.sleep(0.02)

    threads = [threading.Thread(target=ping) for _ in range(2)]
    for thread in threads:
        thread.start()
    kills = []
    try:
        for number in range(5):
            # One worker, and then all of them: pings wait for the next worker and are answered.
            dead = own.workers()[:1] if number == 0 else own.workers()
            gone = {(process.pid, process.born) for process in dead}
            kills.append(own.kill(*dead))

            def replaced(gone: set[tuple[int, int]] = gone) -> bool:
                now = own.workers()
                return len(now) == len(workers) and not gone & {(one.pid, one.born) for one in now}

            eventually(replaced, 15, own.log)
            time.sleep(0.1)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert len(pings) > 50
    # The request that a worker is answering when it is killed is lost; every other one is answered.
    lost = [(began, ended) for status, began, ended in pings if status != 200]
    assert all(any(began <= to and at <= ended for at, to in kills) for began, ended in lost), (lost, kills)
    assert len(lost) <= len(kills) * len(workers)
    assert own.ask(ONE_ROW).status == 200


def test_a_dead_worker_is_in_the_log(own: Container) -> None:
    before = own.log()
    own.kill(own.workers()[0])
    eventually(lambda: own.ping() == 200 and len(own.log()) > len(before), 10, own.log)
