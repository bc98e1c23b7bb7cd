"""Compare what clients send to an endpoint with the data that its model was trained with.

A processing job runs this program in the model image. It reads captured requests line by line, so its memory
does not grow with them, and writes `report.json` and `report.html`.

Contract: SageMaker AI Developer Guide, "Data capture" (JSON Lines with `captureData` and `eventMetadata`).
"""

import argparse
import base64
import csv
import html
import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from scipy.special import chdtrc, ndtr

MESSAGE = Path("/opt/ml/output/message")  # at most 1,024 bytes (DescribeProcessingJob, ExitMessage)
BATCH_ROWS = 8_192
GROUPS = 64  # of values, at most, for the distribution of a statistic
BINS = 10  # each has a tenth of the training data, as long as its values differ
BASELINE_ROWS = 20_000
PREDICTION = "prediction"
OTHER = "(another)"


@dataclass(frozen=True)
class Settings:
    """What a check is asked; times are of eventMetadata.inferenceTime, such as 2026-12-01T08:00:00Z."""

    since: str = ""
    until: str = "9"
    """Both belong to the window. The defaults are before and after every time."""
    skip: tuple[str, ...] = ()
    """Inference ids of requests that do not come from clients."""
    alpha: float = 0.01
    """How often a window without any drift may be called a drifted one."""
    minimum_psi: float = 0.1
    """A smaller shift is harmless, however many rows prove it."""
    minimum_rows: int = 50
    period: str = "minute"
    """Quality is counted by `minute`, `hour` or `day`."""


Cell = str | int | float | bool | None


@dataclass(slots=True)
class Captured:
    """One captured request: its rows, and what the model answered."""

    rows: Sequence[Sequence[Cell]]
    labels: Sequence[Cell]
    inference_id: str
    time: str


@dataclass
class Skipped:
    """What of the captured data was not compared: requests, but `rows` of another width."""

    damaged: int = 0
    unreadable: int = 0
    outside: int = 0
    not_clients: int = 0
    rows: int = 0


# --- statistics


def stability(expected: np.ndarray, found: np.ndarray) -> float:
    """Return the population stability index of two counts of the same bins; 0 if the shares are equal.

    Half a row is added to each bin: an empty one would make the index infinite.
    """
    e, f = (expected + 0.5) / (expected + 0.5).sum(), (found + 0.5) / (found + 0.5).sum()
    return float(((f - e) * np.log(f / e)).sum())


def anderson(expected: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Return the Anderson-Darling statistic of two counts of the same ordered values, and its p-value.

    Unlike the Kolmogorov-Smirnov distance it weighs all differences, those at both ends too, so that it needs
    fewer rows to find that a feature has moved or spread. Scholz and Stephens (1987), midranks for ties.
    """
    total = expected + found
    expected, total = expected[total > 0], total[total > 0]
    rows, n = float(total.sum()), float(expected.sum())
    if len(total) < 2 or not 0 < n < rows:
        return 0.0, 1.0
    below = np.cumsum(total) - total / 2
    distance = rows * (np.cumsum(expected) - expected / 2) - n * below
    spread = below * (rows - below) - rows * total / 4
    statistic = float((total * distance**2 / spread).sum() * (rows - 1) / rows / n / (rows - n))
    groups = np.bincount((below / rows * GROUPS).astype(int), total) / rows
    return statistic, beyond(statistic, weights(groups[groups > 0]))


def weights(shares: np.ndarray) -> np.ndarray:
    """Return the weights whose sum over squares of normal numbers the statistic is, if nothing has changed.

    Without ties these are 1/2, 1/6, 1/12 and so on. Ties change them: for two values there is one weight, 1,
    and the statistic is chi-square. So a column of few values has its own, larger p-values.
    """
    middle = np.cumsum(shares) - shares / 2
    scale = np.sqrt(shares / (middle * (1 - middle) - shares / 4))
    matrix = (
        np.minimum.outer(middle, middle) * (1 - np.maximum.outer(middle, middle)) * np.outer(scale, scale)
    )
    np.fill_diagonal(matrix, shares)
    found = np.linalg.eigvalsh(matrix)
    return found[found > 1e-9]


def beyond(value: float, weights: np.ndarray) -> float:
    """Return how likely a weighted sum of squares of normal numbers is beyond a value.

    A saddlepoint approximation (Kuonen 1999): up to a sixth too large, however small the result is.
    """
    mean, most = float(weights.sum()), float(weights.max())
    if value <= 0:
        return 1.0
    if abs(value - mean) < 1e-3:  # the formula has no value at the mean itself
        value = mean + 1e-3
    low, high = -len(weights) / 2 / value, max(0.0, (1 - most / value) / 2 / most)
    for _ in range(100):
        point = (low + high) / 2
        low, high = (low, point) if (weights / (1 - 2 * weights * point)).sum() > value else (point, high)
    rest = 1 - 2 * weights * point
    root = math.copysign(math.sqrt(max(0.0, 2 * point * value + np.log(rest).sum())), point)
    slope = point * math.sqrt(2 * ((weights / rest) ** 2).sum())
    return float(ndtr(-root - math.log(slope / root) / root))


def homogeneity(expected: np.ndarray, found: np.ndarray) -> tuple[float, float]:
    """Return the chi-square statistic of two counts of the same categories, and its p-value.

    Categories too rare for the approximation are counted together.
    """
    table = np.array([expected, found], float)
    table = table[:, table.sum(axis=0) > 0]
    shares = table.sum(axis=1, keepdims=True) / table.sum()
    rare = (shares * table.sum(axis=0)).min(axis=0) < 5
    if rare.any():
        table = np.column_stack([table[:, ~rare], table[:, rare].sum(axis=1)])
    if table.shape[1] < 2 or not table.sum(axis=1).all():
        return 0.0, 1.0
    ideal = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / table.sum()
    statistic = float(((table - ideal) ** 2 / ideal).sum())
    return statistic, float(chdtrc(table.shape[1] - 1, statistic))


def adjusted(values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for their number, by Benjamini and Hochberg's step-up procedure."""
    order = np.argsort(values)[::-1]
    least, found = 1.0, [0.0] * len(values)
    for place, index in enumerate(order):
        least = min(least, values[index] * len(values) / (len(values) - place))
        found[index] = least
    return found


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % interval of a share (Wilson)."""
    if not count:
        return 0.0, 1.0
    share, spread = hits / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / count + spread / (4 * count)) / (1 + spread)
    return max(0.0, middle - half), min(1.0, middle + half)


# --- columns


@dataclass
class Numbers:
    """A column of numbers: the training data's values, and how many captured ones are at and between them."""

    name: str
    values: np.ndarray
    missing: int
    counts: np.ndarray = field(init=False)
    found_missing: int = 0

    def __post_init__(self) -> None:
        self.points, self.expected = np.unique(self.values, return_counts=True)
        # Edges are values of the training data, so that every count is in one bin as a whole.
        edges = np.unique(np.quantile(self.values, np.linspace(0, 1, BINS + 1)[1:-1], method="higher"))
        self.edges = edges[edges > self.points[0]]
        self.counts = np.zeros(2 * len(self.points) + 1, int)

    def add(self, cells: Sequence[Cell]) -> None:
        """Count captured cells; what is not a finite number counts as missing."""
        try:
            found = np.array(cells, float)  # None becomes NaN
        except (TypeError, ValueError, OverflowError):
            found = np.array([number(cell) for cell in cells])
        there = np.isfinite(found)
        self.found_missing += int((~there).sum())
        found = found[there]
        left = np.searchsorted(self.points, found)
        at = self.points[np.minimum(left, len(self.points) - 1)] == found
        self.counts += np.bincount(2 * left + at, minlength=len(self.counts))

    def compare(self) -> dict[str, Any]:
        """Return what differs, by all captured values, not by a sample."""
        expected = np.zeros_like(self.counts)
        expected[1::2] = self.expected
        statistic, p = anderson(expected, self.counts)
        return {
            "kind": "number",
            "test": "Anderson-Darling",
            "statistic": statistic,
            "p": p,
            "bins": self._bins(),
            "expected": self._binned(self.points, self.expected).tolist(),
            "found": self._found().tolist(),
        }

    def _binned(self, values: np.ndarray, counts: np.ndarray) -> np.ndarray:
        places = np.searchsorted(self.edges, values, "right")
        return np.bincount(places, counts, len(self.edges) + 1).astype(int)

    def _found(self) -> np.ndarray:
        values = np.empty(len(self.counts))
        values[1::2] = self.points
        values[0] = -np.inf
        values[2::2] = self.points
        return self._binned(values, self.counts)

    def _bins(self) -> list[str]:
        names = [f"{edge:.4g}" for edge in self.edges]
        if not names:
            return ["all"]
        between = [f"{a} to {b}" for a, b in itertools.pairwise(names)]
        return [f"under {names[0]}", *between, f"from {names[-1]}"]


@dataclass
class Categories:
    """A column of text or labels: how often each is in the training data, and in the captured data."""

    name: str
    counted: Counter[str]
    missing: int
    found_missing: int = 0

    def __post_init__(self) -> None:
        self.found: Counter[str] = Counter()

    def add(self, cells: Sequence[Cell]) -> None:
        """Count captured cells; one that training has not seen counts as another."""
        found = Counter("" if cell is None else str(cell) for cell in cells)
        self.found_missing += found.pop("", 0)
        for text, count in found.items():
            self.found[text if text in self.counted else OTHER] += count

    def compare(self) -> dict[str, Any]:
        """Return what differs."""
        names = [*sorted(self.counted), *([OTHER] if self.found[OTHER] else [])]
        expected = np.array([self.counted[name] for name in names])
        found = np.array([self.found[name] for name in names])
        statistic, p = homogeneity(expected, found)
        return {
            "kind": "category",
            "test": "chi-square",
            "statistic": statistic,
            "p": p,
            "bins": names,
            "expected": expected.tolist(),
            "found": found.tolist(),
        }


Column = Numbers | Categories


def number(cell: Any) -> float:
    """Return a cell as a number, NaN if it is none."""
    try:
        return float(cell)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def column(name: str, cells: Sequence[str]) -> Column:
    """Return a column of the training data: of numbers if nothing else is in it."""
    there = [cell for cell in cells if cell != ""]
    missing, values = len(cells) - len(there), [number(cell) for cell in there]
    if there and all(math.isfinite(value) for value in values):
        return Numbers(name, np.array(values), missing)
    return Categories(name, Counter(there), missing)


def read_baseline(path: Path, target: str) -> tuple[list[Column], Column]:
    """Return the columns of the training data that are features, and the target; a large file is sampled."""
    with path.open(newline="") as file:
        head, *rows = list(csv.reader(file))
    if len(rows) > BASELINE_ROWS:
        chosen = np.random.default_rng(0).permutation(len(rows))[:BASELINE_ROWS]
        rows = [rows[i] for i in sorted(chosen.tolist())]
    columns = {name: [row[i] for row in rows] for i, name in enumerate(head)}
    labels = columns.pop(target)
    return [column(name, cells) for name, cells in columns.items()], column(PREDICTION, labels)


# --- captured data


# msgspec reads only what is named here, and checks its types on the way.
class Part(msgspec.Struct, rename="camel", gc=False):
    """A body: what came, or what was answered."""

    data: str
    encoding: str
    observed_content_type: str = ""


class Data(msgspec.Struct, rename="camel", gc=False):
    """The bodies of a request; the answer may be missing."""

    endpoint_input: Part | None = None
    endpoint_output: Part | None = None


class About(msgspec.Struct, rename="camel", gc=False):
    """When a request came, and what the client calls it."""

    inference_time: str
    inference_id: str = ""


class Event(msgspec.Struct, rename="camel", gc=False):
    """A line of captured data."""

    capture_data: Data
    event_metadata: About


class Asked(msgspec.Struct, gc=False):
    """A request of JSON."""

    instances: list[list[Cell]]


class Answered(msgspec.Struct, gc=False):
    """An answer of JSON."""

    predictions: list[Cell]


UNREADABLE = (msgspec.MsgspecError, ValueError, LookupError, TypeError, RecursionError, csv.Error)
read_event = msgspec.json.Decoder(Event).decode
read_asked = msgspec.json.Decoder(Asked).decode
read_answered = msgspec.json.Decoder(Answered).decode


def captured(paths: Iterable[Path], settings: Settings, skipped: Skipped) -> Iterator[Captured]:
    """Yield the requests of the window, and count those that are left out."""
    since, until, skip = settings.since, settings.until, frozenset(settings.skip)
    for path in paths:
        with path.open("rb") as file:
            for line in file:
                try:
                    event = read_event(line)
                except UNREADABLE:
                    skipped.damaged += 1
                    continue
                data, about = event.capture_data, event.event_metadata
                if not since <= about.inference_time <= until:
                    skipped.outside += 1
                    continue
                if about.inference_id in skip:
                    skipped.not_clients += 1
                    continue
                try:
                    rows, labels = _rows(data.endpoint_input), _labels(data.endpoint_output)
                except UNREADABLE:
                    skipped.unreadable += 1
                    continue
                yield Captured(rows, labels, about.inference_id, about.inference_time)


def _text(part: Part) -> str | bytes:
    return base64.b64decode(part.data) if part.encoding == "BASE64" else part.data


def _is_csv(part: Part) -> bool:
    return part.encoding == "CSV" or part.observed_content_type.startswith("text/csv")


def _lines(part: Part) -> Iterator[list[str]]:
    text = _text(part)
    return filter(None, csv.reader((text if isinstance(text, str) else text.decode()).splitlines()))


def _rows(part: Part | None) -> Sequence[Sequence[Cell]]:
    if part is None:
        raise ValueError("nothing was captured of the request")
    if _is_csv(part):
        return [[cell or None for cell in row] for row in _lines(part)]
    return read_asked(_text(part)).instances


def _labels(part: Part | None) -> Sequence[Cell]:
    if part is None:
        return []
    return [row[0] for row in _lines(part)] if _is_csv(part) else read_answered(_text(part)).predictions


def read_labels(paths: Iterable[Path]) -> dict[str, str]:
    """Return true labels by inference id; a request has one row. The last of several labels counts."""
    found: dict[str, str] = {}
    for path in paths:
        with path.open(newline="") as file:
            found |= {row["inferenceId"]: row["label"] for row in csv.DictReader(file)}
    return found


# --- the check


def check(
    features: list[Column],
    prediction: Column,
    requests: Iterable[Captured],
    settings: Settings,
    *,
    labels: Mapping[str, str] | None = None,
    skipped: Skipped | None = None,
) -> dict[str, Any]:
    """Return the report: `drifted` names the columns that differ, and is empty if there are too few rows."""
    skipped = skipped or Skipped()
    quality: dict[str, list[int]] = {}
    count, total, length = 0, 0, {"minute": 16, "hour": 13, "day": 10}[settings.period]
    rows: list[Sequence[Cell]] = []
    answers: list[Cell] = []

    def flush() -> None:
        for one, cells in zip(features, zip(*rows, strict=True), strict=bool(rows)):
            one.add(cells)
        prediction.add(answers)
        rows.clear()
        answers.clear()

    width = len(features)
    for request in requests:
        count += 1
        fitting = [row for row in request.rows if len(row) == width]
        skipped.rows += len(request.rows) - len(fitting)
        total += len(fitting)
        rows += fitting
        answers += request.labels
        if labels and len(request.labels) == 1 and (truth := labels.get(request.inference_id)) is not None:
            counted = quality.setdefault(request.time[:length], [0, 0])
            counted[0] += 1
            counted[1] += _same(truth, request.labels[0])
        if max(len(rows), len(answers)) >= BATCH_ROWS:
            flush()
    flush()
    found = [_compared(one, total, settings) for one in (*features, prediction)]
    for one, p in zip(found, adjusted([one["p"] for one in found]), strict=True):
        one["adjusted"] = p
    enough = total >= settings.minimum_rows
    for one in found:
        large = one["psi"] >= settings.minimum_psi or one["missingShifted"]
        one["drifted"] = enough and one["adjusted"] <= settings.alpha and large
    drifted = [one["name"] for one in found if one["drifted"]]
    return {
        "schema": 1,
        "settings": asdict(settings),
        "requests": count,
        "rows": total,
        "enough": enough,
        "skipped": asdict(skipped),
        "columns": found,
        "drifted": drifted,
        "quality": [_quality(period, *counts) for period, counts in sorted(quality.items())],
        "summary": _summary(total, drifted, settings),
    }


def _same(truth: str, answer: Any) -> bool:
    if isinstance(answer, float):
        return abs(number(truth) - answer) <= 1e-9 * max(1.0, abs(answer))
    return truth == str(answer)


def _compared(one: Column, rows: int, settings: Settings) -> dict[str, Any]:
    compared = one.compare()
    expected = np.array([sum(compared["expected"]), one.missing])
    found = np.array([sum(compared["found"]), one.found_missing])
    _, p = homogeneity(expected, found)
    # Two tests of one column: of its values, and of how many are missing.
    compared["p"] = min(1.0, 2 * min(compared["p"], p)) if expected[1] or found[1] else compared["p"]
    shares = [float(counts[1] / counts.sum()) if counts.sum() else 0.0 for counts in (expected, found)]
    return {
        "name": one.name,
        "psi": stability(np.array(compared["expected"]), np.array(compared["found"]))
        if rows and found[0]
        else 0.0,
        "missing": shares,
        "missingShifted": p <= settings.alpha and abs(shares[1] - shares[0]) >= 0.05,
        **compared,
    }


def _quality(period: str, count: int, right: int) -> dict[str, Any]:
    low, high = wilson(right, count)
    return {"period": period, "labels": count, "share": right / count, "low": low, "high": high}


def _summary(rows: int, drifted: Sequence[str], settings: Settings) -> str:
    if rows < settings.minimum_rows:
        return f"only {rows} rows: too few to compare, {settings.minimum_rows} are needed"
    if drifted:
        return f"drift in {', '.join(drifted)} ({rows} rows)"
    return f"no drift found ({rows} rows)"


# --- the page

STYLE = """
:root { color-scheme: light dark; --page: #fff; --words: #1f2328; --rule: #d1d9e0; --bad: #cf222e;
  --good: #1a7f37; --first: #0969da; --second: #bc4c00; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --words: #f0f6fc; --rule: #3d444d;
  --bad: #f85149; --good: #3fb950; --first: #4493f8; --second: #f0883e; } }
body { background: var(--page); color: var(--words); font: 15px/1.5 system-ui, sans-serif;
  margin: 0 auto; max-width: 980px; padding: 16px; }
h1 { font-size: 1.4em; } h2 { font-size: 1.15em; } table { border-collapse: collapse; }
th, td { border-bottom: 1px solid var(--rule); padding: 3px 12px 3px 0; text-align: left; }
.wide { overflow-x: auto; } .row { display: flex; flex-wrap: wrap; gap: 20px; }
.verdict { border-left: 6px solid var(--good); padding: 4px 12px; }
.verdict.failed { border-color: var(--bad); }
svg { max-width: 100%; height: auto; } svg text { fill: var(--words); font-size: 12px; }
.expected { fill: var(--first); } .found { fill: var(--second); }
.interval { stroke: var(--first); stroke-width: 3; } .axis { stroke: var(--rule); }
"""


def figure(one: Mapping[str, Any]) -> str:
    """Return two bars for each bin of a column: the training data's share, and the captured data's."""
    expected, found = (_shares(one[key]) for key in ("expected", "found"))
    most, wide, high = max((*expected, *found, 0.01)), max(22, 380 // len(expected)), 110
    parts = [f'<text x="0" y="14">{html.escape(one["name"])}: PSI {one["psi"]:.2f}</text>']
    for place, (name, *pair) in enumerate(zip(one["bins"], expected, found, strict=True)):
        for side, (kind, share) in enumerate(zip(("expected", "found"), pair, strict=True)):
            x, size = place * wide + side * (wide - 4) / 2, high * share / most
            parts.append(
                f'<rect class="{kind}" x="{x:.1f}" y="{24 + high - size:.1f}" width="{(wide - 4) / 2:.1f}" '
                f'height="{size:.1f}"><title>{html.escape(name)}: {share:.0%}</title></rect>'
            )
    said = "; ".join(
        f"{name} {a:.0%} before, {b:.0%} now" for name, a, b in zip(one["bins"], expected, found, strict=True)
    )
    parts.append(f'<line class="axis" x1="0" y1="{24 + high}" x2="{wide * len(expected)}" y2="{24 + high}"/>')
    return _svg(wide * len(expected), high + 30, f"Shares of {one['name']}: {said}.", parts)


def quality_figure(quality: Sequence[Mapping[str, Any]]) -> str:
    """Return the share of right answers in each period, with its interval."""
    wide, high = 46, 120
    parts = ['<text x="0" y="14">right answers, from 0 to 100 %</text>']
    for place, one in enumerate(quality):
        x, low, top = place * wide + 22, 24 + high * (1 - one["low"]), 24 + high * (1 - one["high"])
        parts += [
            f'<line class="interval" x1="{x}" y1="{low:.1f}" x2="{x}" y2="{top:.1f}"/>',
            f'<circle class="found" cx="{x}" cy="{24 + high * (1 - one["share"]):.1f}" r="5"/>',
            f'<text x="{x}" y="{high + 42}" text-anchor="middle">{html.escape(one["period"][-5:])}</text>',
        ]
    parts.append(f'<line class="axis" x1="0" y1="{24 + high}" x2="{wide * len(quality)}" y2="{24 + high}"/>')
    said = "; ".join(f"{one['period']} {one['share']:.0%} of {one['labels']}" for one in quality)
    return _svg(max(200, wide * len(quality)), high + 50, f"Share of right answers: {said}.", parts)


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / max(1, sum(counts)) for count in counts]


def _svg(width: int, height: int, alternative: str, parts: Sequence[str]) -> str:
    return (
        f'<svg role="img" aria-label="{html.escape(alternative)}" viewBox="0 0 {width} {height}" '
        f'width="{width}" height="{height}" xmlns="http://www.w3.org/2000/svg">{"".join(parts)}</svg>'
    )


def page(report: Mapping[str, Any]) -> str:
    """Return the report as one file of HTML with everything inside, and no script."""
    kind = "verdict failed" if report["drifted"] or not report["enough"] else "verdict"
    heads = ("column", "test", "statistic", "p, adjusted", "PSI", "missing before", "missing now", "")
    rows = [
        (
            one["name"], one["test"], f"{one['statistic']:.3f}", f"{one['adjusted']:.2g}",
            f"{one['psi']:.3f}", f"{one['missing'][0]:.1%}", f"{one['missing'][1]:.1%}",
            "drifted" if one["drifted"] else "",
        )
        for one in report["columns"]
    ]  # fmt: skip
    left = ", ".join(f"{name.replace('_', ' ')} {n}" for name, n in report["skipped"].items() if n)
    parts = [
        "<h1>Captured data and training data</h1>",
        f'<p class="{kind}">{html.escape(report["summary"])}</p>',
        f"<p>{report['requests']} requests. Left out: {left or 'none'}.</p>",
        '<div class="wide" tabindex="0" role="group" aria-label="Table: columns"><table><thead><tr>',
        *(f"<th>{head}</th>" for head in heads),
        "</tr></thead><tbody>",
        *("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows),
        "</tbody></table></div><h2>Distributions</h2>",
        "<p>The first bar of each pair is the training data, the second what was captured.</p>",
        f'<div class="row">{"".join(figure(one) for one in report["columns"])}</div>',
    ]
    if report["quality"]:
        parts += ["<h2>Quality, once the true labels came</h2>", quality_figure(report["quality"])]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Captured data</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a check on files, as the processing job does."""
    parser = argparse.ArgumentParser(description=__doc__)
    root = Path("/opt/ml/processing")
    parser.add_argument("--capture", type=Path, default=root / "capture")
    parser.add_argument("--baseline", type=Path, default=root / "baseline")
    parser.add_argument("--labels", type=Path, default=root / "labels")
    parser.add_argument("--report", type=Path, default=root / "report")
    parser.add_argument("--target", required=True)
    parser.add_argument("--skip", action="append", default=[])
    for name, kind in (("since", str), ("until", str), ("alpha", float), ("minimum-psi", float),
                       ("minimum-rows", int), ("period", str)):  # fmt: skip
        parser.add_argument(f"--{name}", type=kind, default=getattr(Settings, name.replace("-", "_")))
    given = parser.parse_args(arguments)
    settings = Settings(
        given.since, given.until, tuple(given.skip), given.alpha, given.minimum_psi, given.minimum_rows,
        given.period,
    )  # fmt: skip
    (baseline,) = given.baseline.glob("*.csv")
    features, prediction = read_baseline(baseline, given.target)
    skipped, labels = Skipped(), read_labels(sorted(given.labels.rglob("*.csv")))
    requests = captured(sorted(given.capture.rglob("*.jsonl")), settings, skipped)
    report = check(features, prediction, requests, settings, labels=labels, skipped=skipped)
    given.report.mkdir(parents=True, exist_ok=True)
    (given.report / "report.json").write_text(json.dumps(report, indent=1))
    (given.report / "report.html").write_text(page(report))
    print(report["summary"])
    return 0


def told(work: Callable[[], int], message: Path = MESSAGE) -> int:
    """Do the work; if it fails, leave the reason where SageMaker reads a job's ExitMessage, and raise it."""
    try:
        return work()
    except Exception as error:
        message.parent.mkdir(parents=True, exist_ok=True)
        message.write_bytes(
            f"{type(error).__name__}: {error}".encode()[:1024].decode(errors="ignore").encode()
        )
        raise


if __name__ == "__main__":
    sys.exit(told(main))
