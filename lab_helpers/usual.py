"""How long an action of a pipeline usually takes, so that waiting has an end in sight."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.display import ticking
from lab_helpers.names import DEPLOY_DEV, DEPLOY_PRD, HUMAN_APPROVAL, TRAIN_APPROVAL

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

RUNS = 5
"""The newest runs of an action that count: last month's image may have been another one."""
PUBLISHED = {
    ("Build", "Build"): "2 to 5 min",
    (TRAIN_APPROVAL, TRAIN_APPROVAL): "3 to 5 min",
    (DEPLOY_DEV, DEPLOY_DEV): "5 to 8 min",
    (DEPLOY_PRD, DEPLOY_PRD): "5 to 8 min",
}
"""What the lessons say of AWS, by stage and action, for pipelines that have not run yet."""


class Usual:
    """The usual durations of a pipeline's actions; one call of ListActionExecutions, when first asked."""

    def __init__(self, lab: Lab, pipeline: str, execution_id: str) -> None:
        self._lab, self._pipeline, self._execution_id = lab, pipeline, execution_id
        self._seconds: Mapping[tuple[str, str], float] | None = None

    def of(self, stage: str, action: str) -> str:
        """Return a sentence's end such as `usually 1 min 20 s`; empty if nothing is known.

        A person's decision takes as long as it takes, so nothing is said about it.
        """
        if stage == HUMAN_APPROVAL:
            return ""
        if self._seconds is None:
            self._seconds = self._read()
        if (seconds := self._seconds.get((stage, action))) is not None:
            return f"usually {ticking(round(seconds)) if seconds >= 1 else 'less than 1 s'}"
        published = PUBLISHED.get((stage, action), "")
        return f"on AWS, {published}" if published else ""

    def _read(self) -> dict[tuple[str, str], float]:
        try:
            details = self._lab.client("codepipeline").list_action_executions(
                pipelineName=self._pipeline, maxResults=100
            )["actionExecutionDetails"]
        except ClientError:  # knowing it is a comfort, not a need
            return {}
        found: dict[tuple[str, str], list[float]] = {}
        for detail in details:  # newest first
            if detail["status"] != "Succeeded" or detail["pipelineExecutionId"] == self._execution_id:
                continue
            runs = found.setdefault((detail["stageName"], detail["actionName"]), [])
            if len(runs) < RUNS:
                runs.append((detail["lastUpdateTime"] - detail["startTime"]).total_seconds())
        return {action: sorted(runs)[len(runs) // 2] for action, runs in found.items()}
