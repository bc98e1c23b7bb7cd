"""Which version goes to PRD again, how, and what is said about one that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lab_helpers import releases
from lab_helpers.registry import Version
from lab_helpers.releases import ReleaseError
from tests.lab_helpers import fakes

DONE = ("Succeeded",) * 7
FAILED_IN_PRD = (*DONE[:6], "Failed")


class Room:
    """A lab whose PRD serves nothing that the registry knows, and whose pipeline is as a test says."""

    def __init__(self, tmp_path: Path) -> None:
        self.pipeline = fakes.Pipeline()
        self.calls: list[tuple[str, str]] = []
        self.refusal = ""
        self.expired = False
        # What a rollback repeats was given to the stage by the execution that succeeded there.
        self.pipeline.client.add(rollback_stage=self._rollback, retry_stage_execution=self._retry)
        self.sagemaker = fakes.FakeClient("sagemaker", describe_endpoint=self._no_endpoint)
        s3 = fakes.FakeClient("s3", head_object=self._head)
        self.lab = fakes.lab(tmp_path, codepipeline=self.pipeline.client, sagemaker=self.sagemaker, s3=s3)

    def add(self, number: int, *statuses: str) -> Version:
        """Add an execution, and return the version of its model."""
        execution = self.pipeline.add(number, *statuses, status="Succeeded")
        self.pipeline.inputs[execution, "DeployPrd"] = {
            "inputArtifacts": [{"name": "Source", "s3location": {"bucket": "bucket", "key": f"zip-{number}"}}]
        }
        return Version(
            arn=f"arn:{number}",
            number=number,
            status="Approved",
            decision="",
            created=fakes.START,
            image="image",
            model_data="s3://bucket/model.tar.gz",
            properties={"execution": execution, "parameter C": "0.5", "data-version": "v7"},
        )

    def _no_endpoint(self, EndpointName: str) -> dict[str, Any]:
        raise refusal("ValidationException", "Could not find endpoint")

    def _rollback(self, targetPipelineExecutionId: str, **_: str) -> dict[str, Any]:
        if self.refusal:
            raise refusal(self.refusal, "CodePipeline's own reason")
        self.calls.append(("rollback", targetPipelineExecutionId))
        return {"pipelineExecutionId": "99999999-0000-0000-0000-000000000000"}

    def _retry(self, pipelineExecutionId: str, **_: str) -> dict[str, Any]:
        self.calls.append(("retry", pipelineExecutionId))
        return {"pipelineExecutionId": pipelineExecutionId}

    def _head(self, Bucket: str, Key: str) -> dict[str, Any]:
        if self.expired:
            raise refusal("404", "Not Found")
        return {"ContentLength": 1}


def refusal(code: str, message: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_what_succeeded_in_prd_is_repeated_there(room: Room) -> None:
    first, _ = room.add(1, *DONE), room.add(2, *DONE)
    assert releases.release(room.lab, first).startswith("99999999")
    assert room.calls == [("rollback", first.execution_id)]


def test_what_failed_in_prd_last_is_tried_again(room: Room) -> None:
    room.add(1, *DONE)
    second = room.add(2, *FAILED_IN_PRD)
    assert releases.release(room.lab, second) == second.execution_id
    assert room.calls == [("retry", second.execution_id)]


def test_what_failed_in_prd_before_another_one_came_is_trained_again(room: Room) -> None:
    """CodePipeline retries only the newest in a stage, and rolls back only to what succeeded there."""
    first, _ = room.add(1, *FAILED_IN_PRD), room.add(2, *DONE)
    with pytest.raises(ReleaseError, match=f"{first.execution_id} never succeeded in DeployPrd") as error:
        releases.release(room.lab, first)
    assert "run notebook 03 with C=0.5; its data was version v7 in S3" in str(error.value)
    assert room.calls == []


def test_a_release_waits_for_the_one_that_is_on_its_way(room: Room) -> None:
    """It was told to train again, although only the moment was wrong."""
    first, second = room.add(1, *DONE), room.add(2, *DONE[:6], "InProgress")
    with pytest.raises(ReleaseError, match=f"{second.execution_id} is in DeployPrd now: wait") as error:
        releases.release(room.lab, first)
    assert "Train" not in str(error.value)
    assert room.calls == []


def test_templates_that_have_expired_are_named_before_anything_starts(room: Room) -> None:
    first, _ = room.add(1, *DONE), room.add(2, *DONE)
    room.expired = True
    with pytest.raises(ReleaseError, match=r"s3://bucket/zip-1, have expired. Train it again"):
        releases.release(room.lab, first)
    assert room.calls == []


def test_an_execution_that_codepipeline_has_forgotten_is_trained_again(room: Room) -> None:
    first, _ = room.add(1, *DONE), room.add(2, *DONE)
    del room.pipeline.executions[first.execution_id]
    with pytest.raises(ReleaseError, match="forgets after 12 months"):
        releases.release(room.lab, first)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("PipelineExecutionOutdatedException", "the pipeline's definition has changed since"),
        ("UnableToRollbackStageException", "CodePipeline's own reason"),
    ],
)
def test_a_refusal_says_what_to_do(room: Room, code: str, said: str) -> None:
    """Not to upload the old zip again: its template lacks what the pipeline gives it by now."""
    first, _ = room.add(1, *DONE), room.add(2, *DONE)
    room.refusal = code
    with pytest.raises(ReleaseError, match=said) as error:
        releases.release(room.lab, first)
    assert "run notebook 03 with C=0.5" in str(error.value)
