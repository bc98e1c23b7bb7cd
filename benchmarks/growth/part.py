"""The part `growth` of `make bench`."""

from __future__ import annotations

import contextlib
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.table import Table

from benchmarks.figures import Figure
from benchmarks.growth.channel import channel
from benchmarks.growth.curves import draw
from benchmarks.growth.figures import Results
from benchmarks.growth.large import large
from benchmarks.growth.lines import lines
from benchmarks.growth.listing import listing
from benchmarks.growth.objects import Point, objects
from benchmarks.growth.plan import PARTS, Notes, Plan
from benchmarks.growth.rest import at_rest, with_labs
from benchmarks.growth.servers import EMPTY_ACCOUNT, MINISTACK, MOTO, Server, account, peer
from benchmarks.lab import BenchLab, account_directory

T = TypeVar("T")


def growth(
    lab: BenchLab,
    parts: Sequence[str] = PARTS,
    plan: Plan | None = None,
    picture: Callable[[str], Path] | None = None,
) -> list[Figure]:
    """Measure the chosen parts on a new account; `picture` turns the name of a curve into its path."""
    plan, notes, results = plan or Plan(), Notes(), Results()
    lab.daemon.reset()
    ours = account(lab)
    with tempfile.TemporaryDirectory(prefix="mlops-bench-growth-") as directory:
        room = Path(directory)

        def measure(name: str, run: Callable[[], T]) -> T | None:
            """Run a part: one that fails loses its own figures only."""
            if name not in parts:
                return None
            notes.say(f"part {name}")
            try:
                return run()
            except Exception as error:
                traceback.print_exc()
                notes.leave_out("part", f"{name}: {error}")
                return None

        with _others(lab, room) as (empty, peers):
            everyone = [ours, empty, *peers]
            with_peers = [ours, *peers]
            results.objects = measure("objects", lambda: objects(everyone, plan, notes)) or []
            filled = _filled(with_peers, results.objects)
            results.listing = measure("listing", lambda: listing(filled, plan, notes)) or []
            results.large = measure("large", lambda: large(with_peers, plan, room, notes)) or []
            results.lines = measure("logs", lambda: lines(everyone, plan, notes)) or []
            results.resting = at_rest(with_peers, plan, notes)
        results.channel = measure("channel", lambda: channel(lab, plan, room, notes)) or []
        results.labs = measure("labs", lambda: with_labs(lab, plan, notes))
    console = Console(width=max(Console().width, 150))
    if results.objects:
        console.print(by_stage(results.objects))
    for line in notes.left_out:
        console.print(f"left out: {line}", highlight=False)
    if picture is not None:
        for path in draw(results.objects, results.lines, picture):
            console.print(f"picture: {path}", highlight=False)
    return list(results.figures(notes.failed))


@contextlib.contextmanager
def _others(lab: BenchLab, room: Path) -> Iterator[tuple[Server, list[Server]]]:
    """Run an account that is kept empty, and the peers."""
    with contextlib.ExitStack() as stack:
        twin = stack.enter_context(account_directory(lab.docker_host))
        empty = account(twin, EMPTY_ACCOUNT)
        peers = [stack.enter_context(peer(name, room)) for name in (MOTO, MINISTACK)]
        yield empty, peers


def _filled(servers: Sequence[Server], points: Sequence[Point]) -> list[Server]:
    """Return the servers that have keys to list."""
    most = {one.server: one.objects for one in points}
    return [server for server in servers if most.get(server.name)]


def by_stage(points: Sequence[Point]) -> Table:
    """Return a line for each server and stage."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("stage", no_wrap=True)
    shown.add_column("server", no_wrap=True)
    operations = list(dict.fromkeys((one.operation, one.client) for one in points))
    for operation, client in operations:
        shown.add_column(f"{operation} {client.replace('_', ' ')}\nms, p99, 1/s", justify="right")
    shown.add_column("memory\nMB", justify="right")
    found = {(one.stage, one.server, one.operation, one.client): one for one in points}
    for stage, server in dict.fromkeys((one.stage, one.server) for one in points):
        row = [found[stage, server, operation, client] for operation, client in operations]
        cells = [f"{one.p50_ms:.2f} {one.p99_ms:.1f} {one.per_second:,.0f}" for one in row]
        shown.add_row(stage, server, *cells, f"{row[-1].resident_mb:,.0f}")
    return shown
