"""Lines over time, as SVG that a page contains."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from markupsafe import Markup

_WIDTH, _HEIGHT = 640, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 12, 12, 30
_STEPS = (1, 2, 5, 10)
_POINT_LIMIT = 60


@dataclass(frozen=True)
class Line:
    """One line of a plot: values at times, in the order of time."""

    name: str
    times: Sequence[datetime]
    values: Sequence[float]

    @property
    def summary(self) -> str:
        """What the line says, in words."""
        if not self.values:
            return f"{self.name}: no data"
        last, low, high = self.values[-1], min(self.values), max(self.values)
        return f"{self.name}: last {last:.4g}, lowest {low:.4g}, highest {high:.4g}"


def plot(
    title: str,
    lines: Sequence[Line],
    unit: str = "",
    since: datetime | None = None,
    until: datetime | None = None,
) -> Markup:
    """Return a figure with a plot and a legend; a sentence if there is nothing to draw.

    The axis of time is from `since` to `until`; by default, from the first value to the last.
    """
    drawn = [line for line in lines if line.values]
    if not drawn:
        return Markup('<figure class="plot"><figcaption>{}</figcaption><p>No data yet.</p></figure>').format(
            title
        )
    times = [at.timestamp() for line in drawn for at in line.times]
    first = min([*times, *([since.timestamp()] if since else [])])
    last = max([*times, first + 1, *([until.timestamp()] if until else [])])
    highest = max(value for line in drawn for value in line.values)
    lowest = min(0.0, *(value for line in drawn for value in line.values))
    ticks = _ticks(lowest, highest)
    low, high = ticks[0], ticks[-1]

    def x(at: float) -> float:
        return _LEFT + (at - first) / (last - first) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text x="{}" y="{:.1f}">{}</text>'
        ).format(_LEFT, _WIDTH - _RIGHT, y(tick), y(tick), _LEFT - 6, y(tick) + 4, f"{tick:.4g}")
        for tick in ticks
    ]
    for at, anchor in ((first, "start"), (last, "end")):
        text = f"{datetime.fromtimestamp(at, UTC):%H:%M:%S}"
        parts.append(
            Markup('<text class="{}" x="{:.1f}" y="{}">{}</text>').format(anchor, x(at), _HEIGHT - 8, text)
        )
    for index, line in enumerate(drawn):
        places = [(x(at.timestamp()), y(value)) for at, value in zip(line.times, line.values, strict=True)]
        path = " ".join(f"{left:.1f},{top:.1f}" for left, top in places)
        parts.append(Markup('<polyline class="line l{}" points="{}"/>').format(index % 4, path))
        if len(places) <= _POINT_LIMIT:
            parts += [
                Markup('<circle class="point l{}" cx="{:.1f}" cy="{:.1f}" r="2.5"/>').format(
                    index % 4, *place
                )
                for place in places
            ]
    legend = Markup("").join(
        Markup('<li><span class="swatch l{}"></span>{}</li>').format(index % 4, line.summary)
        for index, line in enumerate(drawn)
    )
    words = "; ".join(line.summary for line in drawn)
    return Markup(
        '<figure class="plot"><figcaption>{}</figcaption>'
        '<svg viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg><ul class="legend">{}</ul></figure>'
    ).format(
        f"{title} ({unit})" if unit else title,
        _WIDTH,
        _HEIGHT,
        f"{title}. {words}",
        Markup("").join(parts),
        legend,
    )


def _ticks(low: float, high: float) -> list[float]:
    """Return three to six round numbers that enclose a range."""
    if high <= low:
        high = low + 1
    raw = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(one * power for one in _STEPS if one * power >= raw)
    begin = math.floor(low / step)
    return [step * at for at in range(begin, max(begin + 1, math.ceil(high / step - 1e-9)) + 1)]
