"""The monitor's model registry: which jobs become a version, and what AWS would refuse of it."""

from datetime import UTC, datetime
from typing import Any

import pytest
from monitor.registry import JobRecord, Registry
from monitor.report import Report, TrainingJob

from tests.cfn.functions.stubbed import stub

EXECUTION = "0a1b2c3d-0000-4000-8000-000000000001"
GROUP = "arn:aws:sagemaker:eu-west-1:123456789012:model-package/ana-iris-model"
PIPELINE = "arn:aws:codepipeline:eu-west-1:123456789012:ana-iris-train-pipeline"
JOB: TrainingJob = {
    "TrainingJobName": f"ana-iris-model-{EXECUTION}",
    "TrainingJobStatus": "Completed",
    "AlgorithmSpecification": {"TrainingImage": "repository@sha256:1", "TrainingInputMode": "File"},
    # DescribeTrainingJob: the location that is configured. Jobs without a model have it, too.
    "ModelArtifacts": {"S3ModelArtifacts": "s3://ana-mlops/training/output/model.tar.gz"},
    "HyperParameters": {"layers": "[64,\t32]"},
    "TrainingStartTime": datetime(2026, 1, 1, tzinfo=UTC),
}


@pytest.fixture
def clients() -> Any:
    """Stubbed clients: a call that a test does not expect is an error."""
    return stub("sagemaker"), stub("codepipeline")


def registry(clients: Any) -> Registry:
    (sagemaker, _), (codepipeline, _) = clients
    return Registry(
        "ana-iris-model", "ana-mlops", "ana-iris-train-pipeline", PIPELINE, sagemaker, codepipeline
    )


def without(job: TrainingJob, *names: str) -> Any:
    return {name: value for name, value in job.items() if name not in names}


@pytest.mark.parametrize(
    "job",
    [
        {**JOB, "TrainingJobStatus": "Failed"},
        without({**JOB, "TrainingJobStatus": "Failed"}, "TrainingStartTime"),
        without({**JOB, "TrainingJobStatus": "Stopped"}, "TrainingStartTime"),
        without(JOB, "ModelArtifacts"),
    ],
    ids=["failed", "could not start", "stopped before it began", "no place for a model"],
)
def test_a_job_that_left_no_model_is_no_version(clients: Any, job: TrainingJob) -> None:
    assert registry(clients).register(Report(EXECUTION, job, problem="it failed"), {}) == ""


def test_properties_have_no_character_that_aws_refuses(clients: Any) -> None:
    (_, sagemaker), (_, codepipeline) = clients
    sent: dict[str, Any] = {}
    registered = registry(clients)
    registered.sagemaker.meta.events.register(
        "provide-client-params.sagemaker.CreateModelPackage", lambda params, **_: sent.update(params)
    )
    sagemaker.add_response("list_model_packages", {"ModelPackageSummaryList": []})
    codepipeline.add_response("list_action_executions", {"actionExecutionDetails": []})
    sagemaker.add_response("create_model_package", {"ModelPackageArn": f"{GROUP}/1"})
    sagemaker.add_response("update_model_package", {"ModelPackageArn": f"{GROUP}/1"})

    record: JobRecord = {"Trigger": "rule ana-iris-train-drift"}
    assert registered.register(Report(EXECUTION, JOB, problem="too bad"), record) == f"{GROUP}/1"

    assert sent["CustomerMetadataProperties"]["parameter layers"] == "_64__32_"
    assert sent["CustomerMetadataProperties"]["trigger"] == "rule ana-iris-train-drift"
