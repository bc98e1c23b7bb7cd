"""A rejected approval: the release stops, and PRD keeps what it serves."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab_helpers import approvals, executions
from lab_helpers.drills.drill import Sighting
from lab_helpers.drills.material import Material
from lab_helpers.drills.training import TrainingDrill, find

if TYPE_CHECKING:
    from lab_helpers.drills.record import Record
    from lab_helpers.lab import Lab

COMMENT = "Rejected in a drill."


class RejectedApproval(TrainingDrill):
    """The learner's own training job, released as usual, and rejected by whoever runs the drill."""

    name = "rejected-approval"
    breaks = "a person rejects a good release in DeployApproval"
    noticed_by = "the pipeline: the execution ends there, and the registry has the version as Rejected"
    by_hand = True

    def material(self, lab: Lab) -> Material:
        """Return the learner's job as it is."""
        return Material.of(lab)

    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return who has rejected it; while it waits, the drill itself has yet to."""
        found = super().look(lab, record)
        return replace(found, settled=found.settled and bool(found.by or found.missed))

    def play(self, lab: Lab, record: Record) -> None:
        """Reject the release if it waits for a decision."""
        if execution_id := find(lab, record):
            now = executions.get(lab, lab.names.train_pipeline, execution_id)
            if approvals.outcome(now) == "waiting":
                approvals.decide(lab, now, "reject", COMMENT)
