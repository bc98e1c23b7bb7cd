"""Pipeline executions: which one a change started, how far it has got, and why it failed.

Everything is looked up by pipeline execution id, so that two executions in flight are never mixed up.
Contract: CodePipeline ListPipelineExecutions, ListActionExecutions, GetPipelineState, GetPipeline.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import console, failures, source_zip
from lab_helpers.display import Table, Tabular, duration, mark, ticking
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import tick
from lab_helpers.names import HUMAN_APPROVAL, TRAIN_APPROVAL
from lab_helpers.watched import Watched

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import (
        ActionDeclarationOutputTypeDef,
        ActionExecutionDetailTypeDef,
        PipelineExecutionSummaryTypeDef,
        StageDeclarationOutputTypeDef,
    )

ENDED = {"Succeeded", "Failed", "Stopped", "Cancelled", "Superseded"}
"""Final states of a pipeline execution (PipelineExecutionStatus)."""


WAITS = {
    TRAIN_APPROVAL: "the monitor waits for the training job",
    HUMAN_APPROVAL: "you decide, in notebook 04",
}
"""What a stage with an approval waits for."""


class ExecutionFailed(WorkshopError, RuntimeError):  # noqa: N818 (CodePipeline's own word)
    """A pipeline execution did not succeed; the message has the cause, stage, action and what to do next."""


class ExecutionNotFound(WorkshopError, LookupError):  # noqa: N818
    """No execution started for this commit or upload."""


class ExecutionBlocked(WorkshopError, RuntimeError):  # noqa: N818
    """The execution waits behind another one, which waits for a decision."""


class StillInProgress(WorkshopError, TimeoutError):  # noqa: N818
    """The execution is taking longer than the caller wants to wait; it continues by itself."""


@dataclass(frozen=True)
class Action:
    """One action of an execution; `status` is empty until it starts."""

    stage: str
    name: str
    category: str
    provider: str
    status: str = ""
    began: datetime | None = None
    changed: datetime | None = None
    summary: str = ""
    external_id: str = ""
    variables: tuple[tuple[str, str], ...] = ()
    by: str = ""
    """ARN of whoever changed it last, such as the person who decided (ActionExecutionDetail, updatedBy)."""

    @property
    def waits_for_approval(self) -> bool:
        """Whether the execution continues only when a person or the monitor answers."""
        return self.category == "Approval" and self.status == "InProgress"

    @property
    def ended(self) -> bool:
        """Whether it has run and is over."""
        return self.status not in {"", "InProgress"}

    @property
    def waits_for(self) -> str:
        """Who has to answer, while the action waits for an approval; empty otherwise."""
        return WAITS.get(self.stage, "someone has to approve it") if self.waits_for_approval else ""

    def seconds(self, now: datetime) -> float | None:
        """Seconds from start to end, or until `now` while it is running."""
        if self.began is None:
            return None
        end = now if self.status == "InProgress" else self.changed or now
        return max((end - self.began).total_seconds(), 0.0)


@dataclass(frozen=True, repr=False)
class Execution(Tabular):
    """A pipeline execution with all its actions in the pipeline's order."""

    pipeline: str
    id: str
    status: str
    reason: str
    actions: tuple[Action, ...]

    def stage(self, name: str) -> list[Action]:
        """Return the actions of one stage."""
        return [action for action in self.actions if action.stage == name]

    def began(self, stage: str) -> bool:
        """Return whether any action of this stage has started."""
        return any(action.status for action in self.stage(stage))

    def variables(self, stage: str) -> dict[str, str]:
        """Return the output variables of the actions of one stage."""
        return dict(pair for action in self.stage(stage) for pair in action.variables)

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in ENDED

    @property
    def failed_action(self) -> Action | None:
        """The action that failed the execution, if any."""
        return next((a for a in self.actions if a.status in {"Failed", "Abandoned"}), None)

    @property
    def rejected(self) -> bool:
        """Whether it ended because an approval was rejected."""
        return self.failed_action is not None and self.failed_action.category == "Approval"

    def table(self, now: datetime | None = None, doing: Mapping[tuple[str, str], str] | None = None) -> Table:
        """Show stage, action, state, duration and summary of every action.

        With `now`, running actions have the time since their start; `doing` says by stage and action what to
        show for those that have not ended.
        """
        rows = []
        for action in self.actions:
            state = "Waiting" if action.waits_for_approval else action.status
            shown = said = ""
            if action.ended:
                shown = duration(action.seconds(now or datetime.now(UTC)))
                said = first_line(action.summary)
            else:
                if now and action.status:
                    shown = ticking(action.seconds(now) or 0)
                said = (doing or {}).get((action.stage, action.name), action.waits_for)
            rows.append([action.stage, action.name, mark(state), shown, said])
        return Table(
            ["stage", "action", "state", "duration", "summary"],
            rows,
            caption=f"{self.pipeline}, execution {self.id}: {self.status}",
        )


def first_line(text: str, limit: int = 90) -> str:
    """Shorten a text to its first line and at most `limit` characters."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def newest(lab: Lab, pipeline: str) -> str:
    """Return the id of the execution that started last; raises ExecutionNotFound if there is none.

    A pipeline runs once when it is created, before there is anything to train with or to build: that run is
    no one's.
    """
    found = _summaries(lab, pipeline, 1)
    if not found or found[0].get("trigger", {}).get("triggerType") == "CreatePipeline":
        raise ExecutionNotFound(
            f"pipeline {pipeline} has not run yet: run the notebook before this one first"
        )
    return found[0]["pipelineExecutionId"]


def _summaries(lab: Lab, pipeline: str, most: int) -> list[PipelineExecutionSummaryTypeDef]:
    """Return a pipeline's newest executions; raises ExecutionNotFound if there is no such pipeline."""
    client = lab.client("codepipeline")
    try:
        answer = client.list_pipeline_executions(pipelineName=pipeline, maxResults=most)
    except client.exceptions.PipelineNotFoundException as error:
        raise ExecutionNotFound(
            f"pipeline {pipeline} does not exist: it was deleted, for example by notebook 99.\n"
            "What to do: go back to the start of a notebook, which makes it again (notebook 00, "
            '`go_back_to = "01"`), or stop and start the notebook instance.'
        ) from error
    return answer["pipelineExecutionSummaries"]


def started_by(
    lab: Lab,
    pipeline: str,
    revision: str,
    *,
    timeout: float = 180,
    retry_failed: bool = False,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return the id of the newest execution that a commit id or S3 version id started.

    A commit pushed to the bucket (`Lab.source_in_bucket`) is identified by the zip file that the push wrote.

    Events arrive within seconds, so this waits at most `timeout` seconds and then raises ExecutionNotFound.
    With `retry_failed`, a revision whose execution has already failed is released again
    (StartPipelineExecution): a learner who runs the cell again wants that.
    """
    client = lab.client("codepipeline")
    deadline = time.monotonic() + timeout
    interval = 0.1

    @functools.cache
    def made_of(found: str) -> bool:
        return found == revision or (lab.source_in_bucket and _zip_of(lab, pipeline, revision, found))

    while True:
        summaries = _summaries(lab, pipeline, 50)
        for summary in summaries:
            if any(made_of(r["revisionId"]) for r in summary.get("sourceRevisions", []) if "revisionId" in r):
                if retry_failed and summary["status"] in ENDED - {"Succeeded"}:
                    ended = f"{summary['pipelineExecutionId']} ended {summary['status']}"
                    print(f"Execution {ended}; releasing the change again.")
                    return str(client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"])
                return str(summary["pipelineExecutionId"])
        if time.monotonic() > deadline:
            known = ", ".join(s["pipelineExecutionId"] for s in summaries[:3]) or "none"
            page = console.of(client)
            raise ExecutionNotFound(
                f"no execution of {pipeline} started for {revision} within {duration(timeout)}.\n"
                f"The newest are: {known}.\n"
                "What to do: an event rule starts it; check in the console that the rule is enabled "
                f"({page.rules()}) and that its deliveries arrive. "
                f"`aws codepipeline start-pipeline-execution --name {pipeline}` starts it by hand "
                f"({page.pipeline(pipeline)})."
            )
        sleep(interval)
        interval = min(interval * 1.5, 5)


def _zip_of(lab: Lab, pipeline: str, commit: str, version: str) -> bool:
    """Return whether a version of an image pipeline's source zip file holds this commit."""
    branches = {
        lab.names.base_pipeline: lab.names.base_branch,
        lab.names.model_pipeline: lab.names.model_branch,
    }
    if pipeline not in branches:
        return False
    key = source_zip.key(branches[pipeline])
    try:
        found = lab.client("s3").head_object(Bucket=lab.bucket, Key=key, VersionId=version)
    except ClientError:  # the version has been deleted
        return False
    return source_zip.is_of(found, commit)


def get(
    lab: Lab,
    pipeline: str,
    execution_id: str,
    *,
    stages: Sequence[StageDeclarationOutputTypeDef] | None = None,
) -> Execution:
    """Return an execution's current state; raises ExecutionNotFound if the pipeline has none with this id.

    `stages` are the pipeline's, if they are known (GetPipeline).
    """
    client = lab.client("codepipeline")
    try:
        head = client.get_pipeline_execution(pipelineName=pipeline, pipelineExecutionId=execution_id)
    except client.exceptions.PipelineExecutionNotFoundException as error:
        raise ExecutionNotFound(
            f"pipeline {pipeline} has no execution {execution_id!r}: leave execution_id empty for the newest"
        ) from error
    details = [
        detail
        for page in client.get_paginator("list_action_executions").paginate(
            pipelineName=pipeline, filter={"pipelineExecutionId": execution_id}
        )
        for detail in page["actionExecutionDetails"]
    ]
    # The newest run of an action comes first; a retried stage has several.
    latest: dict[tuple[str, str], ActionExecutionDetailTypeDef] = {}
    for detail in sorted(details, key=lambda d: d["startTime"]):
        latest[detail["stageName"], detail["actionName"]] = detail
    declared = _stages(lab, pipeline) if stages is None else stages
    execution = head["pipelineExecution"]
    return Execution(
        pipeline=pipeline,
        id=execution_id,
        status=execution["status"],
        reason=execution.get("statusSummary", ""),
        actions=tuple(
            _action(stage["name"], action, latest.get((stage["name"], action["name"])))
            for stage in declared
            for action in stage["actions"]
        ),
    )


def _stages(lab: Lab, pipeline: str) -> list[StageDeclarationOutputTypeDef]:
    return lab.client("codepipeline").get_pipeline(name=pipeline)["pipeline"]["stages"]


def _action(
    stage: str, declared: ActionDeclarationOutputTypeDef, detail: ActionExecutionDetailTypeDef | None
) -> Action:
    kind = declared["actionTypeId"]
    if detail is None:
        return Action(stage, declared["name"], kind["category"], kind["provider"])
    output = detail.get("output", {})
    result = output.get("executionResult", {})
    error = result.get("errorDetails", {})
    return Action(
        stage=stage,
        name=declared["name"],
        category=kind["category"],
        provider=kind["provider"],
        status=detail["status"],
        began=detail.get("startTime"),
        changed=detail.get("lastUpdateTime"),
        summary=_said(kind["category"], error.get("message", ""), result.get("externalExecutionSummary", "")),
        external_id=result.get("externalExecutionId", ""),
        variables=tuple(output.get("outputVariables", {}).items()),
        by=detail.get("updatedBy", ""),
    )


def _said(category: str, error: str, summary: str) -> str:
    """Return what an action says of itself: of a rejection what was answered, else an error before a summary.

    What is answered to an approval is its summary; the monitor's begins with the decision.
    """
    if category == "Approval" and error and summary:
        return summary if summary.startswith("rejected") else f"rejected: {summary}"
    return error or summary


def follow(
    lab: Lab,
    pipeline: str,
    execution_id: str,
    *,
    until: str = "",
    rejected_too: bool = False,
    timeout: float = 3600,
    sleep: Callable[[float], None] = time.sleep,
) -> Execution:
    """Show the progress of an execution until it ends, or until the stage `until` has started.

    Returns the execution in its state at that time; with `rejected_too` also one that an approval has
    rejected, for a caller that shows why. Raises ExecutionFailed with the cause and what to do if it ends
    before that and has not succeeded; ExecutionBlocked if it cannot continue before another execution is
    decided; StillInProgress after `timeout` seconds; Interrupted if the learner stops the cell.
    """
    stages = _stages(lab, pipeline)
    watched = Watched(lab, lambda: get(lab, pipeline, execution_id, stages=stages))
    began = time.monotonic()
    try:
        while True:
            execution = watched.look()
            if (until and execution.began(until)) or execution.status == "Succeeded":
                break
            if execution.ended:
                if rejected_too and execution.rejected:
                    break
                raise ExecutionFailed(failures.explain(lab, execution))
            _raise_if_blocked(lab, execution)
            waiting = time.monotonic() - began
            if waiting > timeout:
                raise StillInProgress(
                    f"execution {execution_id} of {pipeline} is still in progress after {duration(timeout)}; "
                    "it continues by itself: run this cell again to follow it."
                )
            # Short work is noticed at once; long work is polled less often, well within the API's rate.
            tick(min(0.2 + waiting / 40, 5), watched.show, sleep)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted: execution {execution_id} continues by itself. Run this cell again to follow it."
        ) from None
    finally:
        watched.settle()
    return execution


def _raise_if_blocked(lab: Lab, execution: Execution) -> None:
    if any(action.status == "InProgress" for action in execution.actions):
        return
    if other := _blocked_by(lab, execution):
        raise ExecutionBlocked(
            f"execution {execution.id} waits behind {other}, which waits for a decision "
            f"in {HUMAN_APPROVAL}.\nWhat to do: run notebook 04 with "
            f'execution_id = "{other}" and approve or reject that one first.'
        )


def _blocked_by(lab: Lab, execution: Execution) -> str:
    """Return the execution that holds the human approval stage in front of this one (GetPipelineState)."""
    for stage in lab.client("codepipeline").get_pipeline_state(name=execution.pipeline)["stageStates"]:
        if stage["stageName"] != HUMAN_APPROVAL:
            continue
        inbound = [stage.get("inboundExecution", {}), *stage.get("inboundExecutions", [])]
        holder = stage.get("latestExecution", {})
        if holder.get("status") == "InProgress" and any(
            i.get("pipelineExecutionId") == execution.id for i in inbound
        ):
            return str(holder["pipelineExecutionId"])
    return ""
