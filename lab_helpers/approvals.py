"""A person's decision about one pipeline execution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lab_helpers import executions
from lab_helpers.display import in_notebook
from lab_helpers.executions import Action, Execution
from lab_helpers.lab import Lab
from lab_helpers.names import HUMAN_APPROVAL

if TYPE_CHECKING:
    from ipywidgets import VBox
    from mypy_boto3_codepipeline.literals import ApprovalStatusType

DECISIONS: dict[str, ApprovalStatusType] = {"approve": "Approved", "reject": "Rejected"}
"""The learner's word for each ApprovalStatus of CodePipeline PutApprovalResult."""


class NotWaitingError(RuntimeError):
    """The execution is not waiting for an approval."""


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

    Safe to repeat: an earlier decision stands. Raises ValueError for any other word.
    """
    if decision not in {"", *DECISIONS}:
        raise ValueError(f'{decision!r} is not a decision: use "approve", "reject" or "" (none yet)')
    was = outcome(execution, stage)
    if was != "waiting" or not decision:
        return was
    action, approval_token = token(lab, execution, stage)
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


def buttons(lab: Lab, execution: Execution) -> VBox | None:
    """Return buttons to approve and reject, or None where no one could press them."""
    if not in_notebook() or outcome(execution) != "waiting":
        return None
    import ipywidgets as widgets  # noqa: PLC0415 (only a notebook needs it)

    answer = widgets.Output()

    def press(decision: str) -> None:
        with answer:
            answer.clear_output()
            print(f"{decide(lab, execution, decision, 'decided in the notebook')}: now run the next cell")

    row = []
    for decision, style in (("approve", "success"), ("reject", "danger")):
        button = widgets.Button(description=decision.capitalize(), button_style=style)
        button.on_click(lambda _, decision=decision: press(decision))
        row.append(button)
    return widgets.VBox([widgets.HBox(row), answer])
