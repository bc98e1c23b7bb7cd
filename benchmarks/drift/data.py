"""Public data sets with their data inside packages: tables of numbers and categories, and one of answers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import datasets

PREDICTION = "prediction"
Columns = Mapping[str, np.ndarray]
"""By name, in order: float64 for numbers (NaN is missing), text for categories. The last is the answer."""


@dataclass(frozen=True)
class Table:
    """The rows of a data set: the population that training data and windows are drawn from."""

    name: str
    columns: Columns

    @property
    def numbers(self) -> list[str]:
        """The features that are numbers."""
        return [one for one, cells in self.columns.items() if cells.dtype.kind == "f" and one != PREDICTION]

    @property
    def categories(self) -> list[str]:
        """The columns of text."""
        return [one for one, cells in self.columns.items() if cells.dtype.kind != "f"]

    def __len__(self) -> int:
        return len(self.columns[PREDICTION])


def tables(penguins: Path) -> list[Table]:
    """Return all data sets; `penguins` is a folder with the package palmerpenguins."""
    (path,) = penguins.rglob("penguins.csv")
    found = [_scikit_learn(name) for name in ("iris", "wine", "breast_cancer", "diabetes")]
    return [*found, _penguins(path.read_text(encoding="utf-8"))]


def _scikit_learn(name: str) -> Table:
    load: Any = getattr(datasets, f"load_{name}")
    raw = load(scaled=False) if name == "diabetes" else load()
    columns = {str(one): np.asarray(raw.data[:, i], float) for i, one in enumerate(raw.feature_names)}
    if name == "diabetes":
        columns["sex"] = np.where(columns["sex"] == 1, "first", "second")
        return Table(name, {**columns, PREDICTION: np.asarray(raw.target, float)})
    return Table(name, {**columns, PREDICTION: np.asarray(raw.target_names).astype(str)[raw.target]})


def _penguins(text: str) -> Table:
    """Return the rows that have every value: what one library does with the others differs too much."""
    rows = [row for row in csv.DictReader(io.StringIO(text)) if not {"", "NA"} & set(row.values())]
    numbers = ("bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g")
    columns = {name: np.array([float(row[name]) for row in rows]) for name in numbers}
    words = {name: np.array([row[name] for row in rows]) for name in ("island", "sex")}
    return Table("penguins", {**columns, **words, PREDICTION: np.array([row["species"] for row in rows])})
