"""A drill that trains: an execution of the training pipeline with a zip file of its own.

Contract: CodePipeline StartPipelineExecution with a source revision of the type S3_OBJECT_KEY, which the
pipeline's Source action has to allow (User Guide, "Amazon S3 source action reference",
AllowOverrideForS3ObjectKey). The learner's `trainingjob.zip` and data stay as they are, and so does the
upload that starts the pipeline.
"""

from __future__ import annotations

import functools
import threading
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import approvals, executions, running
from lab_helpers.aws_errors import is_gone
from lab_helpers.drills.drill import Drill, DrillError, Sighting
from lab_helpers.drills.material import Material
from lab_helpers.endpoints import EndpointMissing, release
from lab_helpers.names import DEPLOY_DEV, DEPLOY_PRD, HUMAN_APPROVAL, TEST_DEV, TRAIN_APPROVAL
from lab_helpers.patience import Patience

if TYPE_CHECKING:
    from lab_helpers.drills.record import Record
    from lab_helpers.executions import Action, Execution
    from lab_helpers.lab import Lab

NOTICES = {
    "Train": "the launcher function",
    TRAIN_APPROVAL: "the monitor function",
    DEPLOY_DEV: "CloudFormation",
    TEST_DEV: "the tester function",
    DEPLOY_PRD: "CloudFormation",
}
"""Who stops an execution in each stage; in DeployApproval it is a person."""
COMMENT = "The drill has ended."
_NO_TARGET = {"UnableToRollbackStageException", "PipelineExecutionOutdatedException"}


class TrainingDrill(Drill):
    """Trains with changed material, and looks at who stops the execution."""

    def check(self, lab: Lab) -> None:
        """Raise DrillError if there is nothing to train with."""
        self.material(lab)

    @abstractmethod
    def material(self, lab: Lab) -> Material:
        """Return what it trains with. Raises DrillError if the learner's own material does not do."""

    def start(self, lab: Lab, record: Record) -> Record:
        """Upload the material and start the pipeline with it."""
        self.material(lab).upload(lab, record)
        return replace(record, execution=begin(lab, record))

    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return who has stopped the execution, or how far it is."""
        if not (execution_id := find(lab, record)):
            return Sighting("its execution has not started")
        return seen(executions.get(lab, lab.names.train_pipeline, execution_id))

    def put_back(self, lab: Lab, record: Record) -> list[str]:
        """End the execution, and let DEV and PRD serve what they served before."""
        execution_id = find(lab, record)
        if not execution_id:
            return ["nothing had started"]
        done = end(lab, execution_id)
        for stage, endpoint, before in (
            (DEPLOY_PRD, lab.names.prd_endpoint, record.prd),
            (DEPLOY_DEV, lab.names.dev_endpoint, record.dev),
        ):
            if serves(lab, endpoint) == execution_id:
                done.append(_back(lab, stage, endpoint, before))
        return done or ["nothing is left to put back: the execution has ended, and DEV and PRD are unchanged"]


def begin(lab: Lab, record: Record) -> str:
    """Start the training pipeline with the drill's zip, and return the execution."""
    started = lab.client("codepipeline").start_pipeline_execution(
        name=lab.names.train_pipeline,
        sourceRevisions=[
            {"actionName": "Source", "revisionType": "S3_OBJECT_KEY", "revisionValue": record.zip}
        ],
    )
    return started["pipelineExecutionId"]


def find(lab: Lab, record: Record) -> str:
    """Return the drill's execution; an interrupted start may have begun one that the record lacks."""
    if record.execution:
        return record.execution
    try:
        version = lab.client("s3").head_object(Bucket=lab.bucket, Key=record.zip).get("VersionId", "")
    except ClientError as error:
        if not is_gone(error) and error.response["Error"]["Code"] != "404":  # HeadObject has no body
            raise
        return ""
    listed = lab.client("codepipeline").list_pipeline_executions(
        pipelineName=lab.names.train_pipeline, maxResults=100
    )["pipelineExecutionSummaries"]
    return next(
        (
            one["pipelineExecutionId"]
            for one in listed
            if any(source.get("revisionId") == version for source in one.get("sourceRevisions", []))
        ),
        "",
    )


def seen(execution: Execution) -> Sighting:
    """Return who has stopped an execution, or how far it is."""
    failed = execution.failed_action
    if execution.status == "Stopped":  # nothing in the lab does that, except the end of a drill
        at = max((one.changed for one in execution.actions if one.changed), default=None)
        said = execution.reason or "no reason given"
        return Sighting(f"the execution was stopped: {said}", "a person", at, settled=True)
    if failed:
        by = NOTICES.get(failed.stage, f"a person ({person(failed)})")
        said = executions.first_line(failed.summary, 600) or "no reason given"
        return Sighting(f"stopped in {failed.stage}: {said}", by, failed.changed, settled=True)
    if execution.ended:
        released = execution.status == "Succeeded"
        said = "it was approved, and PRD serves it" if released else f"the execution is {execution.status}"
        return Sighting(said, settled=True, missed=released)
    return _under_way(execution)


def _under_way(execution: Execution) -> Sighting:
    now = next((one for one in reversed(execution.actions) if one.status), None)
    if now is None:
        return Sighting("the execution has begun")
    if now.stage == HUMAN_APPROVAL and now.waits_for_approval:
        return Sighting(f"nobody has stopped it: it waits for a decision in {HUMAN_APPROVAL}", settled=True)
    missed = now.stage == DEPLOY_PRD
    return Sighting(f"the execution is in {now.stage}", missed=missed)


def person(action: Action) -> str:
    """Return who decided, as the last part of their ARN says it: a user, or a role and its session."""
    return action.by.rpartition(":")[2].removeprefix("assumed-role/") or "unknown"


def serves(lab: Lab, endpoint: str) -> str:
    """Return the execution whose model an endpoint serves; empty if it serves nothing."""
    try:
        return release(lab, endpoint).execution_id
    except EndpointMissing:
        return ""


def idle(lab: Lab) -> None:
    """Raise DrillError unless the training pipeline allows drills and no execution is in progress."""
    codepipeline, pipeline = lab.client("codepipeline"), lab.names.train_pipeline
    try:
        declared = codepipeline.get_pipeline(name=pipeline)["pipeline"]
    except ClientError as error:
        if not is_gone(error):
            raise
        raise DrillError(f"the lab has no pipeline {pipeline}: deploy the lab first (`fleet up`)") from error
    source = declared["stages"][0]["actions"][0].get("configuration", {})
    if source.get("AllowOverrideForS3ObjectKey", "false").lower() != "true":
        raise DrillError(
            f"the pipeline {pipeline} is of an earlier version of the workshop, and takes no other zip file: "
            "an instructor updates the lab with `fleet up --restart`"
        )
    listed = codepipeline.list_pipeline_executions(pipelineName=pipeline, maxResults=100)
    for one in listed["pipelineExecutionSummaries"]:
        if one["status"] in {"InProgress", "Stopping"}:
            raise DrillError(_busy(executions.get(lab, pipeline, one["pipelineExecutionId"])))


def _busy(execution: Execution) -> str:
    if approvals.outcome(execution) == "waiting":
        return (
            f"execution {execution.id} waits for a decision in {HUMAN_APPROVAL}, and a drill would queue "
            f'behind it: run notebook 04 with execution_id = "{execution.id}" and approve or reject it first'
        )
    return (
        f"execution {execution.id} of {execution.pipeline} is in progress: start the drill when it has ended"
    )


# --- putting back


def until(look: Callable[[], bool], what: str) -> None:
    """Wait until something is so. Raises DrillError after half an hour."""
    patience = Patience(threading.Event())
    try:
        while not look():
            patience.pause(lambda: what)
    except TimeoutError as error:
        raise DrillError(f"{error}: end the drill again to wait longer") from error


def end(lab: Lab, execution_id: str) -> list[str]:
    """End an execution that is in progress, and wait until it has; a deployment is never abandoned."""
    pipeline, done = lab.names.train_pipeline, []

    def state() -> Execution:
        return executions.get(lab, pipeline, execution_id)

    while not (now := state()).ended:
        if approvals.outcome(now) == "waiting":
            approvals.decide(lab, now, "reject", COMMENT)
            done.append(f"execution {execution_id} was rejected in {HUMAN_APPROVAL}")
        elif any(one.stage == TRAIN_APPROVAL and one.waits_for_approval for one in now.actions):
            _stop(lab, execution_id, abandon=True)
            running.stop_training(lab.client("sagemaker"), lab.names.training_job(execution_id))
            done.append(f"execution {execution_id} and its training job were stopped")
        elif now.status == "InProgress":
            _stop(lab, execution_id, abandon=False)
            done.append(f"execution {execution_id} was stopped")
        until(
            functools.partial(_has_moved_on, state, now),
            f"execution {execution_id} of {pipeline} is still {now.status}",
        )
    return done


def _has_moved_on(state: Callable[[], Execution], last: Execution) -> bool:
    now = state()
    return now.ended or _statuses(now) != _statuses(last)


def _statuses(execution: Execution) -> tuple[str, list[str]]:
    return execution.status, [one.status for one in execution.actions]


def _stop(lab: Lab, execution_id: str, *, abandon: bool) -> None:
    try:
        lab.client("codepipeline").stop_pipeline_execution(
            pipelineName=lab.names.train_pipeline,
            pipelineExecutionId=execution_id,
            abandon=abandon,
            reason=COMMENT,
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in {
            "PipelineExecutionNotStoppableException",
            "DuplicatedStopRequestException",
        }:
            raise


def _back(lab: Lab, stage: str, endpoint: str, before: str) -> str:
    """Roll a stage back to the execution that its endpoint served before; return what was done."""
    left = f"{endpoint} still serves the drill's model"
    if not before:
        return f"{left}: it served nothing before. Train and release your own (notebooks 03 and 04)"
    pipeline = lab.names.train_pipeline
    try:
        started = lab.client("codepipeline").rollback_stage(
            pipelineName=pipeline, stageName=stage, targetPipelineExecutionId=before
        )["pipelineExecutionId"]
    except ClientError as error:
        if error.response["Error"]["Code"] not in _NO_TARGET:
            raise
        return f"{left} until the next release: {error.response['Error']['Message']}"
    until(
        lambda: (
            all(one.ended for one in executions.get(lab, pipeline, started).stage(stage))
            or executions.get(lab, pipeline, started).ended
        ),
        f"the rollback {started} of {stage} has not ended",
    )
    end(lab, started)  # AWS does not say whether a rollback goes on to the stages behind it
    if serves(lab, endpoint) != before:
        return f"{left}: the rollback {started} of {stage} did not succeed"
    return f"{endpoint} serves the model of {before} again"
