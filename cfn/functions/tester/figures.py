"""Figures as inline SVG: colors come from the page's style sheet, words beside them say the same."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

from .findings import BinDocument, Interval, Latency

WIDTH = 460


def figure(width: int, height: int, alternative: str, parts: Sequence[str]) -> str:
    """Return an image whose alternative text says what it shows."""
    return (
        f'<svg role="img" aria-label="{escape(alternative)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def text(x: float, y: float, words: object, kind: str = "", anchor: str = "start") -> str:
    """Return words at a place; `kind` is a class of the style sheet."""
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">{escape(str(words))}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Return a line of a class of the style sheet."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


def confusion(title: str, matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> str:
    """Return a confusion matrix: rows are true classes, columns predicted ones."""
    left, top = 8 + 7 * max(map(len, map(_short, classes)), default=1), 46
    cell = max(34, min(76, (WIDTH - left) // max(1, len(classes))))
    width, height = left + cell * len(classes) + 6, top + cell * len(classes) + 22
    most = max((count for row in matrix for count in row), default=0) or 1
    parts = [
        text(left, 14, title, "strong"),
        text(left, height - 6, "columns: predicted; rows: true", "quiet"),
    ]
    for i, name in enumerate(classes):
        parts.append(text(left + cell * (i + 0.5), top - 8, _short(name, cell // 7), "", "middle"))
        parts.append(text(left - 6, top + cell * (i + 0.5) + 4, _short(name), "", "end"))
        for j, count in enumerate(matrix[i]):
            kind = "right" if i == j else "wrong"
            shade = f"{0.12 + 0.5 * count / most:.2f}" if count else "0"
            parts.append(
                f'<rect x="{left + cell * j}" y="{top + cell * i}" width="{cell - 2}" height="{cell - 2}" '
                f'class="{kind} cell" fill-opacity="{shade}"/>'
            )
            parts.append(text(left + cell * (j + 0.5), top + cell * (i + 0.5) + 4, count, "strong", "middle"))
    mistakes = [
        f"{count} {classes[i]} taken for {classes[j]}"
        for i, row in enumerate(matrix)
        for j, count in enumerate(row)
        if count and i != j
    ]
    said = f"Confusion matrix of {title}: {', '.join(mistakes) or 'no mistake'}."
    return figure(max(width, 220), height, said, parts)


def recall(series: Mapping[str, Mapping[str, Interval]]) -> str:
    """Return the recall of each class with its 95 % interval, one row per class and series."""
    names = {name: None for one in series.values() for name in one}
    left, row = 10 + 7 * max(map(len, map(_short, names)), default=1), 18
    span, top = WIDTH - left - 14, 26
    height = top + sum(6 + row * sum(name in one for one in series.values()) for name in names) + 30
    parts = [
        line(left + span * x / 4, top - 6, left + span * x / 4, height - 26, "grid") for x in range(5)
    ] + [text(left + span * x / 4, height - 10, f"{x / 4:g}", "quiet", "middle") for x in range(5)]
    parts += [
        f'<circle cx="{left + 150 * i:.0f}" cy="10" r="5" class="series{i}"/>'
        + text(left + 150 * i + 10, 14, label)
        for i, label in enumerate(series)
    ]
    said, y = [], float(top)
    for name in names:
        y += 6
        parts.append(text(left - 8, y + row * 0.7, _short(name), "", "end"))
        for i, (label, one) in enumerate(series.items()):
            if name not in one:
                continue
            found, middle = one[name], y + row / 2
            parts.append(
                line(left + span * found["low"], middle, left + span * found["high"], middle, f"bar{i}")
            )
            parts.append(
                f'<circle cx="{left + span * found["rate"]:.1f}" cy="{middle:.1f}" r="5" class="series{i}"/>'
            )
            said.append(
                f"{label}, {name} {found['rate']:.2f} ({found['low']:.2f} to {found['high']:.2f}, "
                f"{found['rows']} rows)"
            )
            y += row
    return figure(WIDTH, int(height), f"Recall with 95 % intervals. {'; '.join(said)}.", parts)


def calibration(title: str, bins: Sequence[BinDocument]) -> str:
    """Return how often predictions are right, by how sure the model was of them."""
    size, left, top = 200, 34, 24
    at = [(left + size * one["confidence"], top + size * (1 - one["right"])) for one in bins]
    filled = [(one, *place) for one, place in zip(bins, at, strict=True) if one["count"]]
    most = max((one["count"] for one, *_ in filled), default=1)
    parts = [
        text(left, 14, title, "strong"),
        f'<rect x="{left}" y="{top}" width="{size}" height="{size}" class="frame"/>',
        line(left, top + size, left + size, top, "ideal"),
        text(left + size / 2, top + size + 30, "probability", "quiet", "middle"),
    ]
    parts += [text(left + size * x, top + size + 15, f"{x:g}", "quiet", "middle") for x in (0, 0.5, 1)]
    parts += [text(left - 5, top + size * (1 - x) + 4, f"{x:g}", "quiet", "end") for x in (0, 0.5, 1)]
    parts += [
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{3 + 7 * math.sqrt(one["count"] / most):.1f}" '
        'class="series0 soft"/>'
        for one, x, y in filled
    ]
    said = "; ".join(
        f"{one['count']} predictions at {one['confidence']:.2f}, {one['right']:.2f} of them right"
        for one, *_ in filled
    )
    return figure(left + size + 16, top + size + 38, f"Calibration of {title}. {said}.", parts)


def latency(found: Mapping[str, Latency]) -> str:
    """Return every request as a dot, and the percentiles as lines, one row per algorithm."""
    left, row, top = 10 + 7 * max(map(len, map(_short, found)), default=1), 44, 8
    span = WIDTH - left - 16
    longest = max((one["p99"] for one in found.values()), default=0) * 1.15 or 1
    parts, said = [], []
    for i, (name, one) in enumerate(found.items()):
        y = top + row * i
        parts.append(text(left - 8, y + 16, _short(name), "", "end"))
        parts += [
            f'<circle cx="{left + span * min(ms / longest, 1):.1f}" cy="{y + 8 + 3 * (n % 3)}" r="2.5" '
            'class="series0 soft"/>'
            for n, ms in enumerate(one["milliseconds"])
        ]
        for percent in ("p50", "p95", "p99"):
            x = left + span * one[percent] / longest
            parts.append(line(x, y, x, y + 24, "ideal"))
        parts.append(
            text(
                left, y + 36, f"p50 {one['p50']:.1f}, p95 {one['p95']:.1f}, p99 {one['p99']:.1f} ms", "quiet"
            )
        )
        said.append(
            f"{name}: {one['requests']} requests, {one['errors']} failed, p50 {one['p50']:.1f}, "
            f"p95 {one['p95']:.1f}, p99 {one['p99']:.1f} milliseconds"
        )
    return figure(
        WIDTH, top + row * len(found), f"Latency of requests for one row. {'; '.join(said)}.", parts
    )


def scatter(title: str, truth: Sequence[float], series: Mapping[str, Sequence[float]]) -> str:
    """Return predicted numbers over true ones; a perfect prediction is on the diagonal."""
    size, left, top = 240, 60, 40
    values = [v for v in (*truth, *(v for one in series.values() for v in one)) if math.isfinite(v)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    span = (high - low) or 1.0
    parts = [
        text(left, 14, title, "strong"),
        f'<rect x="{left}" y="{top}" width="{size}" height="{size}" class="frame"/>',
        line(left, top + size, left + size, top, "ideal"),
        text(left + size / 2, top + size + 30, "true", "quiet", "middle"),
        text(left, top + size + 15, f"{low:.4g}", "quiet"),
        text(left + size, top + size + 15, f"{high:.4g}", "quiet", "end"),
        text(left - 5, top + size, f"{low:.4g}", "quiet", "end"),
        text(left - 5, top + 8, f"{high:.4g}", "quiet", "end"),
    ]
    for i, (name, one) in enumerate(series.items()):
        parts.append(f'<circle cx="{left + 90 * i + 5}" cy="28" r="5" class="series{i}"/>')
        parts.append(text(left + 90 * i + 15, 32, name))
        parts += [
            f'<circle cx="{left + size * (t - low) / span:.1f}" '
            f'cy="{top + size * (1 - (p - low) / span):.1f}" r="3.5" class="series{i} soft"/>'
            for t, p in zip(truth, one, strict=True)
            if math.isfinite(p)
        ]
    names = " and ".join(series)
    said = f"Numbers that {names} predict over the true ones, {len(truth)} rows, from {low:.4g} to {high:.4g}"
    return figure(left + size + 16, top + size + 38, f"{title}. {said}.", parts)


def _short(name: str, most: int = 18) -> str:
    most = max(most, 3)
    return name if len(name) <= most else name[: most - 1] + "…"
