"""The part `server` of `make bench`."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import docker
from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.lab import BenchLab
from benchmarks.server.images import Images
from benchmarks.server.measure import CONNECTIONS, Bench, Durations, Entry, Result, Rounds
from benchmarks.server.models import BATCH_ROWS, Training, train
from benchmarks.server.peers import ALGORITHMS, GEVENT, GTHREAD, OURS, PEERS, SOURCE

TIMES_SOURCE = {"logistic": 6, "random_forest": 600}
TIMES_GUNICORN_BATCH = 5
P99_MS = 1.5
ENGINE_SECONDS = 600


def server(
    lab: BenchLab, peers: Sequence[str] = tuple(PEERS), durations: Durations | None = None
) -> list[Figure]:
    """Measure the workshop's model server and its peers side by side, and the training job beside `fit`."""
    client = docker.DockerClient(base_url=lab.docker_host, timeout=ENGINE_SECONDS)
    with tempfile.TemporaryDirectory(prefix="mlops-bench-server-") as directory:
        room = Path(directory)
        images = Images(client, _report)
        model_image = images.model(room / "sources")
        wrk = images.wrk()
        built = {
            name: model_image if name == OURS.name else images.peer(PEERS[name], model_image)
            for name in peers
        }
        _report("training")
        models, training = train(client, model_image, room)
        bench = Bench(client, wrk, models, client.info()["NCPU"], durations or Durations(), _report)
        entries = [
            Entry(
                PEERS[name],
                image,
                images.megabytes(image),
                models.ours if name == OURS.name else models.peers,
            )
            for name, image in built.items()
        ]
        results = bench.measure(entries)
    console = Console(width=max(Console().width, 150))
    console.print(side_by_side(results))
    return [*figures(results), *training_figures(training), *ratios(results)]


def side_by_side(results: Sequence[Result]) -> Table:
    """Return a line for each server and algorithm; CPU time is that of 1,000 requests."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("server", no_wrap=True)
    shown.add_column("algorithm", no_wrap=True)
    for title in (
        "rows/s",
        "p50 ms",
        "p99 ms",
        "CPU s/1,000",
        "batches/s",
        "CPU s/1,000",
        "errors at 100",
        "at 500",
        "ready s",
        "memory MB",
        "image MB",
    ):
        shown.add_column(title, justify="right")
    for result in results:
        once = (f"{result.ready_seconds:.2f}", f"{result.resident_mb:.0f}", f"{result.image_mb:.0f}")
        for number, (algorithm, found) in enumerate(result.algorithms.items()):
            shown.add_row(
                "" if number else result.peer.name,
                algorithm,
                f"{found.single.per_second:,.0f}",
                f"{found.single.p50_ms:.2f}",
                f"{found.single.p99_ms:.2f}",
                f"{found.single.cpu_seconds_per_1000:.3f}",
                f"{found.batch.per_second:,.0f}",
                f"{found.batch.cpu_seconds_per_1000:.2f}",
                *(f"{crowd.errors:,}" for crowd in found.crowds.values()),
                *(("", "", "") if number else once),
            )
    return shown


def figures(results: Sequence[Result]) -> list[Figure]:
    """Return every number of every server; limits hold for the workshop's own."""
    return [figure for result in results for figure in _of_server(result)]


def _of_server(result: Result) -> Iterator[Figure]:
    name, ours = f"server.{result.peer.name}", result.peer.name == OURS.name

    def detail(name: str, value: float, unit: str, about: str = result.peer.about) -> Figure:
        return Figure(name, value, unit, about, detail=True)

    yield detail(f"{name}.ready_seconds", result.ready_seconds, "s")
    yield detail(f"{name}.resident_mb", result.resident_mb, "MB")
    yield detail(f"{name}.image_mb", result.image_mb, "MB")
    for algorithm, one in result.algorithms.items():
        prefix = f"{name}.{algorithm}"
        limit = P99_MS if ours else None
        single, batch = one.single, one.batch
        rows = f"{BATCH_ROWS:,} rows each"
        yield detail(f"{prefix}.requests_per_second", single.per_second, "1/s", "single rows")
        yield detail(f"{prefix}.p50_ms", single.p50_ms, "ms", "10 connections")
        yield Figure(f"{prefix}.p99_ms", single.p99_ms, "ms", "10 connections", limit, detail=not ours)
        yield detail(f"{prefix}.cpu_seconds_per_1000", single.cpu_seconds_per_1000, "s", "single rows")
        yield detail(f"{prefix}.errors_at_{CONNECTIONS}", single.errors, "", "single rows")
        for crowd, load in one.crowds.items():
            yield detail(f"{prefix}.errors_at_{crowd}", load.errors, "", f"of {load.requests}")
        yield detail(f"{prefix}.batches_per_second", batch.per_second, "1/s", rows)
        yield detail(f"{prefix}.cpu_seconds_per_1000_batches", batch.cpu_seconds_per_1000, "s", rows)
        yield detail(f"{prefix}.batch_errors", batch.errors, "", rows)
    errors = sum(one.errors for one in result.algorithms.values())
    about = "at 10, 100 and 500 connections"
    yield Figure(f"{name}.errors", errors, "", about, 0 if ours else None, detail=not ours)


def ratios(results: Sequence[Result]) -> list[Figure]:
    """Return how many times faster than its peers the workshop's server is, where both were measured."""
    by_name = {result.peer.name: result.algorithms for result in results}
    found: list[Figure] = []
    if OURS.name not in by_name:
        return found
    ours = by_name[OURS.name]
    for algorithm in ALGORITHMS:
        if SOURCE.name in by_name:
            found.append(
                Figure(
                    f"server.{algorithm}_to_source_ratio",
                    _times(ours[algorithm].single, by_name[SOURCE.name][algorithm].single),
                    "×",
                    "single rows, to the source workshop's server",
                    at_least=TIMES_SOURCE[algorithm],
                )
            )
        for peer in (GEVENT, GTHREAD):
            if peer.name in by_name:
                found.append(
                    Figure(
                        f"server.{algorithm}_batch_to_{peer.name.removeprefix('gunicorn_')}_ratio",
                        _times(ours[algorithm].batch, by_name[peer.name][algorithm].batch),
                        "×",
                        f"batches of {BATCH_ROWS:,} rows, to {peer.name}",
                        at_least=TIMES_GUNICORN_BATCH,
                    )
                )
    return found


def _times(ours: Rounds, other: Rounds) -> float:
    # One that answers nothing counts as if it had answered one request in ten seconds.
    return ours.per_second / max(other.per_second, 0.1)


def training_figures(training: Training) -> list[Figure]:
    """Return what a training job costs beside calling `fit`."""
    return [
        Figure("training.job_seconds", training.job_seconds, "s", "the container of a training job"),
        Figure(
            "training.program_seconds",
            training.program_seconds,
            "s",
            "a container that only reads and fits",
        ),
        Figure("training.fit_seconds", training.fit_seconds, "s", "of which in calls of fit"),
        Figure(
            "training.to_program_ratio",
            training.job_seconds / training.program_seconds,
            "×",
            "the training job to the program that only fits",
        ),
    ]


def _report(line: str) -> None:
    print(f"  server: {line}", file=sys.stderr, flush=True)
