"""A picture of the result: what each tool finds, and how often it is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure  # not pyplot, which would choose a backend and keep every figure

from benchmarks.drift.page import Found
from benchmarks.drift.trials import WINDOW_ROWS

COLORS = ("#1f6feb", "#9dc3f7", "#c2410c", "#4d7c0f", "#7c3aed", "#f0a878")
MARKERS = ("o", "s", "D")
SIZE = (6.4, 4.2)


def draw(found: Found, path: Path) -> None:
    """Write an SVG with a mark for each tool and window size, and its 95 % intervals."""
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": path.stem, "font.size": 9}):
        figure: Any = Figure(figsize=SIZE, layout="constrained")
        axes = figure.add_subplot()
        for tool, color in zip(found.tools, COLORS, strict=True):
            for rows, marker in zip(WINDOW_ROWS, MARKERS, strict=True):
                part = found.counts.where(rows=rows)
                wrong, right = part.false_alarms(tool), part.detection(tool)
                error = {
                    f"{axis}err": [
                        [100 * (rate.share - rate.interval[0])],
                        [100 * (rate.interval[1] - rate.share)],
                    ]
                    for axis, rate in (("x", wrong), ("y", right))
                }
                axes.errorbar(
                    100 * wrong.share,
                    100 * right.share,
                    **error,
                    marker=marker,
                    color=color,
                    linewidth=1,
                    label=tool if rows == WINDOW_ROWS[0] else None,
                )
        for rows, marker in zip(WINDOW_ROWS, MARKERS, strict=True):
            axes.plot([], [], marker, color="#656d76", label=f"windows of {rows} rows")
        axes.set_xscale("symlog", linthresh=5)
        axes.set_xticks([0, 1, 2, 5, 10, 20, 50, 100], ["0", "1", "2", "5", "10", "20", "50", "100"])
        axes.set_xlim(-0.3, 110)
        axes.set_ylim(0, 103)
        axes.set_xlabel("windows without a shift that raise an alarm, %")
        axes.set_ylabel("windows with a shift that do, %")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        figure.legend(frameon=False, loc="outside lower center", ncols=3)
        figure.savefig(path, metadata={"Date": None})
