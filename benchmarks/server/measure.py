"""Measures servers one after the other, then in reverse order: start, check, load, check again."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.server.load import Generator, Load, beside
from benchmarks.server.models import Models
from benchmarks.server.peers import ALGORITHMS, Peer
from benchmarks.server.running import Server, ServerError, serving

if TYPE_CHECKING:
    import docker

ROUNDS = 3
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
    """Medians of all rounds at CONNECTIONS; errors and CPU seconds per 1,000 requests over all rounds."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_seconds_per_1000: float
    errors: int


@dataclass(frozen=True)
class Measured:
    """Results for one algorithm of a server: one row, BATCH_ROWS rows, and one row over many connections."""

    single: Rounds
    batch: Rounds
    crowds: dict[int, Load]

    @property
    def errors(self) -> int:
        """Errors under every load."""
        return self.single.errors + self.batch.errors + sum(load.errors for load in self.crowds.values())


@dataclass(frozen=True)
class Result:
    """All results of a server; sizes in megabytes, memory after all load."""

    peer: Peer
    ready_seconds: float
    resident_mb: float
    image_mb: float
    algorithms: dict[str, Measured]


@dataclass(frozen=True)
class Entry:
    """A server to measure: its image, and what it finds at `/opt/ml/model`."""

    peer: Peer
    image: str
    image_mb: float
    model: Path


@dataclass
class _Loads:
    """The loads measured so far for one algorithm of a server."""

    single: list[Load] = field(default_factory=list)
    batch: list[Load] = field(default_factory=list)
    cpu_seconds: dict[str, float] = field(default_factory=lambda: {"single": 0.0, "batch": 0.0})
    crowds: dict[int, Load] = field(default_factory=dict)

    def measured(self) -> Measured:
        return Measured(
            _summary(self.single, self.cpu_seconds["single"]),
            _summary(self.batch, self.cpu_seconds["batch"]),
            self.crowds,
        )


@dataclass
class _Found:
    """The results measured so far for a server."""

    ready_seconds: list[float] = field(default_factory=list)
    resident_mb: float = 0
    algorithms: dict[str, _Loads] = field(default_factory=lambda: {name: _Loads() for name in ALGORITHMS})


@dataclass(frozen=True)
class Bench:
    """What all servers share."""

    client: docker.DockerClient
    wrk: str
    models: Models
    cpus: int
    durations: Durations
    report: Callable[[str], None]

    def measure(self, entries: Sequence[Entry]) -> list[Result]:
        """Measure servers; raise ServerError if one's predictions differ from scikit-learn's.

        Each is alone on the machine, in two passes, the second in reverse order: a machine that becomes
        slower or faster in these minutes does so for the first and the last server alike.
        """
        found = [_Found() for _ in entries]
        numbers = range(len(entries))
        for order in (numbers, reversed(numbers)):
            for number in order:
                self._pass(entries[number], found[number])
        return [
            Result(
                entry.peer,
                statistics.median(one.ready_seconds),
                one.resident_mb,
                entry.image_mb,
                {algorithm: loads.measured() for algorithm, loads in one.algorithms.items()},
            )
            for entry, one in zip(entries, found, strict=True)
        ]

    def _pass(self, entry: Entry, found: _Found) -> None:
        peer = entry.peer
        arguments, bodies = peer.arguments(self.cpus), self.models.bodies(peer)
        with (
            serving(self.client, entry.image, arguments, entry.model) as server,
            beside(server, self.wrk, bodies) as wrk,
        ):
            check(server, peer, self.models)
            for algorithm, loads in found.algorithms.items():
                self.report(f"{peer.name} {algorithm}")
                self._load(server, wrk, peer.attributes.format(algorithm), loads)
            check(server, peer, self.models)
            found.ready_seconds.append(server.seconds_to_ready)
            found.resident_mb = max(found.resident_mb, server.usage().resident_megabytes)

    def _load(self, server: Server, wrk: Generator, attributes: str, loads: _Loads) -> None:
        def run(bodies: str, connections: int, seconds: int) -> Load:
            server.settle()
            return wrk.run(bodies, attributes, connections=connections, seconds=seconds)

        def rounds(bodies: str, seconds: int) -> list[Load]:
            server.settle()
            before = server.usage().cpu_seconds
            found = [run(bodies, CONNECTIONS, seconds) for _ in range(ROUNDS)]
            loads.cpu_seconds[bodies] += server.usage().cpu_seconds - before
            return found

        run("single", CONNECTIONS, self.durations.warm_up)
        loads.single += rounds("single", self.durations.single)
        loads.batch += rounds("batch", self.durations.batch)
        for crowd in CROWDS:
            load = run("single", crowd, self.durations.crowd)
            if crowd not in loads.crowds or load.errors > loads.crowds[crowd].errors:
                loads.crowds[crowd] = load


def _summary(loads: Sequence[Load], cpu_seconds: float) -> Rounds:
    return Rounds(
        per_second=statistics.median(load.per_second for load in loads),
        p50_ms=statistics.median(load.p50_ms for load in loads),
        p99_ms=statistics.median(load.p99_ms for load in loads),
        cpu_seconds_per_1000=1000 * cpu_seconds / max(1, sum(load.requests for load in loads)),
        errors=sum(load.errors for load in loads),
    )


def check(server: Server, peer: Peer, models: Models) -> None:
    """Predict the whole data set, and its first row alone; raise ServerError unless all is correct.

    Labels must be scikit-learn's; probabilities, if a server answers them, within TOLERANCE of its own.
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
                raise ServerError(f"{peer.name} {algorithm} predicts differently from scikit-learn: {what}")
            probabilities = answer.get("probabilities", []) if isinstance(answer, dict) else []
            for number, row in enumerate(probabilities):
                if any(
                    abs(a - b) > TOLERANCE for a, b in zip(row, expected.probabilities[number], strict=True)
                ):
                    raise ServerError(f"{peer.name} {algorithm}: wrong probabilities in row {number}: {row}")
