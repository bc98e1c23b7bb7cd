"""The held-out rows that training leaves beside its evaluation, for asking any endpoint about them."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from . import measures
from .evaluation import Output, is_regression

Cell = float | str | None
Row = Sequence[Cell]
Label = str | float
"""A class, or the number that a regressor predicts."""


class HeldOutError(ValueError):
    """The held-out rows cannot be used; the message says why."""


@dataclass(frozen=True)
class HeldOut:
    """Rows that training did not see, their labels, and what each algorithm predicted for them."""

    features: tuple[str, ...]
    target: str
    rows: list[Row]
    labels: list[Label]
    regression: bool
    predictions: dict[str, list[Label]] = field(default_factory=dict)
    """By algorithm; empty if training did not write them."""

    def columns(self, names: Sequence[str]) -> list[Row]:
        """Return the rows with the columns that another model has; raises HeldOutError for one they lack."""
        if missing := [name for name in names if name not in self.features]:
            raise HeldOutError(f"it needs the column {', '.join(missing)}, which the held-out rows lack")
        places = [self.features.index(name) for name in names]
        return [[row[place] for place in places] for row in self.rows]

    def score(self, predicted: Sequence[Label]) -> float:
        """Return the accuracy of predictions for these rows, of a regressor r2."""
        if self.regression:
            return measures.r2(numbers(self.labels), numbers(predicted))
        return measures.accuracy(self.labels, predicted)


def parse(output: Output) -> HeldOut:
    """Return the rows in `held_out.csv`, with the labels in `held_out_predictions.csv`; raises HeldOutError.

    The evaluation beside them says what the columns are.
    """
    if output.held_out is None:
        raise HeldOutError("training wrote no held-out rows; build both images again (notebooks 01 and 02)")
    regression, kinds = is_regression(output.evaluation), output.evaluation.get("features", {})
    header, *lines = _lines(output.held_out, "held_out.csv") or [[]]
    if header[:-1] != list(kinds) or not header:
        raise HeldOutError(f"held_out.csv has the columns {', '.join(header)}, unlike evaluation.json")
    rows: list[Row] = []
    labels: list[Label] = []
    for number, line in enumerate(lines, start=2):
        if len(line) != len(header):
            raise HeldOutError(f"held_out.csv, line {number}: {len(line)} values for {len(header)} columns")
        try:
            rows.append([_cell(cell, kinds[name]) for name, cell in zip(header[:-1], line[:-1], strict=True)])
            labels.append(float(line[-1]) if regression else line[-1])
        except ValueError as error:
            raise HeldOutError(f"held_out.csv, line {number}: {error}") from error
    found = HeldOut(tuple(header[:-1]), header[-1], rows, labels, regression)
    if output.predictions is not None:
        found.predictions.update(_predictions(output.predictions, len(rows), regression=regression))
    return found


def _predictions(table: bytes, count: int, *, regression: bool) -> dict[str, list[Label]]:
    names, *lines = _lines(table, "held_out_predictions.csv") or [[]]
    if len(lines) != count or any(len(line) != len(names) for line in lines):
        raise HeldOutError(f"held_out_predictions.csv does not have a prediction for each of {count} rows")
    try:
        return {
            name: [float(line[i]) if regression else line[i] for line in lines]
            for i, name in enumerate(names)
        }
    except ValueError as error:
        raise HeldOutError(f"held_out_predictions.csv: {error}") from error


def _lines(table: bytes, name: str) -> list[list[str]]:
    try:
        return list(csv.reader(io.StringIO(table.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise HeldOutError(f"{name} is not valid CSV ({error})") from error


def _cell(text: str, kind: str) -> Cell:
    if not text:
        return None
    return text if kind.startswith("text") else float(text)


def numbers(labels: Sequence[Label]) -> list[float]:
    """Return labels as numbers; what is none becomes NaN."""
    return [label if isinstance(label, float) else math.nan for label in labels]
