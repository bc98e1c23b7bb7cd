"""The check of many captured rows, and Evidently's default report of the same files, side by side."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from benchmarks.drift.judges import EVIDENTLY, NOT_TOLD, PROGRAMS, event
from benchmarks.lab import REPOSITORY

ROWS = 1_000_000
FILE_ROWS = 20_000
ROUNDS = 3
DATA = REPOSITORY / "notebooks/data/iris.csv"
TARGET = "species"
READERS = ("pandas", "orjson")


@dataclass(frozen=True)
class Took:
    """What one run of a program took: seconds by the clock, of processor time, of its steps; memory in MB."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    steps: dict[str, float] = field(default_factory=dict)


def write(room: Path, rows: int = ROWS) -> None:
    """Write the training data, and captured requests for one row each: flowers with a little noise."""
    header, *lines = DATA.read_text(encoding="utf-8").splitlines()
    (room / "baseline").mkdir(parents=True)
    (room / "baseline/training.csv").write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    (room / "labels").mkdir()
    cells = [line.split(",") for line in lines]
    flowers, species = np.array([row[:-1] for row in cells], float), [row[-1] for row in cells]
    random = np.random.default_rng(1)
    for begin in range(0, rows, FILE_ROWS):
        count = min(FILE_ROWS, rows - begin)
        chosen = random.integers(0, len(flowers), count)
        values = (flowers[chosen] + random.normal(0, 0.02, (count, flowers.shape[1]))).round(3)
        folder = room / f"capture/2026/12/01/{begin // FILE_ROWS * 24 * FILE_ROWS // max(rows, FILE_ROWS):02}"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{begin:08}.jsonl").open("w", encoding="utf-8") as file:
            for place, (row, which) in enumerate(zip(values.tolist(), chosen.tolist(), strict=True)):
                asked = json.dumps({"instances": [row]})
                answered = json.dumps({"predictions": [species[which]]})
                file.write(event(begin + place, asked, answered))


def ours(room: Path) -> list[str]:
    """Return the command of the check, as a processing job runs it."""
    folders = [f"--{name}={room / name}" for name in ("capture", "baseline", "labels")]
    program = str(REPOSITORY / "notebooks/monitoring/check.py")
    return [sys.executable, program, *folders, f"--report={room / 'ours'}", f"--target={TARGET}"]


def evidently(room: Path, reader: str) -> list[str]:
    """Return the command of the report."""
    paths = [str(room / name) for name in ("baseline/training.csv", "capture", "evidently")]
    return [str(EVIDENTLY.python), str(PROGRAMS / "evidently_captured.py"), *paths, reader]


# A process of its own: what a program has at most in memory includes what its parent had when it started it.
LAUNCH = """
import json, os, sys, time
begin = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, used = os.wait4(child, 0)
took = [time.perf_counter() - begin, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000]
print("\\n" + json.dumps(took))
sys.exit(os.waitstatus_to_exitcode(status))
"""


def run(command: Sequence[str]) -> Took:
    """Run a program to its end. Raises RuntimeError with what it wrote if it fails."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={**os.environ, **NOT_TOLD},
        text=True,
        check=False,
    )
    *said, took = done.stdout.strip().splitlines()
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout[-3000:]}")
    lines = [line for line in said if line.startswith("{")]
    seconds, cpu_seconds, megabytes = json.loads(took)
    return Took(seconds, cpu_seconds, megabytes, json.loads(lines[-1]) if lines else {})


def compare(room: Path, rows: int, rounds: int, report: Callable[[str], None]) -> dict[str, list[Took]]:
    """Measure both in turns, because a machine's speed changes within minutes; by name of the program."""
    report(f"writing {rows:,} captured rows")
    write(room, rows)
    commands = {"ours": ours(room), **{f"evidently, {one}": evidently(room, one) for one in READERS}}
    found: dict[str, list[Took]] = {name: [] for name in commands}
    for number in range(rounds):
        for name, command in commands.items():
            took = run(command)
            found[name].append(took)
            report(f"round {number + 1} of {rounds}: {name} {took.seconds:.1f} s, {took.megabytes:.0f} MB")
    checked = json.loads((room / "ours/report.json").read_text(encoding="utf-8"))["rows"]
    read = {int(one.steps["rows"]) for name, some in found.items() if name != "ours" for one in some}
    if {checked} | read != {rows}:
        raise RuntimeError(
            f"not all of {rows} rows were compared: {checked} by the check, {read} by Evidently"
        )
    return found


def middle(some: Sequence[Took], of: Callable[[Took], float]) -> float:
    """Return the median of the rounds."""
    return statistics.median(of(one) for one in some)


def ratios(found: dict[str, list[Took]], other: str) -> Iterator[float]:
    """Yield, for each round, how long ours took against another program."""
    for mine, theirs in zip(found["ours"], found[other], strict=True):
        yield mine.seconds / theirs.seconds
