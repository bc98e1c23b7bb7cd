"""End what an interrupted run left in the training pipeline: the next run would wait behind it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import console

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient

REASON = "A new run of the notebooks has started."
_UNDER_WAY = {"InProgress", "Stopping"}


@dataclass(frozen=True)
class Approval:
    """An approval that waits for an answer; PutApprovalResult needs the `token`."""

    stage: str
    action: str
    token: str


def end_earlier_executions(
    codepipeline: CodePipelineClient, pipeline: str, report: Callable[[str], None], timeout: float = 600
) -> int:
    """Stop every running execution of `pipeline`, and reject the approvals that they wait for.

    Running actions are left to finish (CodePipeline StopPipelineExecution without `abandon`), so that no
    stack is left half deployed. Returns the number of executions; raises TimeoutError.
    """
    found: set[str] = set()
    deadline = time.monotonic() + timeout
    while waiting := _under_way(codepipeline, pipeline):
        for execution in waiting - found:
            report(f"ending execution {execution} of an earlier run")
            _stop(codepipeline, pipeline, execution)
        found |= waiting
        for approval in _approvals(codepipeline, pipeline, waiting):
            _reject(codepipeline, pipeline, approval)
        if time.monotonic() > deadline:
            raise TimeoutError(
                f"{pipeline}: {', '.join(sorted(waiting))} did not end within {timeout:.0f} s. "
                "Stop them with `aws codepipeline stop-pipeline-execution`, then run the same command again; "
                f"{console.of(codepipeline).pipeline(pipeline)} shows what they do"
            )
        time.sleep(0.3)
    return len(found)


def _under_way(codepipeline: CodePipelineClient, pipeline: str) -> set[str]:
    executions: set[str] = set()
    try:
        for page in codepipeline.get_paginator("list_pipeline_executions").paginate(pipelineName=pipeline):
            executions |= {
                one["pipelineExecutionId"]
                for one in page["pipelineExecutionSummaries"]
                if one["status"] in _UNDER_WAY
            }
    except ClientError as error:
        if error.response["Error"]["Code"] != "PipelineNotFoundException":
            raise
    return executions


def _stop(codepipeline: CodePipelineClient, pipeline: str, execution: str) -> None:
    try:
        codepipeline.stop_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution, abandon=False, reason=REASON
        )
    except ClientError as error:
        # It has ended in the meantime, or is already being stopped.
        if error.response["Error"]["Code"] not in {
            "PipelineExecutionNotStoppableException",
            "DuplicatedStopRequestException",
        }:
            raise


def _approvals(codepipeline: CodePipelineClient, pipeline: str, executions: set[str]) -> Iterator[Approval]:
    for stage in codepipeline.get_pipeline_state(name=pipeline)["stageStates"]:
        if stage.get("latestExecution", {}).get("pipelineExecutionId") not in executions:
            continue
        for action in stage["actionStates"]:
            latest = action.get("latestExecution", {})
            if latest.get("status") == "InProgress" and latest.get("token"):
                yield Approval(stage["stageName"], action["actionName"], latest["token"])


def _reject(codepipeline: CodePipelineClient, pipeline: str, approval: Approval) -> None:
    try:
        codepipeline.put_approval_result(
            pipelineName=pipeline,
            stageName=approval.stage,
            actionName=approval.action,
            token=approval.token,
            result={"summary": REASON, "status": "Rejected"},
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in {
            "ApprovalAlreadyCompletedException",
            "InvalidApprovalTokenException",
        }:
            raise
