"""The part `drift` of `make bench`."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path

from benchmarks.drift import large
from benchmarks.drift.counts import Counts, Seen
from benchmarks.drift.data import tables
from benchmarks.drift.judges import ALIBI, EVIDENTLY, NANNYML, PEERS, Judge, Ours, running
from benchmarks.drift.large import Took
from benchmarks.drift.page import Found, page
from benchmarks.drift.picture import draw
from benchmarks.drift.trials import trials
from benchmarks.environments import files
from benchmarks.figures import Figure
from benchmarks.lab import BenchLab

PENGUINS = "palmerpenguins==0.1.6"
TRIALS = 20
"""Of each data set and number of rows of training data."""
EQUAL_ALPHA = 0.05
"""The level of the peers, for a comparison at equal false alarms."""
SECONDS_RATIO, MEGABYTES = 0.5, 500
ANY_COLUMN = "evidently, any column"


def drift(
    _lab: BenchLab | None = None, scale: float = 1, target: Callable[[str], Path] | None = None
) -> list[Figure]:
    """Judge the same windows with all tools, and time a large check; `target` turns a name into a path."""
    count, rows = max(1, round(TRIALS * scale)), max(1_000, round(large.ROWS * scale))
    found = judged(count)
    with tempfile.TemporaryDirectory(prefix="mlops-bench-drift-") as room:
        took = large.compare(Path(room), rows, large.ROUNDS if scale >= 1 else 1, _report)
    found = Found(found.counts, found.tools, found.versions, took, rows)
    if target is not None:
        draw(found, target("drift.svg"))
        target("drift.md").write_text(page(found), encoding="utf-8")
    return figures(found)


def judged(count: int) -> Found:
    """Let every tool judge the windows of `count` trials."""
    data = tables(files("drift-penguins", PENGUINS))
    seen: list[Seen] = []
    with contextlib.ExitStack() as stack:
        scratch = [Path(stack.enter_context(tempfile.TemporaryDirectory())) for _ in range(2)]
        judges: list[Judge] = [
            Ours(scratch[0]),
            Ours(scratch[1], f"ours, alpha {EQUAL_ALPHA:g}", EQUAL_ALPHA),
        ]
        judges += [stack.enter_context(running(peer)) for peer in PEERS.values()]
        pool = stack.enter_context(ThreadPoolExecutor(len(judges)))
        for number, trial in enumerate(trials(data, count)):
            if number % (2 * len(data)) == 0:
                _report(f"windows: trial {number // (2 * len(data)) + 1} of {count}")
            answers = list(pool.map(lambda one, trial=trial: one.judge(trial), judges))
            for judge, verdicts in zip(judges, answers, strict=True):
                for window, verdict in zip(trial.windows, verdicts, strict=True):
                    where = (trial.table.name, trial.training_rows, window.rows, window.shift)
                    seen.append(Seen(judge.name, *where, verdict.alarm))
                    if judge.name == EVIDENTLY.name:
                        seen.append(Seen(ANY_COLUMN, *where, bool(verdict.columns)))
        tools = {judge.name: judge.rule for judge in judges}
        tools[ANY_COLUMN] = "DataDriftPreset: a column has drifted"
        versions = {judge.name: judge.versions for judge in judges}
    return Found(Counts(seen), tools, versions, {}, 0)


def figures(found: Found) -> list[Figure]:
    """Return the shares of each tool, and the time and memory of the large check."""
    return [*_rates(found), *_times(found.took, found.rows)]


def _rates(found: Found) -> Iterator[Figure]:
    counts = found.counts
    for tool, rule in found.tools.items():
        name = f"drift.{tool.replace(', ', '_').replace(' ', '_').replace('-', '_')}"
        detail = tool != "ours"
        yield Figure(f"{name}.detection_rate", counts.detection(tool).share, "", rule, detail=detail)
        yield Figure(f"{name}.false_alarm_rate", counts.false_alarms(tool).share, "", rule, detail=detail)
    for peer in (EVIDENTLY, NANNYML, ALIBI):
        name = peer.name.replace("-", "_")
        more = counts.detection("ours").share - counts.detection(peer.name).share
        fewer = counts.false_alarms(peer.name).share - counts.false_alarms("ours").share
        yield Figure(f"drift.found_more_than_{name}", more, "", "share of windows with a shift", at_least=0)
        yield Figure(f"drift.alarms_less_than_{name}", fewer, "", "share of windows without", at_least=0)


def _times(took: dict[str, list[Took]], rows: int) -> Iterator[Figure]:
    for name, some in took.items():
        key, mine = f"drift.{name.replace(', ', '_')}", name == "ours"
        about, limit = f"of {rows:,} captured rows", MEGABYTES if mine else None
        yield Figure(f"{key}.seconds", large.middle(some, lambda one: one.seconds), "s", about)
        yield Figure(
            f"{key}.cpu_seconds", large.middle(some, lambda one: one.cpu_seconds), "s", about, detail=True
        )
        yield Figure(f"{key}.megabytes", max(one.megabytes for one in some), "MB", about, limit)
        for step in ("import", "read", "report", "write"):
            if step in some[0].steps:
                seconds = large.middle(some, lambda one, step=step: one.steps[step])  # type: ignore[misc]
                yield Figure(f"{key}.{step}_seconds", seconds, "s", about, detail=True)
    for reader in large.READERS:
        other = f"evidently, {reader}"
        ratio = sorted(large.ratios(took, other))[len(took[other]) // 2]
        about = f"the check to Evidently's report, captured data read with {reader}; median of rounds"
        yield Figure(f"drift.seconds_to_evidently_{reader}_ratio", ratio, "×", about, SECONDS_RATIO)


def _report(line: str) -> None:
    print(f"  drift: {line}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure without an account, as nothing here needs one: `python -m benchmarks.drift.part [SCALE]`."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    made = drift(None, float(given[0]) if given else 1, lambda name: Path(f"bench-{name}"))
    print(json.dumps([asdict(one) for one in made], indent=1))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
