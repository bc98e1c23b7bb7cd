"""A model below the gate: its data has lost what tells the classes apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_helpers.drills import labels
from lab_helpers.drills.material import Material, Row
from lab_helpers.drills.training import TrainingDrill

if TYPE_CHECKING:
    from lab_helpers.lab import Lab


class WeakModel(TrainingDrill):
    """The learner's own job and labels, but each measurement is the same in every row."""

    name = "weak-model"
    breaks = "an export has lost the measurements: every row has those of the first one"
    noticed_by = "the monitor function: it rejects TrainApproval with the scores and the thresholds"
    needs_release = True

    def material(self, lab: Lab) -> Material:
        """Return the learner's job with data from which nothing can be learned."""
        target = labels.target(lab)

        def lose(rows: list[Row], columns: list[str]) -> None:
            for row in rows[1:]:
                row.update({name: rows[0][name] for name in columns if name != target})

        return Material.of(lab).rows(lab, lose)
