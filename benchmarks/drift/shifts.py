"""What changes between training data and a window: one known shift each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from benchmarks.drift.data import PREDICTION, Columns, Table

Change = Callable[[Table, int, np.random.Generator], Columns]


@dataclass(frozen=True)
class Shift:
    """A kind of shift: its name, and how a window of so many rows is drawn from the population."""

    name: str
    draw: Change


def sample(
    table: Table, rows: int, random: np.random.Generator, shares: np.ndarray | None = None
) -> dict[str, np.ndarray]:
    """Return rows drawn with replacement; `shares` says how often each row is drawn."""
    chosen = random.choice(len(table), rows, p=shares)
    return {name: cells[chosen] for name, cells in table.columns.items()}


def moved(deviations: float) -> Change:
    """One feature is larger by so many of its standard deviations."""

    def draw(table: Table, rows: int, random: np.random.Generator) -> Columns:
        name, found = random.choice(table.numbers), sample(table, rows, random)
        return found | {name: found[name] + deviations * table.columns[name].std()}

    return draw


def spread(times: float) -> Change:
    """The deviations of one feature from its mean are so many times as large."""

    def draw(table: Table, rows: int, random: np.random.Generator) -> Columns:
        name, found = random.choice(table.numbers), sample(table, rows, random)
        mean = table.columns[name].mean()
        return found | {name: mean + times * (found[name] - mean)}

    return draw


def lost(share: float) -> Change:
    """So many values of one feature are missing."""

    def draw(table: Table, rows: int, random: np.random.Generator) -> Columns:
        name, found = random.choice(table.numbers), sample(table, rows, random)
        return found | {name: np.where(random.random(rows) < share, np.nan, found[name])}

    return draw


def overwritten(share: float) -> Change:
    """So many cells of one column of text have the same category, whatever it was."""

    def draw(table: Table, rows: int, random: np.random.Generator) -> Columns:
        name, found = random.choice(table.categories), sample(table, rows, random)
        category = random.choice(np.unique(table.columns[name]))
        return found | {name: np.where(random.random(rows) < share, category, found[name])}

    return draw


def answers(table: Table, rows: int, random: np.random.Generator) -> Columns:
    """Other proportions of the answers: one class, or the highest third, is drawn three times as often."""
    given = table.columns[PREDICTION]
    if given.dtype.kind == "f":
        often = given > np.quantile(given, 2 / 3)
    else:
        often = given == random.choice(np.unique(given))
    shares = np.where(often, 3.0, 1.0)
    return sample(table, rows, random, shares / shares.sum())


def covariates(table: Table, rows: int, random: np.random.Generator) -> Columns:
    """Rows are drawn more often the larger one feature is, and all that depends on it moves along."""
    cells = table.columns[random.choice(table.numbers)]
    shares = np.exp(0.7 * (cells - cells.mean()) / cells.std())
    return sample(table, rows, random, shares / shares.sum())


NONE = Shift("none", sample)
SHIFTS = (
    *(Shift(f"mean + {by:g} sd", moved(by)) for by in (0.5, 1, 2, 3)),
    Shift("spread × 2", spread(2)),
    Shift("spread × 0.5", spread(0.5)),
    Shift("a quarter of a column in one category", overwritten(0.25)),
    Shift("proportions of the answers", answers),
    Shift("rows drawn by one feature", covariates),
    Shift("10 % missing", lost(0.1)),
    Shift("30 % missing", lost(0.3)),
)
