"""Servers side by side: started, checked, loaded in turn, checked again."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab_helpers.bench.server.load import Generator, Load, beside
from lab_helpers.bench.server.models import Models
from lab_helpers.bench.server.peers import ALGORITHMS, Peer
from lab_helpers.bench.server.running import Server, ServerError, serving

if TYPE_CHECKING:
    import docker

ROUNDS = 5
CONNECTIONS = 10
CROWDS = (100, 500)
TOLERANCE = 1e-5


@dataclass(frozen=True)
class Durations:
    """Seconds of each run of wrk."""

    warm_up: int = 1
    single: int = 2
    batch: int = 1
    crowd: int = 3


@dataclass(frozen=True)
class Rounds:
    """Medians of ROUNDS at CONNECTIONS; errors and CPU seconds per 1,000 requests of them all."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds_per_1000: float
    errors: int


@dataclass(frozen=True)
class Measured:
    """An algorithm of a server: one row, BATCH_ROWS rows, and one row by many connections."""

    single: Rounds
    batch: Rounds
    crowds: dict[int, Load]

    @property
    def errors(self) -> int:
        """Errors under every load."""
        return self.single.errors + self.batch.errors + sum(load.errors for load in self.crowds.values())


@dataclass(frozen=True)
class Result:
    """All of a server; sizes in megabytes, the memory after all load."""

    peer: Peer
    ready_seconds: float
    resident_mb: float
    image_mb: float
    algorithms: dict[str, Measured]


@dataclass(frozen=True)
class Entry:
    """A server that is to be measured: its image and what it finds at `/opt/ml/model`."""

    peer: Peer
    image: str
    image_mb: float
    model: Path


@dataclass(frozen=True)
class _Running:
    """A server of the comparison that answers, and the load generator beside it."""

    entry: Entry
    server: Server
    wrk: Generator

    def load(self, bodies: str, algorithm: str, connections: int, seconds: int) -> Load:
        attributes = self.entry.peer.attributes.format(algorithm)
        found = self.wrk.run(bodies, attributes, connections=connections, seconds=seconds)
        self.server.settle()  # the next one shall have the machine for itself
        return found


@dataclass(frozen=True)
class Bench:
    """What all servers have in common."""

    client: docker.DockerClient
    wrk: str
    models: Models
    cpus: int
    durations: Durations
    report: Callable[[str], None]

    def measure(self, entries: Sequence[Entry]) -> list[Result]:
        """Measure servers; raises ServerError when one predicts otherwise than scikit-learn.

        All run from the beginning to the end, and are loaded in turn, each in every round: a machine that
        becomes slower or faster in these minutes does so for all of them.
        """
        with contextlib.ExitStack() as stack:
            servers = [self._start(stack, entry) for entry in entries]
            found = {algorithm: self._side_by_side(servers, algorithm) for algorithm in ALGORITHMS}
            for one in servers:
                check(one.server, one.entry.peer, self.models)
            return [
                Result(
                    one.entry.peer,
                    one.server.seconds_to_ready,
                    one.server.usage().resident_megabytes,
                    one.entry.image_mb,
                    {algorithm: measured[number] for algorithm, measured in found.items()},
                )
                for number, one in enumerate(servers)
            ]

    def _start(self, stack: contextlib.ExitStack, entry: Entry) -> _Running:
        self.report(f"starting {entry.peer.name}")
        arguments = entry.peer.arguments(self.cpus)
        server = stack.enter_context(serving(self.client, entry.image, arguments, entry.model))
        wrk = stack.enter_context(beside(server, self.wrk, self.models.bodies(entry.peer)))
        check(server, entry.peer, self.models)
        server.settle()
        return _Running(entry, server, wrk)

    def _side_by_side(self, servers: Sequence[_Running], algorithm: str) -> list[Measured]:
        self.report(f"{algorithm}: warming up")
        for one in servers:
            one.load("single", algorithm, CONNECTIONS, self.durations.warm_up)
        singles = self._rounds(servers, algorithm, "single", self.durations.single)
        batches = self._rounds(servers, algorithm, "batch", self.durations.batch)
        crowds = list[dict[int, Load]]()
        for one in servers:
            self.report(f"{algorithm}: crowds at {one.entry.peer.name}")
            crowds.append(
                {crowd: one.load("single", algorithm, crowd, self.durations.crowd) for crowd in CROWDS}
            )
        return [Measured(*parts) for parts in zip(singles, batches, crowds, strict=True)]

    def _rounds(self, servers: Sequence[_Running], algorithm: str, bodies: str, seconds: int) -> list[Rounds]:
        loads = [list[Load]() for _ in servers]
        cpu_seconds = [0.0 for _ in servers]
        for turn in range(ROUNDS):
            self.report(f"{algorithm}: {bodies}, round {turn + 1} of {ROUNDS}")
            for number, one in enumerate(servers):
                before = one.server.usage().cpu_seconds
                loads[number].append(one.load(bodies, algorithm, CONNECTIONS, seconds))
                cpu_seconds[number] += one.server.usage().cpu_seconds - before
        return [_summary(*both) for both in zip(loads, cpu_seconds, strict=True)]


def _summary(loads: Sequence[Load], cpu_seconds: float) -> Rounds:
    return Rounds(
        per_second=statistics.median(load.per_second for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        cpu_seconds_per_1000=1000 * cpu_seconds / max(1, sum(load.requests for load in loads)),
        errors=sum(load.errors for load in loads),
    )


def check(server: Server, peer: Peer, models: Models) -> None:
    """Ask for the whole data set, and for its first row alone; raises ServerError unless all is right.

    Labels have to be scikit-learn's; probabilities, where a server answers them, within TOLERANCE of its own.
    """
    for algorithm in ALGORITHMS:
        expected = models.expected[algorithm]
        for rows in (models.rows, models.rows[:1]):
            answer = server.invoke(peer.request(rows), peer.attributes.format(algorithm))
            labels, wanted = peer.labels(answer), expected.labels[: len(rows)]
            wrong = [
                number for number, pair in enumerate(zip(labels, wanted, strict=False)) if len({*pair}) > 1
            ]
            if len(labels) != len(wanted) or wrong:
                what = f"label {labels[wrong[0]]} in row {wrong[0]}" if wrong else f"{len(labels)} labels"
                raise ServerError(f"{peer.name} {algorithm} predicts otherwise than scikit-learn: {what}")
            probabilities = answer.get("probabilities", []) if isinstance(answer, dict) else []
            for number, row in enumerate(probabilities):
                if any(
                    abs(a - b) > TOLERANCE for a, b in zip(row, expected.probabilities[number], strict=True)
                ):
                    raise ServerError(f"{peer.name} {algorithm}: other probabilities in row {number}: {row}")
