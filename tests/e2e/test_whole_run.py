"""`make run`, and what must be true afterwards. The tests share one account, in order."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING

import psutil
import pytest

from lab_helpers.runner.plan import select
from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop
from tests.notebooks import sources

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeTrainingJobResponseTypeDef

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]

ENDPOINTS = ("iris-model-dev", "iris-model-prd")


def newest_job(sagemaker: SageMakerClient) -> DescribeTrainingJobResponseTypeDef:
    """Return the newest job of the default lab's pipeline."""
    pages = sagemaker.get_paginator("list_training_jobs").paginate(
        SortBy="CreationTime", SortOrder="Descending"
    )
    names = (job["TrainingJobName"] for page in pages for job in page["TrainingJobSummaries"])
    name = next(one for one in names if one.startswith("iris-model-") and "-sdk-" not in one)
    return sagemaker.describe_training_job(TrainingJobName=name)


def test_every_notebook_ran_to_its_last_cell(workshop: Workshop) -> None:
    summary = json.loads((workshop.output / "summary.json").read_text())
    assert summary["status"] == "succeeded"
    names = [notebook["name"][:2] for notebook in summary["notebooks"]]
    assert [name for name in names if name != "00"][:5] == ["01", "02", "03", "04", "05"]
    assert all(one["executed"] == one["cells"] > 0 for one in summary["notebooks"])
    assert (workshop.output / "index.html").exists()
    for part in ("Docker Engine", "base image", "local account", "stack mlops", "notebook instance"):
        assert part in workshop.said, "the time of each part is shown"


@pytest.mark.parametrize("lesson", [one.stem for one in select(sources.NOTEBOOKS, None)])
def test_a_lesson_answers_what_is_recorded(workshop: Workshop, lesson: str) -> None:
    recorded.check(workshop.output / f"{lesson}.ipynb")


def test_all_stacks_are_complete(workshop: Workshop) -> None:
    stacks = workshop.client("cloudformation").describe_stacks()["Stacks"]
    status = {stack["StackName"]: stack["StackStatus"] for stack in stacks}
    wanted = {"mlops", "scikit-base", "iris-model", "iris-train-pipeline", *ENDPOINTS}
    assert wanted <= status.keys()
    assert {status[name] for name in wanted} <= {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("algorithm", ["logistic", "random_forest"])
def test_the_endpoints_predict_the_species_with_both_algorithms(
    workshop: Workshop, examples: tuple[list[list[float]], list[str]], endpoint: str, algorithm: str
) -> None:
    rows, species = examples
    described = workshop.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    assert described["EndpointStatus"] == "InService"
    answer = workshop.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=endpoint,
        ContentType="application/json",
        CustomAttributes=f"algorithm={algorithm}",
        Body=json.dumps({"instances": rows}),
    )
    document = json.loads(answer["Body"].read())
    assert document["algorithm"] == algorithm
    right = sum(a == b for a, b in zip(document["predictions"], species, strict=True))
    assert right / len(species) >= 0.95


def test_the_image_that_trained_is_the_one_that_serves_and_the_one_in_the_registry(
    workshop: Workshop,
) -> None:
    sagemaker = workshop.client("sagemaker")
    trained = newest_job(sagemaker)["AlgorithmSpecification"]["TrainingImage"]
    assert "@sha256:" in trained
    served = set()
    for endpoint in ENDPOINTS:
        config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        variant = sagemaker.describe_endpoint_config(EndpointConfigName=config)["ProductionVariants"][0]
        model = sagemaker.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
        served.add((model["Image"], model["ModelDataUrl"]))
    assert served == {(trained, newest_job(sagemaker)["ModelArtifacts"]["S3ModelArtifacts"])}
    images = workshop.client("ecr").describe_images(repositoryName="iris-model")["imageDetails"]
    assert trained.partition("@")[2] in {image["imageDigest"] for image in images}


def test_the_training_job_and_its_report_are_kept(workshop: Workshop) -> None:
    job = newest_job(workshop.client("sagemaker"))
    assert job["TrainingJobStatus"] == "Completed"
    metrics = {metric["MetricName"]: metric["Value"] for metric in job["FinalMetricDataList"]}
    assert metrics["logistic:accuracy"] > 0.9
    execution = job["TrainingJobName"].removeprefix("iris-model-")
    account = workshop.client("sts").get_caller_identity()["Account"]
    report = workshop.client("s3").get_object(
        Bucket=f"mlops-us-east-1-{account}", Key=f"training/reports/{execution}.json"
    )
    assert json.loads(report["Body"].read())


def test_dev_was_tested_and_the_page_lies_beside_the_report(workshop: Workshop) -> None:
    execution = newest_job(workshop.client("sagemaker"))["TrainingJobName"].removeprefix("iris-model-")
    account = workshop.client("sts").get_caller_identity()["Account"]
    read = partial(workshop.client("s3").get_object, Bucket=f"mlops-us-east-1-{account}")
    found = json.load(read(Key=f"training/reports/{execution}-dev.json")["Body"])
    assert (found["tested"], found["passed"], found["rows"]) == (True, True, 30)
    assert {name: one["requests"] for name, one in found["latency"].items()} == {
        "logistic": 60,
        "random_forest": 60,
    }
    page = read(Key=f"training/reports/{execution}.html")
    assert page["ContentType"] == "text/html; charset=utf-8"
    assert page["Body"].read().startswith(b"<!doctype html>")
    state = workshop.client("codepipeline").get_pipeline_state(name="iris-train-pipeline")
    [stage] = [one for one in state["stageStates"] if one["stageName"] == "DeployApproval"]
    assert stage["actionStates"][0]["entityUrl"].endswith(f"training/reports/{execution}.html")


def test_both_approvals_were_given_and_the_execution_reached_prd(workshop: Workshop) -> None:
    stages = workshop.client("codepipeline").get_pipeline_state(name="iris-train-pipeline")["stageStates"]
    assert [stage["latestExecution"]["status"] for stage in stages] == ["Succeeded"] * len(stages)
    assert {"TrainApproval", "DeployApproval"} <= {stage["stageName"] for stage in stages}


def test_production_scales_within_limits(workshop: Workshop) -> None:
    targets = workshop.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker"
    )["ScalableTargets"]
    assert any("endpoint/iris-model-prd/" in target["ResourceId"] for target in targets)


def test_production_scaled_out_under_load_scaled_in_again_and_keeps_its_settings(workshop: Workshop) -> None:
    scaling = workshop.client("application-autoscaling")
    resource = "endpoint/iris-model-prd/variant/AllTraffic"
    activities = scaling.describe_scaling_activities(ServiceNamespace="sagemaker", ResourceId=resource)
    done = [one["Description"] for one in reversed(activities["ScalingActivities"])]
    assert "Setting desired instance count to 2." in done
    assert done[-1] == "Setting desired instance count to 1."
    [stack] = workshop.client("cloudformation").describe_stacks(StackName="iris-model-prd")["Stacks"]
    declared = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    [policy] = scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=resource)[
        "ScalingPolicies"
    ]
    tracking = policy["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["TargetValue"] == float(declared["InvocationsPerInstance"])
    assert tracking["ScaleOutCooldown"] == int(declared["ScaleOutCooldown"])
    assert tracking["ScaleInCooldown"] == int(declared["ScaleInCooldown"])


def test_only_loopback_listens(workshop: Workshop) -> None:
    server = psutil.Process(int((workshop.state / "server.pid").read_text()))
    addresses = {one.laddr.ip for one in server.net_connections("inet") if one.status == psutil.CONN_LISTEN}
    assert addresses == {"127.0.0.1"}


def test_state_survives_a_stop_and_nothing_is_left_running(
    workshop: Workshop, examples: tuple[list[list[float]], list[str]]
) -> None:
    assert workshop.containers(), "endpoints serve from containers"
    uid, server = workshop.uid, int((workshop.state / "server.pid").read_text())
    assert workshop.command("down", "--keep-engine").returncode == 0
    assert not psutil.pid_exists(server)
    assert workshop.containers() == []
    marked = [one for one in psutil.process_iter() if marker(one).startswith(f"{uid}:")]
    assert marked == []
    up = workshop.command("up")
    assert up.returncode == 0, up.stdout
    sagemaker = workshop.client("sagemaker")
    sagemaker.get_waiter("endpoint_in_service").wait(
        EndpointName="iris-model-prd", WaiterConfig={"Delay": 1, "MaxAttempts": 60}
    )
    rows, species = examples
    answer = workshop.client("sagemaker-runtime").invoke_endpoint(
        EndpointName="iris-model-prd",
        ContentType="application/json",
        Body=json.dumps({"instances": rows[:1]}),
    )
    assert json.loads(answer["Body"].read())["predictions"] == species[:1]


def marker(process: psutil.Process) -> str:
    try:
        return process.environ().get("LOCAL_ACCOUNT_PROCESS", "")
    except psutil.Error:
        return ""
