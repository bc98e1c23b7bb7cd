"""Pages of what runs in containers: training, tuning, transform jobs, endpoints and their images."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lab_helpers.console import Console
from local_account.console import links
from tests.local_account.account_process import AccountProcess
from tests.local_account.console.browser import Browser
from tests.local_account.console.test_console_pages import HOSTILE, escapes
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab
from tests.waiting import Eventually

pytestmark = pytest.mark.docker


@pytest.fixture(scope="module")
def lab(
    account_process: type[AccountProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SageMakerLab]:
    account = account_process(tmp_path_factory.mktemp("console") / "state").start()
    lab = SageMakerLab(account).prepare().push_image()
    yield lab
    lab.close()


@pytest.fixture(scope="module")
def visitor(lab: SageMakerLab) -> Browser:
    return Browser(lab.account.endpoint_url)


@pytest.fixture
def console(lab: SageMakerLab) -> Console:
    return Console(lab.account.endpoint_url, "us-east-1")


def test_a_training_job_has_its_input_transitions_metrics_and_log(
    lab: SageMakerLab, visitor: Browser, console: Console
) -> None:
    lab.train("console-job", HyperParameters={"answer": HOSTILE, "say": f"{HOSTILE}|next"})
    lab.trained("console-job")
    shown = visitor.open(console.training_job("console-job"))
    escapes(shown)
    for words in (
        "✓ Completed",
        "Hyperparameters",
        "Status transitions",
        "Downloading",
        "Final values",
        "0.75",
    ):
        assert words in shown.text
    assert shown.text.count(HOSTILE) >= 2  # the hyperparameter and the log
    names = [one["aria-label"].partition(".")[0] for one in shown.elements("svg")]
    assert names == ["accuracy", "loss"]
    assert any(address.startswith("/_console/s3/object/") for address in shown.links.values())  # the model
    assert visitor.open(links.training_jobs()).links["console-job"] == links.training_job("console-job")


def test_an_image_has_tags_and_a_digest(lab: SageMakerLab, visitor: Browser, console: Console) -> None:
    shown = visitor.open(console.image_repository("123456789012", "tiny"))
    assert "latest" in shown.text
    assert "sha256:" in shown.text


def test_an_endpoint_has_variants_traffic_scaling_and_a_log(
    lab: SageMakerLab, visitor: Browser, console: Console, eventually: Eventually
) -> None:
    lab.train("console-served")
    data = lab.trained("console-served")["ModelArtifacts"]["S3ModelArtifacts"]
    lab.model("console-model", data)
    capture = {
        "InitialSamplingPercentage": 20,
        "DestinationS3Uri": "s3://sagemaker-tests/capture/",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    lab.config("console-config", {"ModelName": "console-model"}, DataCaptureConfig=capture)
    lab.sagemaker.create_endpoint(EndpointName="console-endpoint", EndpointConfigName="console-config")
    assert "▶ Creating" in visitor.open(links.endpoints()).text
    lab.sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName="console-endpoint", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    variant = lab.sagemaker.describe_endpoint(EndpointName="console-endpoint")["ProductionVariants"][0]
    resource = f"endpoint/console-endpoint/variant/{variant['VariantName']}"
    scaling = lab.account.client("application-autoscaling")
    which = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": resource,
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }
    scaling.register_scalable_target(**which, MinCapacity=1, MaxCapacity=2)
    scaling.put_scaling_policy(
        **which,
        PolicyName="console-policy",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": 600,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        },
    )
    lab.runtime.invoke_endpoint(EndpointName="console-endpoint", Body=b"x")
    eventually(lambda: visitor.open(console.endpoint("console-endpoint")).elements("svg"))
    shown = visitor.open(console.endpoint("console-endpoint"))
    for words in (
        "✓ InService",
        variant["VariantName"],
        "ml.m5.large",
        "console-policy",
        "20 % of the invocations to s3://sagemaker-tests/capture/",
        "target 600",
        "Invocations",
    ):
        assert words in shown.text
    assert "Alarms of scaling and of releases" in shown.text
    assert shown.elements("svg")[0]["aria-label"].startswith("Invocations. invocations: last 1")
    lab.sagemaker.delete_endpoint(EndpointName="console-endpoint")


def test_tuning_and_transform_jobs_lead_to_what_they_did(
    lab: SageMakerLab, visitor: Browser, console: Console
) -> None:
    lab.tune(
        "console-tuned", {"CategoricalParameterRanges": [{"Name": "say", "Values": ["score=1", "score=2"]}]}
    )
    best = lab.tuned("console-tuned")["BestTrainingJob"]["TrainingJobName"]
    shown = visitor.open(console.tuning_job("console-tuned"))
    assert "✓ Completed" in shown.text
    assert "say: score=2" in shown.text
    assert shown.links[best] == links.training_job(best)
    assert visitor.open(links.tuning_jobs()).links["console-tuned"]
    data = lab.sagemaker.describe_training_job(TrainingJobName=best)["ModelArtifacts"]["S3ModelArtifacts"]
    lab.model("console-batch", data)
    lab.transform("console-batch", "console-batch", "input/")
    lab.transformed("console-batch")
    shown = visitor.open(console.transform_job("console-batch"))
    assert "✓ Completed" in shown.text
    assert shown.links["s3://sagemaker-tests/input/"] == links.bucket("sagemaker-tests", "input/")
    assert visitor.open(links.transform_jobs()).links["console-batch"]


def test_a_processing_job_shows_what_it_read_wrote_and_said(
    lab: SageMakerLab, visitor: Browser, console: Console
) -> None:
    lab.process("console-processed", "echo done > /opt/ml/output/message", inputs={"data": "input/"})
    lab.processed("console-processed")
    shown = visitor.open(console.processing_job("console-processed"))
    for words in ("✓ Completed", "done", "/opt/ml/processing/data", "ml.m5.large"):
        assert words in shown.text
    assert shown.links["s3://sagemaker-tests/input/"] == links.bucket("sagemaker-tests", "input/")
    assert visitor.open(links.processing_jobs()).links["console-processed"]
