"""Pipeline executions: found by the revision, followed by id, explained if they fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import executions, failures
from lab_helpers.errors import Interrupted
from lab_helpers.executions import ExecutionBlocked, ExecutionFailed, ExecutionNotFound, StillInProgress
from lab_helpers.lab import Lab
from tests.lab_helpers.fakes import START, FakeClient, Pipeline, lab

NAME = "iris-train-pipeline"
DONE = "Succeeded"


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


def sleeper(*steps: Any) -> Any:
    """A sleep that carries out the next step; one sleep too many fails the test."""
    remaining = list(steps)

    def sleep(_: float) -> None:
        assert remaining, "slept longer than the test expects"
        remaining.pop(0)()

    return sleep


def test_an_execution_is_found_by_the_revision_that_started_it(pipeline: Pipeline, tmp_path: Path) -> None:
    first = pipeline.add(1, DONE, revision="version-1")
    second = pipeline.add(2, DONE, revision="version-2")
    here = lab(tmp_path, codepipeline=pipeline.client)
    assert executions.started_by(here, NAME, "version-1") == first
    assert executions.started_by(here, NAME, "version-2") == second
    assert executions.newest(here, NAME) == second


def test_a_commit_in_the_bucket_is_found_by_its_zip_file(pipeline: Pipeline, tmp_path: Path) -> None:
    commit, other = "d5ace5d6d18c7482dc17cd7328dce674aac1e9d0", "0d823c26cbcf70e986ed226ae72c21f7a2826c30"
    zips = {"version-1": other, "version-2": commit, "version-3": other}

    def head_object(**asked: str) -> dict[str, str]:
        assert (asked["Bucket"], asked["Key"]) == ("bucket", "source/refs/heads/iris_model/repo.zip")
        return {"ContentDisposition": f"attachment; filename=repo-{zips[asked['VersionId']][:8]}.zip"}

    made = [pipeline.add(number, DONE, revision=f"version-{number}") for number in (1, 2, 3)]
    s3 = FakeClient("s3", head_object=head_object)
    here = lab(tmp_path, codepipeline=pipeline.client, s3=s3)
    with pytest.raises(ExecutionNotFound):  # with CodeCommit as the source, the bucket is not read
        executions.started_by(here, "iris-model", commit, timeout=-1)
    here = replace(here, settings={**here.settings, "REPOSITORY": ""})
    assert executions.started_by(here, "iris-model", commit) == made[1]
    assert executions.started_by(here, "iris-model", "version-1") == made[0]


def test_it_waits_for_the_event_to_arrive(pipeline: Pipeline, tmp_path: Path) -> None:
    here = lab(tmp_path, codepipeline=pipeline.client)
    sleep = sleeper(lambda: None, lambda: pipeline.add(1, "InProgress", revision="abc"))
    assert executions.started_by(here, NAME, "abc", sleep=sleep).startswith("00000001")


def test_no_execution_is_an_error_that_says_where_to_look(pipeline: Pipeline, tmp_path: Path) -> None:
    other = pipeline.add(1, DONE, revision="other")
    here = lab(tmp_path, codepipeline=pipeline.client)
    with pytest.raises(ExecutionNotFound, match=f"started for abc(.|\n)*{other}(.|\n)*rule"):
        executions.started_by(here, NAME, "abc", timeout=-1)


def test_a_failed_execution_of_the_same_commit_is_released_again(pipeline: Pipeline, tmp_path: Path) -> None:
    failed = pipeline.add(1, DONE, "Failed", status="Failed", revision="abc")
    here = lab(tmp_path, codepipeline=pipeline.client)
    assert executions.started_by(here, NAME, "abc") == failed
    assert executions.started_by(here, NAME, "abc", retry_failed=True).startswith("00000099")


def test_a_pipeline_that_never_ran_and_an_unknown_execution_are_told_apart(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    here = lab(tmp_path, codepipeline=pipeline.client)
    with pytest.raises(ExecutionNotFound, match="has not run yet"):
        executions.newest(here, NAME)
    with pytest.raises(ExecutionNotFound, match="no execution 'x'"):
        executions.get(here, NAME, "x")


def test_the_run_of_a_new_pipeline_is_not_a_learners_execution(pipeline: Pipeline, tmp_path: Path) -> None:
    first = pipeline.add(1, "Failed", status="Failed")
    pipeline.triggers[first] = "CreatePipeline"
    here = lab(tmp_path, codepipeline=pipeline.client)
    with pytest.raises(ExecutionNotFound, match="has not run yet: run the notebook before this one"):
        executions.newest(here, NAME)
    uploaded = pipeline.add(2, DONE)
    assert executions.newest(here, NAME) == uploaded


@pytest.mark.parametrize("ask", [executions.newest, partial(executions.started_by, revision="abc")])
def test_a_pipeline_that_was_deleted_is_an_error_that_says_how_it_comes_back(
    ask: Callable[[Lab, str], str], tmp_path: Path
) -> None:
    client = FakeClient("codepipeline")

    def gone(**_: object) -> dict[str, Any]:
        raise client.error("PipelineNotFoundException", "ListPipelineExecutions")

    client.add(list_pipeline_executions=gone)
    with pytest.raises(ExecutionNotFound, match=f"pipeline {NAME} does not exist(.|\n)*go_back_to"):
        ask(lab(tmp_path, codepipeline=client), NAME)


def test_actions_are_in_the_pipelines_order_with_what_is_known(pipeline: Pipeline, tmp_path: Path) -> None:
    execution_id = pipeline.add(1, DONE, DONE, "InProgress")
    pipeline.results[execution_id, "Train"] = {
        "outputVariables": {"TrainingJobName": "iris-model-1"},
        "executionResult": {"externalExecutionSummary": "accepted"},
    }
    execution = executions.get(lab(tmp_path, codepipeline=pipeline.client), NAME, execution_id)
    assert [a.stage for a in execution.actions][:3] == ["Source", "Train", "TrainApproval"]
    assert execution.began("TrainApproval")
    assert not execution.began("DeployDev")
    assert execution.variables("Train") == {"TrainingJobName": "iris-model-1"}
    assert execution.actions[1].seconds(START) == 30
    assert execution.stage("TrainApproval")[0].waits_for_approval
    shown = str(execution)
    assert "▶" not in shown
    assert "‖ Waiting" in shown
    assert "30.0 s" in shown


def test_following_ends_with_the_execution(pipeline: Pipeline, tmp_path: Path) -> None:
    execution_id = pipeline.add(1, DONE, "InProgress")

    def finish() -> None:
        pipeline.executions[execution_id] = [DONE] * 7
        pipeline.status[execution_id] = DONE

    here = lab(tmp_path, codepipeline=pipeline.client)
    found = executions.follow(here, NAME, execution_id, sleep=sleeper(lambda: None, finish))
    assert found.status == DONE


def test_following_can_stop_where_a_stage_starts(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execution_id = pipeline.add(1, DONE, DONE, "InProgress")

    def approve() -> None:
        pipeline.executions[execution_id] = [DONE, DONE, DONE, "InProgress"]

    here = lab(tmp_path, codepipeline=pipeline.client)
    found = executions.follow(here, NAME, execution_id, until="DeployDev", sleep=sleeper(approve))
    assert found.stage("DeployDev")[0].status == "InProgress"
    assert (
        capsys.readouterr().out.count("DeployPrd       DeployPrd") == 1
    )  # only what changed is printed again


def test_a_later_failure_does_not_matter_once_the_stage_was_reached(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    execution_id = pipeline.add(1, DONE, DONE, DONE, DONE, DONE, "Failed", status="Failed")
    here = lab(tmp_path, codepipeline=pipeline.client)
    assert executions.follow(here, NAME, execution_id, until="DeployApproval").status == "Failed"


@pytest.mark.parametrize("status", ["Stopped", "Cancelled", "Superseded"])
def test_an_execution_stopped_from_outside_raises(pipeline: Pipeline, tmp_path: Path, status: str) -> None:
    execution_id = pipeline.add(1, DONE, status=status)
    with pytest.raises(ExecutionFailed, match=status):
        executions.follow(lab(tmp_path, codepipeline=pipeline.client), NAME, execution_id)


def test_a_rejected_training_names_stage_reason_and_remedy(pipeline: Pipeline, tmp_path: Path) -> None:
    execution_id = pipeline.add(1, DONE, DONE, "Failed", status="Failed")
    pipeline.results[execution_id, "TrainApproval"] = {
        "executionResult": {"externalExecutionSummary": "recall of virginica 0.8 is below 0.85"}
    }
    with pytest.raises(ExecutionFailed) as caught:
        executions.follow(lab(tmp_path, codepipeline=pipeline.client), NAME, execution_id)
    said = str(caught.value)
    assert said.startswith("recall of virginica 0.8 is below 0.85")
    assert "stage TrainApproval" in said
    assert "recall of virginica" in said
    assert "What to do: read the report" in said


def test_a_failed_build_shows_the_cause_first_then_its_phase(tmp_path: Path) -> None:
    codebuild = FakeClient(
        "codebuild",
        batch_get_builds=lambda ids: {
            "builds": [
                {
                    "id": ids[0],
                    "buildStatus": "FAILED",
                    "phases": [
                        {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED", "durationInSeconds": 1},
                        {
                            "phaseType": "BUILD",
                            "phaseStatus": "FAILED",
                            "contexts": [{"statusCode": "1", "message": "exit status 2"}],
                        },
                    ],
                    "logs": {"groupName": "/aws/codebuild/x", "streamName": "s"},
                }
            ]
        },
    )
    logs = FakeClient(
        "logs",
        get_log_events=lambda **_: {
            "events": [
                {"message": "Step 2/4 : RUN pip install x\n"},
                {"message": "Collecting x\n"},
                {"message": "\x1b[91mERROR: No matching distribution found for x\x1b[0m\n"},
            ]
        },
    )
    here = lab(tmp_path, codebuild=codebuild, logs=logs)
    action = executions.Action("Build", "Build", "Build", "CodeBuild", "Failed", external_id="x:1")
    execution = executions.Execution("scikit-base", "e", "Failed", "", (action,))
    said = failures.explain(here, execution)
    assert said.startswith("ERROR: No matching distribution found for x\n")
    assert said.count("No matching distribution") == 1
    assert "| Collecting x" in said
    assert "phase BUILD of build x:1" in said
    assert "/x/build/x%3A1/log" in said
    assert len(said.splitlines()) <= 9


def test_a_failed_deployment_shows_the_stacks_first_cause(tmp_path: Path) -> None:
    def event(resource: str, status: str, reason: str = "") -> dict[str, Any]:
        return {
            "StackId": STACK,
            "EventId": f"{resource}{status}",
            "StackName": "iris-model-dev",
            "LogicalResourceId": resource,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "Timestamp": START,
        }

    newest_first = [
        event("iris-model-dev", "ROLLBACK_COMPLETE"),
        event("Alarm", "CREATE_FAILED", "The alarm has no action"),
        event("EndpointConfig", "CREATE_FAILED", "Resource creation cancelled"),
        event("Endpoint", "CREATE_FAILED", "did not pass the ping health check"),
        event("iris-model-dev", "CREATE_IN_PROGRESS"),
        event("Endpoint", "CREATE_FAILED", "of an earlier deployment"),
    ]
    cloudformation = FakeClient(
        "cloudformation", describe_stack_events=lambda StackName: {"StackEvents": newest_first}
    )
    here = lab(tmp_path, cloudformation=cloudformation)
    action = executions.Action(
        "DeployDev", "DeployDev", "Deploy", "CloudFormation", "Failed", external_id=STACK
    )
    said = failures.explain(here, executions.Execution(NAME, "e", "Failed", "", (action,)))
    assert said.startswith("Endpoint CREATE_FAILED: did not pass the ping health check\n")
    assert "| Alarm CREATE_FAILED: The alarm has no action" in said
    assert "cancelled" not in said, "it follows from the cause"
    assert "earlier deployment" not in said


STACK = "arn:aws:cloudformation:eu-west-1:123456789012:stack/iris-model-dev/1"


def test_an_execution_behind_an_undecided_one_says_which(pipeline: Pipeline, tmp_path: Path) -> None:
    older = pipeline.add(1, DONE, DONE, DONE, DONE, DONE, "InProgress")
    newer = pipeline.add(2, DONE, DONE, DONE, DONE, DONE)
    here = lab(tmp_path, codepipeline=pipeline.client)
    with pytest.raises(ExecutionBlocked, match=f'execution_id = "{older}"'):
        executions.follow(here, NAME, newer, until="DeployApproval")
    assert executions.follow(here, NAME, older, until="DeployApproval").id == older


def test_following_times_out(pipeline: Pipeline, tmp_path: Path) -> None:
    execution_id = pipeline.add(1, "InProgress")
    with pytest.raises(StillInProgress, match="run this cell again"):
        executions.follow(lab(tmp_path, codepipeline=pipeline.client), NAME, execution_id, timeout=-1)


def test_a_rejected_execution_can_be_looked_at(pipeline: Pipeline, tmp_path: Path) -> None:
    execution_id = pipeline.add(1, DONE, DONE, "Failed", status="Failed")
    here = lab(tmp_path, codepipeline=pipeline.client)
    found = executions.follow(here, NAME, execution_id, until="DeployApproval", rejected_too=True)
    assert found.rejected
    broken = pipeline.add(2, DONE, "Failed", status="Failed")
    with pytest.raises(ExecutionFailed, match="stage Train,"):  # there is nothing to look at
        executions.follow(here, NAME, broken, until="DeployApproval", rejected_too=True)


def test_an_interrupt_leaves_one_sentence(
    pipeline: Pipeline, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    execution_id = pipeline.add(1, DONE, "InProgress")

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    here = lab(tmp_path, codepipeline=pipeline.client)
    with pytest.raises(Interrupted, match="Run this cell again to follow it") as caught:
        executions.follow(here, NAME, execution_id, sleep=interrupt)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out.count("DeployPrd       DeployPrd") == 1


def test_an_approval_says_who_has_to_answer(pipeline: Pipeline, tmp_path: Path) -> None:
    training = pipeline.add(1, DONE, DONE, "InProgress")
    deciding = pipeline.add(2, DONE, DONE, DONE, DONE, DONE, "InProgress")
    here = lab(tmp_path, codepipeline=pipeline.client)
    assert "the monitor waits for the training job" in str(executions.get(here, NAME, training))
    assert "you decide, in notebook 04" in str(executions.get(here, NAME, deciding))
    pipeline.results[deciding, "TrainApproval"] = {
        "executionResult": {"externalExecutionSummary": "all 3 checks passed"}
    }
    assert "all 3 checks passed" in str(executions.get(here, NAME, deciding))


@pytest.mark.parametrize(
    ("answered", "said"),
    [
        ("rejected, 1 of 10 checks failed", "rejected, 1 of 10 checks failed"),
        ("too slow", "rejected: too slow"),
    ],
)
def test_a_rejection_says_once_that_it_is_one_and_why(
    pipeline: Pipeline, tmp_path: Path, answered: str, said: str
) -> None:
    execution = pipeline.add(1, DONE, DONE, "Failed", status="Failed")
    pipeline.results[execution, "TrainApproval"] = {
        "executionResult": {
            "externalExecutionSummary": answered,
            "errorDetails": {"code": "JobFailed", "message": "The approval was rejected"},
        }
    }
    found = executions.get(lab(tmp_path, codepipeline=pipeline.client), NAME, execution)
    assert found.failed_action is not None
    assert found.failed_action.summary == said
