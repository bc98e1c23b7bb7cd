"""docs/drift.md: what was compared, and the result."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.drift import large
from benchmarks.drift.counts import Counts
from benchmarks.drift.large import Took
from benchmarks.drift.shifts import SHIFTS
from benchmarks.drift.trials import CALM, TRAINING_ROWS, WINDOW_ROWS


@dataclass(frozen=True)
class Found:
    """Everything that was measured: alarms, each tool's rule and versions, and times by program."""

    counts: Counts
    tools: Mapping[str, str]
    versions: Mapping[str, Mapping[str, str]]
    took: dict[str, list[Took]]
    rows: int


def page(found: Found) -> str:
    """Return the page."""
    return "\n".join([*_head(found), *_rates(found), *_times(found), *_end(found)]) + "\n"


def _head(found: Found) -> Iterator[str]:
    windows = len([one for one in found.counts.seen if one.tool == "ours"])
    yield HEAD.format(
        trials=windows // ((len(SHIFTS) + CALM) * len(WINDOW_ROWS)),
        windows=f"{windows:,}",
        sizes=_listed(WINDOW_ROWS),
        training=_listed(TRAINING_ROWS),
    ).strip()


def _rates(found: Found) -> Iterator[str]:
    counts, tools = found.counts, list(found.tools)
    yield "\n## What they find, and how often they are wrong\n"
    yield from _table(
        ["tool", "an alarm is", "detection rate", "false alarms"],
        [
            [tool, found.tools[tool], str(counts.detection(tool)), str(counts.false_alarms(tool))]
            for tool in tools
        ],
    )
    yield "\nIn parentheses, the 95 % interval (Wilson)."
    yield "\n![Detection rate of each tool over its rate of false alarms, for each window size](drift.svg)"
    yield "\n### By the kind of shift\n\nDetection rates.\n"
    kinds = [(shift.name, counts.where(shift=shift.name)) for shift in SHIFTS]
    yield from _table(
        ["shift", *tools],
        [[name, *(f"{part.detection(tool).share:.0%}" for tool in tools)] for name, part in kinds],
    )
    yield from _worse(kinds, tools)
    yield "\n### By size and by data set\n\nDetection rate, and after the slash, false alarms.\n"
    parts: list[tuple[str, str, object]] = [
        *((f"windows of {rows} rows", "rows", rows) for rows in WINDOW_ROWS),
        *((f"training data of {rows:,} rows", "training_rows", rows) for rows in TRAINING_ROWS),
        *((name.replace("_", " "), "data", name) for name in dict.fromkeys(one.data for one in counts.seen)),
    ]
    rows = []
    for name, key, value in parts:
        part = counts.where(**{key: value})
        rows.append(
            [
                name,
                *(f"{part.detection(one).share:.0%} / {part.false_alarms(one).share:.1%}" for one in tools),
            ]
        )
    yield from _table(["", *tools], rows)


def _worse(kinds: Sequence[tuple[str, Counts]], tools: Sequence[str]) -> Iterator[str]:
    """Yield where another tool finds more than ours."""
    found = []
    for name, part in kinds:
        mine = part.detection("ours").share
        others = [tool for tool in tools if not tool.startswith("ours") and part.detection(tool).share > mine]
        if others:
            found.append(f"- {name}: {', '.join(others)}")
    if found:
        yield "\nSome tools find more than ours does, each at its own rate of false alarms:\n"
        yield from found
        yield "\n" + SMALL.strip()


def _times(found: Found) -> Iterator[str]:
    yield f"\n## {found.rows:,} captured rows\n"
    yield TIMES.strip() + "\n"
    rows = []
    for name, some in found.took.items():
        steps = some[0].steps
        parts = [
            f"{large.middle(some, lambda one, step=step: one.steps[step]):.1f} s" if step in steps else "–"  # type: ignore[misc]
            for step in ("import", "read", "report", "write")
        ]
        ratio = "" if name == "ours" else f"{sorted(large.ratios(found.took, name))[len(some) // 2]:.2f} ×"
        rows.append(
            [
                name,
                f"{large.middle(some, lambda one: one.seconds):.1f} s",
                f"{large.middle(some, lambda one: one.cpu_seconds):.1f} s",
                *parts,
                f"{max(one.megabytes for one in some):.0f} MB",
                ratio,
            ]
        )
    heads = [
        "program",
        "time",
        "processor",
        "imports",
        "reading",
        "report",
        "writing",
        "memory",
        "ours takes",
    ]
    yield from _table(heads, rows)


def _end(found: Found) -> Iterator[str]:
    yield "\n## Versions\n"
    for tool, versions in found.versions.items():
        if versions:
            yield f"- {tool}: {', '.join(f'{name} {version}' for name, version in versions.items())}"
    rounds = max(map(len, found.took.values()))
    yield (
        f"\nMeasured with Python {platform.python_version()} on {os.cpu_count()} processors. "
        f"Times are medians of the rounds ({rounds})."
    )


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(heads)} |"
    yield f"|{'---|' * len(heads)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"


def _listed(numbers: Sequence[int]) -> str:
    *first, last = [f"{one:,}" for one in numbers]
    return f"{', '.join(first)} and {last}"


HEAD = """
# Drift

<!-- Generated by `make bench ARGS="--only drift --pictures docs"`; do not edit. -->

How well and how fast the check of lesson 07 (`notebooks/monitoring/check.py`) finds that clients send
something other than what the model was trained on, compared with other libraries at their defaults:
Evidently's `DataDriftPreset`, NannyML's `UnivariateDriftCalculator` and alibi-detect's `TabularDrift`. Each
runs in an environment of its own (`benchmarks/drift/`).

- **The same windows.** The rows of a public data set are the population (those of scikit-learn, and the
  penguins of palmerpenguins; the second table names them). Training data ({training} rows) and windows
  ({sizes} rows) are drawn from it with replacement, independently of each other: {windows} windows of
  {trials} training sets. An alarm for a window without a shift is false by construction. The tools see
  features and answers.
- **Known shifts**, one in each window: a feature is larger by a number of its standard deviations, or spreads
  more or less; a quarter of a text column has the same category; one class (or the highest third of the
  answers) is three times as frequent; rows are drawn by the value of one feature; values are missing.
- **By their own rules.** What counts is whether a tool says that the window has drifted. Evidently's preset
  wants half of the columns for that, so what its users see when they look at columns is counted as well.
"""

SMALL = """
A shift with an index below 0.1 is not an alarm of ours, however sure it is: a quarter of a column with two
even categories in one of them is 0.06.
"""

TIMES = """
One request for each row. Our check reads, compares, and writes its report and page, as the processing job
does. For Evidently, a script reads the same files into a DataFrame, as pandas reads JSON Lines or in the
fastest way that we know (orjson), runs its default report, and writes it as JSON and as a page. The programs
run in turn; on a busy machine, the processor's time says more than the clock.
"""
