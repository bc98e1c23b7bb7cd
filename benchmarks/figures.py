"""Figures under stable names: a table for people, `bench.json` for programs."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.table import Table


@dataclass(frozen=True)
class Figure:
    """One measured number; `limit` is what it should not exceed, `at_least` what it should reach.

    A `detail` is only in `bench.json`: its part shows it in a separate table.
    """

    name: str
    value: float
    unit: str
    about: str
    limit: float | None = None
    at_least: float | None = None
    detail: bool = False

    @property
    def kept(self) -> bool | None:
        """Whether the figure is within its limits; None if it has none."""
        if self.limit is None and self.at_least is None:
            return None
        return (self.limit is None or self.value <= self.limit) and (
            self.at_least is None or self.value >= self.at_least
        )


def median(measure: Callable[[], float], times: int) -> float:
    """Measure several times and return the median: a shared machine has outliers."""
    return statistics.median(measure() for _ in range(times))


def percentile(values: Sequence[float], percent: int) -> float:
    """Return the value below which `percent` of the values lie (nearest rank)."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]


def table(figures: Sequence[Figure]) -> Table:
    """Return the figures for a terminal."""
    shown = Table(box=None, padding=(0, 2, 0, 0))
    shown.add_column("figure", no_wrap=True)
    for title, justify in (
        ("value", "right"),
        ("", "left"),
        ("limit", "right"),
        ("", "left"),
    ):
        shown.add_column(title, justify=justify, no_wrap=justify == "right")  # type: ignore[arg-type]
    for figure in figures:
        if figure.detail:
            continue
        mark = {None: "", True: "[green]✓[/]", False: "[red]✗[/]"}[figure.kept]
        bounds = (("≤ ", figure.limit), ("≥ ", figure.at_least))
        limit = " ".join([*(f"{sign}{bound:g}" for sign, bound in bounds if bound is not None), mark])
        shown.add_row(figure.name, f"{figure.value:.3g}", figure.unit, limit, figure.about)
    return shown


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Merge the figures into `path`: parts not measured this time keep their last figures, with the date."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    document = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"figures": {}}
    document["machine"] = {
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }
    for figure in figures:
        entry = {key: value for key, value in asdict(figure).items() if key not in {"name", "detail"}}
        document["figures"][figure.name] = {**entry, "kept": figure.kept, "measured": now}
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
