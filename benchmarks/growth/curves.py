"""Pictures of the curves: what a request costs as the account fills."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure  # not pyplot, which would choose a backend and keep every figure

from benchmarks.growth.lines import LinesPoint
from benchmarks.growth.objects import LEAN, LEAN_SEVERAL, Point
from benchmarks.growth.servers import ACCOUNT, EMPTY_ACCOUNT, MINISTACK, MOTO

NAMES = {
    ACCOUNT: "this account",
    EMPTY_ACCOUNT: "this account, kept empty",
    MOTO: "moto_server",
    MINISTACK: "ministack",
}
COLORS = {ACCOUNT: "#1f6feb", EMPTY_ACCOUNT: "#9dc3f7", MOTO: "#c2410c", MINISTACK: "#4d7c0f"}
SIZE = (6.4, 3.2)
Curve = Sequence[tuple[str, float]]


def draw(objects: Sequence[Point], lines: Sequence[LinesPoint], target: Callable[[str], Path]) -> list[Path]:
    """Write one SVG for each curve that was measured; `target` turns a curve's name into its path."""
    pictures: list[Path] = []

    def add(name: str, title: str, unit: str, curves: Mapping[str, Curve]) -> None:
        if any(curves.values()):
            pictures.append(path := target(name))
            _draw(path, title, unit, curves)

    for operation in ("put", "get"):
        call = f"{operation.capitalize()}Object of 1 KB"
        several = _objects(objects, operation, LEAN_SEVERAL)
        one = _objects(objects, operation, LEAN)
        add(
            f"{operation}-ms",
            f"{call}: median, one connection",
            "ms",
            {name: [(point.stage, point.p50_ms) for point in points] for name, points in one.items()},
        )
        add(
            f"{operation}-per-second",
            f"{call}: requests per second, several connections",
            "1/s",
            {name: [(point.stage, point.per_second) for point in points] for name, points in several.items()},
        )
    stored = {name: [one for one in lines if one.server == name and one.client == LEAN] for name in NAMES}
    add(
        "log-ms",
        "PutLogEvents of 1,000 lines: median",
        "ms",
        {name: [(f"{one.stored:,}", one.p50_ms) for one in points] for name, points in stored.items()},
    )
    return pictures


def _objects(points: Sequence[Point], operation: str, client: str) -> dict[str, list[Point]]:
    return {
        name: [one for one in points if (one.server, one.operation, one.client) == (name, operation, client)]
        for name in NAMES
    }


def _draw(path: Path, title: str, unit: str, curves: Mapping[str, Curve]) -> None:
    # Text stays text, and ids do not change from one run to the next: the files are small, and so are diffs.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem, "font.size": 9}):
        figure: Any = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        places = list(dict.fromkeys(label for curve in curves.values() for label, _ in curve))
        for name, curve in curves.items():
            if curve:
                where = [places.index(label) for label, _ in curve]
                style = "--" if name == EMPTY_ACCOUNT else "-"
                values = [value for _, value in curve]
                axes.plot(where, values, style, marker="o", color=COLORS[name], label=NAMES[name])
        axes.set_xticks(range(len(places)), [place.replace(" objects", "\nobjects") for place in places])
        axes.set_ylim(bottom=0)
        axes.set_title(title, fontsize=10)
        axes.set_ylabel(unit)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(frameon=False, loc="outside lower center", ncols=len(curves))
        figure.savefig(path, metadata={"Date": None})
