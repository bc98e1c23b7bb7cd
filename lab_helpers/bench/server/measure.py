"""One server: started, checked, loaded, checked again."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab_helpers.bench.server.load import Generator, Load, beside
from lab_helpers.bench.server.models import Models
from lab_helpers.bench.server.peers import ALGORITHMS, Peer
from lab_helpers.bench.server.running import Server, ServerError, serving

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
class Bench:
    """What all servers have in common."""

    client: docker.DockerClient
    wrk: str
    models: Models
    cpus: int
    durations: Durations
    report: Callable[[str], None]

    def measure(self, peer: Peer, image: str, image_mb: float, model: Path) -> Result:
        """Measure one server; raises ServerError when it predicts otherwise than scikit-learn."""
        arguments = peer.arguments(self.cpus)
        bodies = self.models.bodies(peer)
        with serving(self.client, image, arguments, model) as server, beside(server, self.wrk, bodies) as wrk:
            check(server, peer, self.models)
            algorithms = {algorithm: self._load(server, wrk, peer, algorithm) for algorithm in ALGORITHMS}
            check(server, peer, self.models)
            resident = server.usage().resident_megabytes
        return Result(peer, server.seconds_to_ready, resident, image_mb, algorithms)

    def _load(self, server: Server, wrk: Generator, peer: Peer, algorithm: str) -> Measured:
        def run(bodies: str, connections: int, seconds: int) -> Load:
            server.settle()
            return wrk.run(
                bodies, peer.attributes.format(algorithm), connections=connections, seconds=seconds
            )

        def rounds(bodies: str, seconds: int) -> Rounds:
            server.settle()
            before = server.usage().cpu_seconds
            loads = [run(bodies, CONNECTIONS, seconds) for _ in range(ROUNDS)]
            cpu = server.usage().cpu_seconds - before
            return Rounds(
                per_second=statistics.median(load.per_second for load in loads),
                p50_ms=statistics.median(load.p50_ms for load in loads),
                p99_ms=statistics.median(load.p99_ms for load in loads),
                cpu_seconds_per_1000=1000 * cpu / max(1, sum(load.requests for load in loads)),
                errors=sum(load.errors for load in loads),
            )

        self.report(f"{peer.name} {algorithm}")
        run("single", CONNECTIONS, self.durations.warm_up)
        return Measured(
            single=rounds("single", self.durations.single),
            batch=rounds("batch", self.durations.batch),
            crowds={crowd: run("single", crowd, self.durations.crowd) for crowd in CROWDS},
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
