"""Notebook 08 in the lab that the whole run has left: an alarm trains nothing, labels do, PRD recovers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


def serving(workshop: Workshop) -> str:
    """Return what PRD serves, once it has settled: notebook 05 leaves it while it is being scaled."""
    workshop.client("sagemaker").get_waiter("endpoint_in_service").wait(
        EndpointName=workshop.names.prd_endpoint, WaiterConfig={"Delay": 1, "MaxAttempts": 120}
    )
    return workshop.serving(workshop.names.prd_endpoint)


def test_labeled_data_retrains_and_production_recovers(workshop: Workshop, tmp_path: Path) -> None:
    names, s3 = workshop.names, workshop.client("s3")
    served = serving(workshop)

    done = workshop.command("run", "--port", "0", "-n", "08", "--output", str(tmp_path))
    assert done.returncode == 0, done.stdout[-6000:]

    codepipeline, events = workshop.client("codepipeline"), workshop.client("events")
    listed = codepipeline.list_pipeline_executions(pipelineName=names.train_pipeline, maxResults=2)
    by_labels, by_alarm = listed["pipelineExecutionSummaries"]
    assert by_alarm["trigger"]["triggerDetail"].endswith(f"rule/{names.drift_rule}")
    assert by_alarm["status"] == "Failed"
    assert (
        "nothing new to learn" in workshop.failure(names.train_pipeline, by_alarm["pipelineExecutionId"])[1]
    )
    assert by_labels["trigger"]["triggerDetail"].endswith(f"rule/{names.labels_rule}")
    assert by_labels["status"] == "Succeeded"
    assert serving(workshop).endswith(by_labels["pipelineExecutionId"])
    states = [events.describe_rule(Name=rule)["State"] for rule in (names.drift_rule, names.labels_rule)]
    assert states == ["DISABLED", "DISABLED"]

    # Later tests expect what the whole run has left: its data, and its release.
    labeled = s3.list_objects_v2(Bucket=workshop.bucket, Prefix="training/input/labeled/")["Contents"]
    assert len(labeled) == 1
    s3.delete_object(Bucket=workshop.bucket, Key=labeled[0]["Key"])
    earlier = served[-36:]
    codepipeline.rollback_stage(
        pipelineName=names.train_pipeline, stageName="DeployPrd", targetPipelineExecutionId=earlier
    )
    back = codepipeline.list_pipeline_executions(pipelineName=names.train_pipeline, maxResults=1)
    execution = back["pipelineExecutionSummaries"][0]["pipelineExecutionId"]
    assert workshop.ended(names.train_pipeline, execution) == "Succeeded"
    assert serving(workshop) == served

    recorded.check(tmp_path / "08_retraining.ipynb")
