"""Pipeline executions: which one a change started, how far it has got, and why it failed.

Everything is looked up by pipeline execution id, so that two executions in flight are never mixed up.
Contract: CodePipeline ListPipelineExecutions, ListActionExecutions, GetPipelineState, GetPipeline.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import builds, source_zip
from lab_helpers.display import Live, Table, duration, mark
from lab_helpers.lab import Lab
from lab_helpers.names import HUMAN_APPROVAL

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionDeclarationOutputTypeDef, ActionExecutionDetailTypeDef

ENDED = {"Succeeded", "Failed", "Stopped", "Cancelled", "Superseded"}
"""Final states of a pipeline execution (PipelineExecutionStatus)."""


class ExecutionFailed(RuntimeError):  # noqa: N818 (CodePipeline's own word)
    """A pipeline execution did not succeed; the message names stage, action, reason and what to do next."""


class ExecutionNotFound(LookupError):  # noqa: N818
    """No execution started for this commit or upload."""


class ExecutionBlocked(RuntimeError):  # noqa: N818
    """The execution waits behind another one, which waits for a decision."""


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

    @property
    def waits_for_approval(self) -> bool:
        """Whether the execution continues only when a person or the monitor answers."""
        return self.category == "Approval" and self.status == "InProgress"

    def seconds(self, now: datetime) -> float | None:
        """Seconds from start to end, or until `now` while it is running."""
        if self.began is None:
            return None
        end = now if self.status == "InProgress" else self.changed or now
        return max((end - self.began).total_seconds(), 0.0)


@dataclass(frozen=True, repr=False)
class Execution:
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
    def failed_action(self) -> Action | None:
        """The action that failed the execution, if any."""
        return next((a for a in self.actions if a.status in {"Failed", "Abandoned"}), None)

    def table(self, now: datetime | None = None) -> Table:
        """Show stage, action, state and seconds of every action."""
        now = now or datetime.now(UTC)
        rows = []
        for action in self.actions:
            state = "Waiting" if action.waits_for_approval else action.status
            shown = duration(action.seconds(now)) if action.status != "InProgress" else ""
            rows.append([action.stage, action.name, mark(state), shown, first_line(action.summary)])
        return Table(
            ["stage", "action", "state", "duration", "summary"],
            rows,
            caption=f"{self.pipeline}, execution {self.id}: {self.status}",
        )

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()

    def __repr__(self) -> str:
        return repr(self.table())


def first_line(text: str, limit: int = 90) -> str:
    """Shorten a text to its first line and at most `limit` characters."""
    line = text.strip().split("\n", 1)[0]
    return line if len(line) <= limit else line[: limit - 1] + "…"


def newest(lab: Lab, pipeline: str) -> str:
    """Return the id of the execution that started last; raises ExecutionNotFound if there is none."""
    found = lab.client("codepipeline").list_pipeline_executions(pipelineName=pipeline, maxResults=1)
    if not found["pipelineExecutionSummaries"]:
        raise ExecutionNotFound(
            f"pipeline {pipeline} has not run yet: run the notebook before this one first"
        )
    return str(found["pipelineExecutionSummaries"][0]["pipelineExecutionId"])


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
        summaries = client.list_pipeline_executions(pipelineName=pipeline, maxResults=50)[
            "pipelineExecutionSummaries"
        ]
        for summary in summaries:
            if any(made_of(r["revisionId"]) for r in summary.get("sourceRevisions", []) if "revisionId" in r):
                if retry_failed and summary["status"] in ENDED - {"Succeeded"}:
                    ended = f"{summary['pipelineExecutionId']} ended {summary['status']}"
                    print(f"Execution {ended}; releasing the change again.")
                    return str(client.start_pipeline_execution(name=pipeline)["pipelineExecutionId"])
                return str(summary["pipelineExecutionId"])
        if time.monotonic() > deadline:
            known = ", ".join(s["pipelineExecutionId"] for s in summaries[:3]) or "none"
            raise ExecutionNotFound(
                f"no execution of {pipeline} started for {revision} within {duration(timeout)}.\n"
                f"The newest are: {known}.\n"
                "What to do: look at the pipeline in the console. An event rule starts it: check that the "
                "rule is enabled. `Release change` in the console starts the pipeline by hand."
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


def get(lab: Lab, pipeline: str, execution_id: str) -> Execution:
    """Return an execution's current state; raises ExecutionNotFound if the pipeline has none with this id."""
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
    declared = client.get_pipeline(name=pipeline)["pipeline"]["stages"]
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
        summary=error.get("message") or result.get("externalExecutionSummary") or "",
        external_id=result.get("externalExecutionId", ""),
        variables=tuple(output.get("outputVariables", {}).items()),
    )


def follow(
    lab: Lab,
    pipeline: str,
    execution_id: str,
    *,
    until: str = "",
    timeout: float = 3600,
    sleep: Callable[[float], None] = time.sleep,
) -> Execution:
    """Show the progress of an execution until it ends, or until the stage `until` has started.

    Returns the execution in its state at that time. Raises ExecutionFailed with stage, action, reason and
    the last log lines if it ends before that and has not succeeded; ExecutionBlocked if it cannot continue
    before another execution is decided; TimeoutError after `timeout` seconds.
    """
    live, began = Live(), time.monotonic()
    while True:
        execution = get(lab, pipeline, execution_id)
        live.show(execution.table())
        if until and execution.began(until):
            return execution
        if execution.status == "Succeeded":
            return execution
        if execution.status in ENDED:
            raise ExecutionFailed(explain(lab, execution))
        waiting = time.monotonic() - began
        if not any(action.status == "InProgress" for action in execution.actions):
            other = _blocked_by(lab, execution)
            if other:
                raise ExecutionBlocked(
                    f"execution {execution_id} waits behind {other}, which waits for a decision "
                    f"in {HUMAN_APPROVAL}.\nWhat to do: run notebook 04 with "
                    f'execution_id = "{other}" and approve or reject that one first.'
                )
        if waiting > timeout:
            raise TimeoutError(
                f"execution {execution_id} of {pipeline} is still in progress after {duration(timeout)}; "
                "it continues by itself: run this cell again to follow it."
            )
        # Short work is noticed at once; long work is polled less often, well within the API's rate.
        interval = min(0.2 + waiting / 40, 5)
        sleep(interval)


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


REMEDIES = {
    "CodeCommit": "check that the branch exists and the pipeline's role is allowed to read it; push again.",
    "S3": "upload the zip again: notebook 03 does it.",
    "CodeBuild": "correct the file that the log names, then run the cells that write, copy and push it.",
    "Lambda": "correct what the message names, then upload the training job again (notebook 03).",
    "Manual": "read the report that the approval links to; change data or hyperparameters and train again.",
    "CloudFormation": "read the stack's events, correct the template, then upload the training job again.",
}
"""What to do next, by action provider."""


def explain(lab: Lab, execution: Execution) -> str:
    """Return which action of a failed execution failed, why, what it logged last and what to do next."""
    heading = f"Execution {execution.id} of {execution.pipeline} ended: {execution.status}."
    action = execution.failed_action
    if action is None:
        reason = execution.reason or "none of its actions failed"
        return f"{heading}\n  reason: {reason}\n  What to do: start it again with a new push or upload."
    lines = [heading, f"  stage {action.stage}, action {action.name} ({action.provider})"]
    if action.summary or execution.reason:
        lines.append(f"  reason: {action.summary or execution.reason}")
    if action.provider == "CodeBuild" and action.external_id:
        build = builds.describe(lab, action.external_id)
        if build.failure:
            lines.append(f"  build {build.id}: {build.failure}")
        lines += ["  last lines of its log:", *(f"  | {line}" for line in builds.log_lines(lab, build, 25))]
    if action.provider == "CloudFormation":
        lines += [f"  | {line}" for line in stack_failures(lab, action.external_id)]
    lines.append(f"  What to do: {REMEDIES.get(action.provider, 'look at the action in the console.')}")
    return "\n".join(lines)


def stack_failures(lab: Lab, stack_id: str) -> list[str]:
    """Return what failed in a stack's latest operation, root cause first (DescribeStackEvents)."""
    # In some action modes this is a change set's id instead of the stack's.
    if ":stack/" not in stack_id:
        return []
    events = lab.client("cloudformation").describe_stack_events(StackName=stack_id)["StackEvents"]
    failures = []
    for event in events:  # newest first
        status = event.get("ResourceStatus", "")
        if status.endswith("_FAILED"):
            why = event.get("ResourceStatusReason", "")
            failures.append(f"{event['LogicalResourceId']} {status}: {why}")
        if event["LogicalResourceId"] == event["StackName"] and status in {
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        }:
            break
    return failures[::-1]
