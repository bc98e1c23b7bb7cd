"""UpdatePipeline while executions are in progress: they are cancelled, as the API documents."""

from typing import Any

import pytest

from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab

pytestmark = pytest.mark.slow


def update(lab: PipelineLab, name: str, stage: str = "Gate") -> None:
    """Save the pipeline again, with another name for its last stage."""
    pipeline = lab.api.get_pipeline(name=name)["pipeline"]
    pipeline["stages"][-1]["name"] = stage
    lab.api.update_pipeline(pipeline=pipeline)


def build_that_waits(lab: PipelineLab) -> dict[str, Any]:
    project = lab.project("version: 0.2\nphases: {build: {commands: [sleep 60]}}")
    return declare.action(
        "Build", "Build", "CodeBuild", inputs=["Src"], configuration={"ProjectName": project}
    )


@pytest.mark.parametrize("stage", ["Gate", "Renamed"])
def test_an_execution_that_waits_for_an_approval_is_cancelled(lab: PipelineLab, stage: str) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    token = lab.pending(name, "Gate", execution)
    update(lab, name, stage)
    assert lab.execution(name, execution)["status"] == "Cancelled"
    assert lab.actions(name, execution)["Approve"]["status"] == "Abandoned"
    refusals = (
        lab.api.exceptions.ApprovalAlreadyCompletedException,
        lab.api.exceptions.StageNotFoundException,
    )
    with pytest.raises(refusals):
        lab.answer(name, "Gate", token)
    following = lab.start(name)
    lab.answer(name, stage, lab.pending(name, stage, following))
    assert lab.ended(name, following)["status"] == "Succeeded"
    assert lab.execution(name, following)["pipelineVersion"] == 2


def test_a_running_action_ends_before_its_execution_is_cancelled(lab: PipelineLab) -> None:
    build = declare.stage("Build", build_that_waits(lab))
    name = lab.quiet(lab.source(), build, declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    running, waiting = lab.start(name), lab.start(name)
    build_id = lab.eventually(
        lambda: (
            lab.actions(name, running)
            .get("Build", {})
            .get("output", {})
            .get("executionResult", {})
            .get("externalExecutionId")
        )
    )
    lab.eventually(lambda: lab.state(name, "Build").get("inboundExecution"))
    update(lab, name)
    assert lab.execution(name, waiting)["status"] == "Cancelled"
    assert lab.execution(name, running)["status"] == "InProgress"
    lab.client("codebuild").stop_build(id=build_id)
    assert lab.ended(name, running)["status"] == "Cancelled"
    assert lab.state(name, "Build")["latestExecution"]["status"] == "Cancelled"
    assert "latestExecution" not in lab.state(name, "Gate")


def test_a_stage_cannot_be_retried_after_its_pipeline_was_updated(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    lab.upload({"a.txt": "a"})
    execution = lab.start(name)
    lab.answer(name, "Gate", lab.pending(name, "Gate", execution), "Rejected")
    lab.ended(name, execution)
    update(lab, name)
    with pytest.raises(lab.api.exceptions.StageNotRetryableException):
        lab.api.retry_stage_execution(
            pipelineName=name, stageName="Gate", pipelineExecutionId=execution, retryMode="FAILED_ACTIONS"
        )
    assert lab.execution(name, execution)["status"] == "Failed"


def test_a_stage_that_was_removed_leaves_no_disabled_transition(lab: PipelineLab) -> None:
    name = lab.quiet(lab.source(), declare.stage("Gate", declare.approval()))
    where = {"pipelineName": name, "stageName": "Gate", "transitionType": "Inbound"}
    lab.api.disable_stage_transition(**where, reason="freeze")
    update(lab, name, "Gate")
    assert not lab.state(name, "Gate")["inboundTransitionState"]["enabled"]
    update(lab, name, "Other")
    update(lab, name, "Gate")
    assert lab.state(name, "Gate")["inboundTransitionState"]["enabled"]
