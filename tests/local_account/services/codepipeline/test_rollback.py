"""Stage rollback: one stage runs again with what an earlier execution had there."""

from typing import Any

import pytest

from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.refusing import code_and_message

pytestmark = pytest.mark.slow


def gates(lab: PipelineLab, **members: Any) -> str:
    """Create a pipeline with two approvals, which tell the version of the source and of a variable."""
    configuration = {"CustomData": "#{Source.VersionId} #{variables.who} #{codepipeline.PipelineExecutionId}"}
    return lab.quiet(
        lab.source(namespace="Source"),
        declare.stage("Gate", declare.approval(configuration=configuration)),
        declare.stage("Last", declare.approval()),
        variables=[{"name": "who", "defaultValue": "nobody"}],
        **members,
    )


def through(lab: PipelineLab, name: str, *stages: str, who: str = "Ana") -> str:
    """Start an execution and approve stages; return its id."""
    execution = lab.start(name, variables=[{"name": "who", "value": who}])
    for stage in stages:
        lab.answer(name, stage, lab.pending(name, stage, execution))
    return execution


def test_a_stage_runs_again_with_the_source_and_the_variables_of_the_target(lab: PipelineLab) -> None:
    name = gates(lab)
    first_version = lab.upload({"a.txt": "1"})
    first = through(lab, name, "Gate", "Last", who="Ana")
    lab.ended(name, first)
    lab.upload({"a.txt": "2"})
    second = through(lab, name, "Gate", "Last", who="Ben")
    lab.ended(name, second)

    rollback = lab.api.rollback_stage(pipelineName=name, stageName="Gate", targetPipelineExecutionId=first)[
        "pipelineExecutionId"
    ]
    token = lab.pending(name, "Gate", rollback)
    assert lab.state(name, "Gate")["latestExecution"] == {
        "pipelineExecutionId": rollback, "status": "InProgress", "type": "ROLLBACK",
    }  # fmt: skip
    details = lab.actions(name, rollback)
    assert set(details) == {"Approve"}
    data = details["Approve"]["input"]["resolvedConfiguration"]["CustomData"]
    assert data == f"{first_version} Ana {rollback}"
    lab.answer(name, "Gate", token)
    ended = lab.ended(name, rollback)
    assert (ended["status"], ended["executionType"]) == ("Succeeded", "ROLLBACK")
    assert ended["rollbackMetadata"] == {"rollbackTargetPipelineExecutionId": first}
    assert ended["trigger"]["triggerType"] == "ManualRollback"
    assert [one["revisionId"] for one in ended["artifactRevisions"]] == [first_version]
    assert ended["variables"] == [{"name": "who", "resolvedValue": "Ana"}]
    assert set(lab.actions(name, rollback)) == {"Approve"}
    newest = lab.executions(name)[0]
    assert (newest["pipelineExecutionId"], newest["executionType"]) == (rollback, "ROLLBACK")
    assert newest["rollbackMetadata"]["rollbackTargetPipelineExecutionId"] == first
    assert lab.executions(name)[1]["executionType"] == "STANDARD"

    code, words = code_and_message(
        lab.api.rollback_stage, pipelineName=name, stageName="Gate", targetPipelineExecutionId=rollback
    )
    assert code == "UnableToRollbackStageException"
    assert "is a rollback itself" in words


def test_what_cannot_be_rolled_back_says_why(lab: PipelineLab) -> None:
    name = gates(lab)
    lab.upload({"a.txt": "1"})
    done = through(lab, name, "Gate", "Last")
    lab.ended(name, done)
    running = through(lab, name, "Gate")
    lab.pending(name, "Last", running)

    def said(stage: str, target: str) -> tuple[str, str]:
        return code_and_message(
            lab.api.rollback_stage, pipelineName=name, stageName=stage, targetPipelineExecutionId=target
        )

    unable = "UnableToRollbackStageException"
    for stage, target, words in (
        ("Source", done, "it is the source stage"),
        ("Last", running, "did not succeed in it (InProgress)"),
        ("Last", done, f"the execution {running} is in it"),
    ):
        code, text = said(stage, target)
        assert (code, words in text) == (unable, True), text
    assert said("Nowhere", done)[0] == "StageNotFoundException"
    assert said("Gate", done.replace(done[0], "0", 1)[:-1] + "0")[0] == "PipelineExecutionNotFoundException"
    gate = {"pipelineName": name, "filter": {"succeededInStage": {"stageName": "Last"}}}
    listed = lab.api.list_pipeline_executions(**gate)["pipelineExecutionSummaries"]
    assert [one["pipelineExecutionId"] for one in listed] == [done]
    declaration = lab.api.get_pipeline(name=name)["pipeline"]
    lab.api.update_pipeline(pipeline=declaration)
    assert lab.api.list_pipeline_executions(**gate)["pipelineExecutionSummaries"] == []
    assert said("Gate", done)[0] == "PipelineExecutionOutdatedException"


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"executionMode": "PARALLEL"}, "not available for the execution mode PARALLEL"),
        ({"pipelineType": "V1", "executionMode": "SUPERSEDED"}, "needs pipelineType V2"),
    ],
)
def test_stage_rollback_needs_the_type_v2_and_executions_in_turn(
    lab: PipelineLab, members: dict[str, str], words: str
) -> None:
    lab.upload({"a.txt": "1"})
    name = lab.create(lab.source(), declare.stage("Gate", declare.approval()), **members)
    (first,) = (one["pipelineExecutionId"] for one in lab.executions(name))
    lab.answer(name, "Gate", lab.pending(name, "Gate", first))
    lab.ended(name, first)
    code, text = code_and_message(
        lab.api.rollback_stage, pipelineName=name, stageName="Gate", targetPipelineExecutionId=first
    )
    assert (code, words in text) == ("UnableToRollbackStageException", True), text
