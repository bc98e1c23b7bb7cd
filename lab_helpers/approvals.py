"""A person's decision about one pipeline execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_helpers import executions
from lab_helpers.display import in_notebook
from lab_helpers.errors import WorkshopError
from lab_helpers.executions import Action, Execution
from lab_helpers.lab import Lab
from lab_helpers.names import HUMAN_APPROVAL

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.literals import ApprovalStatusType

DECISIONS: dict[str, ApprovalStatusType] = {"approve": "Approved", "reject": "Rejected"}
"""The learner's word for each ApprovalStatus of CodePipeline PutApprovalResult."""


class NotWaitingError(WorkshopError, RuntimeError):
    """The execution is not waiting for an approval."""


class DecisionError(WorkshopError, ValueError):
    """There is no such decision."""


def outcome(execution: Execution, stage: str = HUMAN_APPROVAL) -> str:
    """Return `approved`, `rejected`, `waiting`, or `""` if the execution has not reached `stage`."""
    statuses = {action.status for action in execution.stage(stage)}
    if "Failed" in statuses or "Abandoned" in statuses:
        return "rejected"
    if "InProgress" in statuses:
        return "waiting"
    return "approved" if "Succeeded" in statuses else ""


def token(lab: Lab, execution: Execution, stage: str = HUMAN_APPROVAL) -> tuple[Action, str]:
    """Return the waiting action of `stage` and its approval token.

    The token comes from the stage's state only while that stage holds *this* execution (GetPipelineState);
    raises NotWaitingError otherwise.
    """
    state = lab.client("codepipeline").get_pipeline_state(name=execution.pipeline)
    for found in state["stageStates"]:
        held = found.get("latestExecution", {}).get("pipelineExecutionId")
        if found["stageName"] != stage or held != execution.id:
            continue
        for action in found["actionStates"]:
            latest = action.get("latestExecution", {})
            if latest.get("status") == "InProgress" and latest.get("token"):
                return next(a for a in execution.stage(stage) if a.name == action["actionName"]), latest[
                    "token"
                ]
    raise NotWaitingError(
        f"execution {execution.id} is not waiting for an approval in {stage}. "
        "Follow it until it does; an execution that is already decided needs no second decision."
    )


def decide(lab: Lab, execution: Execution, decision: str, comment: str, stage: str = HUMAN_APPROVAL) -> str:
    """Carry out a decision (`approve`, `reject`, or `""` for none yet) and return the outcome.

    Safe to repeat: an earlier decision stands. Raises DecisionError for any other word, and
    NotWaitingError if the execution has gone on without a decision.
    """
    if decision not in {"", *DECISIONS}:
        raise DecisionError(f'{decision!r} is not a decision: use "approve", "reject" or "" (none yet)')
    was = outcome(execution, stage)
    if was != "waiting" or not decision:
        return was
    try:
        action, approval_token = token(lab, execution, stage)
    except NotWaitingError:  # decided since `execution` was read, or stopped
        now = outcome(executions.get(lab, execution.pipeline, execution.id), stage)
        if now in {"approved", "rejected"}:
            return now
        raise
    client = lab.client("codepipeline")
    try:
        client.put_approval_result(
            pipelineName=execution.pipeline,
            stageName=stage,
            actionName=action.name,
            result={"summary": comment[:512], "status": DECISIONS[decision]},
            token=approval_token,
        )
    except (
        client.exceptions.ApprovalAlreadyCompletedException,
        client.exceptions.InvalidApprovalTokenException,
    ):
        # Someone else decided first, in the console or in another notebook: that decision counts.
        return outcome(executions.get(lab, execution.pipeline, execution.id), stage)
    return DECISIONS[decision].lower()


def buttons(lab: Lab, execution: Execution) -> object | None:
    """Return buttons to approve and reject, to be displayed; None where no one could press them.

    If nothing is left to decide by now, says what was decided instead.
    """
    now = executions.get(lab, execution.pipeline, execution.id)
    if outcome(now) != "waiting":
        print(f"Nothing to decide: execution {now.id} is {outcome(now) or now.status}.")
        return None
    if not in_notebook():
        return None
    from lab_helpers.decision import Decision  # noqa: PLC0415 (only this needs ipywidgets)

    return Decision(lab, now)
