"""Training data and windows, the same for every tool: drawn from one population, with and without a shift."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.drift.data import Columns, Table
from benchmarks.drift.shifts import NONE, SHIFTS, Shift, sample

WINDOW_ROWS = (50, 150, 500)
TRAINING_ROWS = (1_000, 4_000)
"""Above 1,000 rows of training data, Evidently chooses other methods."""
CALM = 4
"""Windows without a shift, for one with each kind of shift."""


@dataclass(frozen=True)
class Window:
    """Rows that are compared with the training data."""

    shift: str
    rows: int
    columns: Columns


@dataclass(frozen=True)
class Trial:
    """Training data and all its windows."""

    table: Table
    training: Columns
    windows: tuple[Window, ...]

    @property
    def training_rows(self) -> int:
        """How many rows the training data has."""
        return len(next(iter(self.training.values())))

    def line(self) -> bytes:
        """Return what a peer's program reads: one line of JSON; a missing number is null."""
        document = {
            "categories": self.table.categories,
            "training": _plain(self.training),
            "windows": [_plain(one.columns) for one in self.windows],
        }
        return json.dumps(document).encode() + b"\n"


def known(cell: object) -> object:
    """Return a cell as JSON can have it: NaN becomes None."""
    return None if isinstance(cell, float) and math.isnan(cell) else cell


def _plain(columns: Columns) -> dict[str, list[object]]:
    return {name: [known(one) for one in cells.tolist()] for name, cells in columns.items()}


def trials(tables: Sequence[Table], count: int) -> Iterator[Trial]:
    """Yield `count` trials of each data set and each number of rows of training data.

    Training data and windows are drawn with replacement from the same rows, independently: the rows of the
    data set are the population, so that a window without a shift is one by construction.
    """
    drawn: list[Shift] = [*SHIFTS, *[NONE] * CALM]
    for number in range(count):
        for place, table in enumerate(tables):
            for training_rows in TRAINING_ROWS:
                random = np.random.default_rng((number, place, training_rows))
                training = sample(table, training_rows, random)
                windows = tuple(
                    Window(shift.name, rows, shift.draw(table, rows, random))
                    for rows in WINDOW_ROWS
                    for shift in drawn
                )
                yield Trial(table, training, windows)
