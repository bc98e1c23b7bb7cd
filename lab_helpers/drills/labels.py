"""Poisoned labels: a share of them wrong by chance, or two classes swapped throughout.

Held-out rows are a part of the data, so they are poisoned, too. Labels that are wrong by chance cannot be
learned, and the model fails on held-out rows. Labels that are wrong by a rule can: the model reproduces them,
passes every check, and is better on these rows than the model in production. Only rows that do not come from
this data say otherwise (`trusted`).
"""

from __future__ import annotations

import random
from abc import abstractmethod
from typing import TYPE_CHECKING

from lab_helpers import training
from lab_helpers.drills.drill import DrillError
from lab_helpers.drills.material import Material, Row
from lab_helpers.drills.training import TrainingDrill
from lab_helpers.endpoints import release

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

SHARE, SEED = 0.4, 0
"""Of the labels that `poisoned-labels` changes; always the same ones for the same data."""


def target(lab: Lab, *, classes: bool = False) -> str:
    """Return the column that the release in production predicts; with `classes`, it has to be a class.

    Raises DrillError for a release that does not say it, or that predicts numbers.
    """
    serving = release(lab, lab.names.prd_endpoint)
    job = training.describe(lab, lab.names.training_job(serving.execution_id))
    found = training.evaluation(lab, job)
    if not found.get("target"):
        raise DrillError("the release in PRD does not say what it predicts: train and release again")
    if classes and not found["classes"]:
        raise DrillError(
            "the release in PRD predicts numbers, and this drill needs classes: choose another one"
        )
    return found["target"]


class ChangedLabels(TrainingDrill):
    """Trains with other labels; the measurements stay."""

    needs_release = True

    @staticmethod
    @abstractmethod
    def change(rows: list[Row], column: str) -> None:
        """Change the labels of the rows, in the column that has them. Raises DrillError if that can't be."""

    def material(self, lab: Lab) -> Material:
        """Return the learner's job with changed labels."""
        column = target(lab, classes=True)
        return Material.of(lab).rows(lab, lambda rows, _columns: self.change(rows, column))


class PoisonedLabels(ChangedLabels):
    """A share of the rows gets the label of another row."""

    name = "poisoned-labels"
    breaks = "a share of the labels is wrong, by chance"
    noticed_by = "the monitor function: wrong labels cannot be learned, and the held-out rows have them, too"

    @staticmethod
    def change(rows: list[Row], column: str) -> None:
        """Give a share of the rows another label."""
        chance = random.Random(SEED)  # noqa: S311 (no secret)
        answers = sorted({row[column] for row in rows})
        for row in chance.sample(rows, round(SHARE * len(rows))):
            # Any of the others: from its own place in the list, fewer steps than it takes to come around.
            place = answers.index(row[column]) + chance.randrange(1, max(len(answers), 2))
            row[column] = answers[place % len(answers)]


class SwappedLabels(ChangedLabels):
    """Every label of one class has become that of another, and the other way round."""

    name = "swapped-labels"
    breaks = "two classes have changed their names in every row"
    noticed_by = "a person in DeployApproval: no function can, because the held-out rows are poisoned, too"

    @staticmethod
    def change(rows: list[Row], column: str) -> None:
        """Swap the first and the last class."""
        answers = sorted({row[column] for row in rows})
        one, other = answers[0], answers[-1]
        if one == other:
            raise DrillError(f"the data has only one value of {column}: there is nothing to swap")
        swapped = {one: other, other: one}
        for row in rows:
            row[column] = swapped.get(row[column], row[column])
