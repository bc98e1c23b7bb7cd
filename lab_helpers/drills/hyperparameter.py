"""A hyperparameter that the model does not take: training fails."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_helpers.drills.material import Material
from lab_helpers.drills.training import TrainingDrill

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

BAD = "plenty"
"""No number, and so no value of a hyperparameter of any of the workshop's models."""


class BadHyperparameter(TrainingDrill):
    """The learner's own training job, with a text where a number belongs."""

    name = "bad-hyperparameter"
    breaks = "a hyperparameter has a value that the model does not take, so training fails"
    noticed_by = "the monitor function: it rejects TrainApproval with the job's reason and its last log lines"

    def material(self, lab: Lab) -> Material:
        """Return the learner's job with its first hyperparameter set to a text."""
        own = Material.of(lab)
        return own.hyperparameter(next(iter(own.descriptor.get("HyperParameters", {})), "C"), BAD)
