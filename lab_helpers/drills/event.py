"""A lost event: the end of a training job never reaches the monitor.

The monitor's rule has an event pattern and a schedule. The drill takes the training job's end out of the
pattern (EventBridge PutRule, which replaces all of a rule but its targets and tags) and leaves the rest.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers import executions
from lab_helpers.aws_errors import is_gone
from lab_helpers.display import duration
from lab_helpers.drills.drill import DrillError, Sighting
from lab_helpers.drills.material import Material
from lab_helpers.drills.training import NOTICES, TrainingDrill, find
from lab_helpers.names import TRAIN_APPROVAL

if TYPE_CHECKING:
    from mypy_boto3_events.type_defs import DescribeRuleResponseTypeDef, PutRuleRequestTypeDef

    from lab_helpers.drills.record import Record
    from lab_helpers.lab import Lab

PATTERN = "pattern"
"""Where the record keeps the rule's own event pattern."""
JOBS = "aws.sagemaker"


class LostEvent(TrainingDrill):
    """The learner's own job under a gate that it cannot pass, so that DEV is not deployed."""

    name = "lost-event"
    breaks = "the event that a training job has ended never arrives, as if EventBridge had lost it"
    noticed_by = "the monitor function, by its schedule: it looks at what is true once a minute"

    def check(self, lab: Lab) -> None:
        """Raise DrillError if the rule has no such event, or no schedule."""
        super().check(lab)
        found = _rule(lab)
        if _without(found["EventPattern"]) == json.loads(found["EventPattern"]):
            raise DrillError(
                f"the rule {found['Name']} does not wait for training jobs: run `fleet up --restart`"
            )
        if not found.get("ScheduleExpression"):
            raise DrillError(
                f"the rule {found['Name']} has no schedule, so nothing would notice a lost event: run "
                "`fleet up --restart`"
            )

    def kept(self, lab: Lab) -> dict[str, str]:
        """Return the rule's event pattern."""
        return {PATTERN: _rule(lab)["EventPattern"]}

    def material(self, lab: Lab) -> Material:
        """Return the learner's job with a gate that stops it in TrainApproval, whatever it scores."""
        own = Material.of(lab)
        return own.gate(**{name: 1.0 for name in own.descriptor["QualityGate"] if name.startswith("Minimum")})

    def start(self, lab: Lab, record: Record) -> Record:
        """Lose the event, then train."""
        found = _rule(lab)
        _put(lab, found, json.dumps(_without(record.kept[PATTERN])), found["State"])
        return super().start(lab, record)

    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return whether the monitor has noticed the end of the job without the event."""
        execution_id = find(lab, record)
        if not execution_id:
            return super().look(lab, record)
        pipeline = lab.names.train_pipeline
        [approval] = executions.get(lab, pipeline, execution_id).stage(TRAIN_APPROVAL)
        if approval.status not in {"Succeeded", "Failed"} or approval.changed is None:
            return super().look(lab, record)
        job = lab.client("sagemaker").describe_training_job(
            TrainingJobName=lab.names.training_job(execution_id)
        )
        ended = job.get("TrainingEndTime")
        late = duration((approval.changed - ended).total_seconds()) if ended else "some time"
        said = executions.first_line(approval.summary, 600)
        return Sighting(
            f"{TRAIN_APPROVAL} was answered {late} after the job's end, without its event: {said}",
            f"{NOTICES[TRAIN_APPROVAL]}, by its schedule",
            approval.changed,
            settled=True,
        )

    def put_back(self, lab: Lab, record: Record) -> list[str]:
        """Let the rule wait for the end of training jobs again, then end the execution."""
        done, own = [], record.kept[PATTERN]
        found = _rule(lab)
        now = json.loads(found["EventPattern"])
        if now == _without(own) != json.loads(own):
            # Enabled, whatever it is: the monitor disables it when it finds nothing to watch.
            _put(lab, found, own, "ENABLED")
            done.append(f"the rule {found['Name']} waits for the end of training jobs again")
        elif now != json.loads(own):
            done.append(f"the rule {found['Name']} was changed by someone else meanwhile, and stays as it is")
        return [*done, *super().put_back(lab, record)]


def _rule(lab: Lab) -> DescribeRuleResponseTypeDef:
    try:
        return lab.client("events").describe_rule(Name=lab.names.monitor_rule)
    except ClientError as error:
        if not is_gone(error):
            raise
        raise DrillError(f"the rule {lab.names.monitor_rule} is gone: run `fleet up --restart`") from error


def _without(pattern: str) -> Any:
    """Return an event pattern without the training jobs."""
    found = json.loads(pattern)
    return {**found, "$or": [one for one in found.get("$or", []) if JOBS not in one.get("source", [])]}


def _put(lab: Lab, found: DescribeRuleResponseTypeDef, pattern: str, state: Any) -> None:
    request: PutRuleRequestTypeDef = {
        "Name": found["Name"],
        "EventPattern": pattern,
        "State": state,
        "ScheduleExpression": found.get("ScheduleExpression", ""),
        "Description": found.get("Description", ""),
    }
    lab.client("events").put_rule(**request)
