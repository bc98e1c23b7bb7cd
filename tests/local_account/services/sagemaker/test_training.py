"""Training jobs: the /opt/ml contract, how jobs end, and what they leave behind."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab, channel
from tests.waiting import eventually

GROUP = "/aws/sagemaker/TrainingJobs"


def archive(lab: SageMakerLab, key: str) -> dict[str, bytes]:
    body = lab.s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()
    with tarfile.open(fileobj=io.BytesIO(body), mode="r:gz") as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]


def algorithm(lab: SageMakerLab) -> dict[str, Any]:
    """Return an AlgorithmSpecification that takes any word after ``value=`` for a metric."""
    return {
        "TrainingImage": lab.image,
        "TrainingInputMode": "File",
        "MetricDefinitions": [{"Name": "value", "Regex": "value=(\\S+)"}],
    }


@pytest.mark.docker
def test_a_job_trains_in_its_container_and_leaves_model_output_logs_and_metrics(
    image_lab: SageMakerLab,
) -> None:
    lab = image_lab
    lab.train("first", Environment={"MODE": "test"}, Tags=[{"Key": "team", "Value": "red"}])
    lab.when(
        lambda: lab.sagemaker.describe_training_job(TrainingJobName="first")["SecondaryStatus"],
        lambda status: status in ("Training", "Uploading", "Completed"),
    )
    job = lab.trained("first")
    assert job["TrainingJobStatus"] == "Completed", job
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/output/first/output/model.tar.gz"
    assert [step["Status"] for step in job["SecondaryStatusTransitions"]] == [
        "Starting",
        "Downloading",
        "Training",
        "Uploading",
        "Completed",
    ]
    assert all(step["EndTime"] >= step["StartTime"] for step in job["SecondaryStatusTransitions"])
    assert job["TrainingTimeInSeconds"] >= 1 and job["BillableTimeInSeconds"] >= 1
    assert {m["MetricName"]: round(m["Value"], 3) for m in job["FinalMetricDataList"]} == {
        "accuracy": 0.75,
        "loss": 0.1,
    }
    assert json.loads(archive(lab, "output/first/output/model.tar.gz")["model.json"]) == {"answer": "first"}
    seen = json.loads(archive(lab, "output/first/output/output.tar.gz")["seen.json"])
    assert seen["arguments"] == ["train"]
    assert seen["environment"]["TRAINING_JOB_NAME"] == "first"
    assert seen["environment"]["TRAINING_JOB_ARN"] == job["TrainingJobArn"]
    assert seen["environment"]["MODE"] == "test"
    files = seen["files"]
    assert files["input/data/training/iris.csv"] == "1,2,3\n"
    assert json.loads(files["input/config/hyperparameters.json"]) == {"answer": "first"}
    assert json.loads(files["input/config/inputdataconfig.json"]) == {
        "training": {
            "TrainingInputMode": "File",
            "S3DistributionType": "FullyReplicated",
            "RecordWrapperType": "None",
            "ContentType": "text/csv",
        }
    }
    assert json.loads(files["input/config/resourceconfig.json"])["hosts"] == ["algo-1"]
    assert lab.lines(GROUP, "first/algo-1-") == ["accuracy=0.5 loss=2e-1", "accuracy=0.75 loss=1e-1"]
    metrics = lab.cloudwatch.list_metrics(Namespace=GROUP)["Metrics"]
    assert {metric["MetricName"] for metric in metrics} == {"accuracy", "loss"}
    tags = lab.sagemaker.list_tags(ResourceArn=job["TrainingJobArn"])["Tags"]
    assert tags == [{"Key": "team", "Value": "red"}]
    eventually(lambda: not lab.containers)  # removed once the end of the job has been recorded
    eventually(lambda: not lab.volumes)


@pytest.mark.docker
def test_values_that_cloudwatch_refuses_cost_no_other_value_and_no_model(image_lab: SageMakerLab) -> None:
    parameters = {"say": "value=nan|value=inf|value=1e300|value=0.25|value=nan", "sleep": "2"}
    image_lab.train("not-a-number", HyperParameters=parameters, AlgorithmSpecification=algorithm(image_lab))
    job = image_lab.trained("not-a-number")
    assert job["TrainingJobStatus"] == "Completed", job
    assert [(one["MetricName"], one["Value"]) for one in job["FinalMetricDataList"]] == [("value", 0.25)]
    assert "model.json" in archive(image_lab, "output/not-a-number/output/model.tar.gz")
    assert "value=nan" in image_lab.lines(GROUP, "not-a-number/")
    metrics = image_lab.cloudwatch.list_metrics(Namespace=GROUP, MetricName="value")["Metrics"]
    assert len(metrics) == 1


@pytest.mark.docker
def test_a_role_without_metrics_and_logs_trains_all_the_same(image_lab: SageMakerLab) -> None:
    iam = image_lab.account.client("iam")
    role = make_role(iam, "quiet", "sagemaker.amazonaws.com", actions=["s3:*", "ecr:*"])
    image_lab.train(
        "quiet",
        RoleArn=role,
        HyperParameters={"say": "value=0.5", "sleep": "2"},
        AlgorithmSpecification=algorithm(image_lab),
    )
    job = image_lab.trained("quiet")
    assert job["TrainingJobStatus"] == "Completed", job
    assert image_lab.lines(GROUP, "quiet/") == []
    log = Path(f"{image_lab.account.state}.log").read_text()
    assert "metrics of the training job quiet are lost: AccessDenied" in log
    assert "lines of /aws/sagemaker/TrainingJobs quiet/algo-1" in log
    assert "Traceback" not in log


@pytest.mark.docker
def test_a_script_that_raises_fails_the_job_with_its_failure_file(image_lab: SageMakerLab) -> None:
    image_lab.train("raises", HyperParameters={"fail": "ValueError: no rows " + "x" * 2000})
    job = image_lab.trained("raises")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("AlgorithmError: ValueError: no rows xx")
    assert job["FailureReason"].endswith(", exit code: 3")
    assert len(job["FailureReason"]) == 1024
    assert "ModelArtifacts" not in job
    keys = image_lab.s3.list_objects_v2(Bucket=BUCKET, Prefix="output/raises/")
    assert "Contents" not in keys


@pytest.mark.docker
@pytest.mark.parametrize("temper", ["obedient", "stubborn"])
def test_a_job_that_runs_too_long_is_stopped_with_what_it_saved(image_lab: SageMakerLab, temper: str) -> None:
    """The stubborn one ignores SIGTERM and is killed after its grace period."""
    name = f"slow-{temper}"
    image_lab.train(
        name, HyperParameters={"sleep": "60", temper: "yes"}, StoppingCondition={"MaxRuntimeInSeconds": 1}
    )
    job = image_lab.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert list(archive(image_lab, f"output/{name}/output/model.tar.gz")) == ["partial.txt"]


@pytest.mark.docker
def test_a_job_can_be_stopped(image_lab: SageMakerLab) -> None:
    image_lab.train("stopped", HyperParameters={"sleep": "60"})
    image_lab.when(
        lambda: image_lab.sagemaker.describe_training_job(TrainingJobName="stopped"),
        lambda job: job["SecondaryStatus"] == "Training",
    )
    image_lab.sagemaker.stop_training_job(TrainingJobName="stopped")
    job = image_lab.trained("stopped")
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [step["Status"] for step in job["SecondaryStatusTransitions"]]
    with pytest.raises(ClientError, match="in status Stopped"):
        image_lab.sagemaker.stop_training_job(TrainingJobName="stopped")


@pytest.mark.docker
def test_a_quota_of_an_instance_type_holds_before_and_after_it_has_been_raised(
    image_lab: SageMakerLab,
) -> None:
    resources = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 5}
    with pytest.raises(ClientError, match=r"'ml\.m5\.xlarge for training job usage' is 0 Instances, with"):
        image_lab.train("typed", ResourceConfig=resources)
    image_lab.account.client("service-quotas").request_service_quota_increase(
        ServiceCode="sagemaker", QuotaCode="L-CCE2AFA6", DesiredValue=1
    )
    image_lab.train("typed", HyperParameters={"sleep": "60"}, ResourceConfig=resources)

    with pytest.raises(ClientError) as refused:
        image_lab.train("typed-too", ResourceConfig=resources)

    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    assert refused.value.response["Error"]["Message"].startswith(
        "The account-level service limit 'ml.m5.xlarge for training job usage' is 1 Instances, with current "
        "utilization of 1 Instances and a request delta of 1 Instances."
    )
    image_lab.train("of-another-type")
    for name in ("typed", "of-another-type"):
        image_lab.sagemaker.stop_training_job(TrainingJobName=name)
        image_lab.trained(name)


@pytest.mark.docker
def test_instances_beyond_the_quota_are_refused_in_sagemakers_words(image_lab: SageMakerLab) -> None:
    names = [f"quota-{number}" for number in range(4)]
    for name in names:
        image_lab.train(name, HyperParameters={"sleep": "60"})

    with pytest.raises(ClientError) as refused:
        image_lab.train("quota-5")

    assert refused.value.response["Error"]["Code"] == "ResourceLimitExceeded"
    assert refused.value.response["Error"]["Message"].startswith(
        "The account-level service limit 'Number of instances across all training jobs' is 4 Instances, with "
        "current utilization of 4 Instances and a request delta of 1 Instances."
    )
    for name in names:
        image_lab.sagemaker.stop_training_job(TrainingJobName=name)
    assert {image_lab.trained(name)["TrainingJobStatus"] for name in names} == {"Stopped"}


@pytest.mark.docker
def test_a_name_in_use_is_refused(image_lab: SageMakerLab) -> None:
    image_lab.train("taken")
    with pytest.raises(ClientError, match="ResourceInUse"):
        image_lab.train("taken")
    image_lab.trained("taken")


@pytest.mark.docker
def test_a_manifest_names_the_files_of_a_channel(image_lab: SageMakerLab) -> None:
    manifest = [{"prefix": f"s3://{BUCKET}/input/"}, "iris.csv"]
    image_lab.s3.put_object(Bucket=BUCKET, Key="manifest.json", Body=json.dumps(manifest))
    image_lab.train(
        "manifest",
        InputDataConfig=[channel("training", f"s3://{BUCKET}/manifest.json", "ManifestFile")],
    )
    assert image_lab.trained("manifest")["TrainingJobStatus"] == "Completed"
    seen = archive(image_lab, "output/manifest/output/output.tar.gz")["seen.json"]
    assert json.loads(seen)["files"]["input/data/training/iris.csv"] == "1,2,3\n"


@pytest.mark.docker
@pytest.mark.parametrize("odd", ["#", "?", "%23 + ä"])
def test_every_character_of_a_key_counts(image_lab: SageMakerLab, odd: str) -> None:
    lab = image_lab
    for key in (f"odd/set{odd}1/a.csv", f"odd/set{odd}2/b.csv", f"odd/ck{odd}9/state", "odd/ck/other"):
        lab.s3.put_object(Bucket=BUCKET, Key=key, Body=b"1\n")
    manifest = [{"prefix": f"s3://{BUCKET}/odd/set{odd}1/"}, "a.csv"]
    lab.s3.put_object(Bucket=BUCKET, Key=f"odd/list{odd}.json", Body=json.dumps(manifest))
    name = f"odd-{ord(odd[0])}"
    lab.train(
        name,
        InputDataConfig=[
            channel("training", f"s3://{BUCKET}/odd/set{odd}2/"),
            channel("listed", f"s3://{BUCKET}/odd/list{odd}.json", "ManifestFile"),
        ],
        OutputDataConfig={"S3OutputPath": f"s3://{BUCKET}/out{odd}1"},
        CheckpointConfig={"S3Uri": f"s3://{BUCKET}/odd/ck{odd}9"},
    )
    job = lab.trained(name)
    assert job["TrainingJobStatus"] == "Completed", job
    results = f"out{odd}1/{name}/output"
    assert job["ModelArtifacts"]["S3ModelArtifacts"] == f"s3://{BUCKET}/{results}/model.tar.gz"
    seen = json.loads(archive(lab, f"{results}/output.tar.gz")["seen.json"])
    data = [path for path in seen["files"] if path.startswith("input/data/")]
    assert sorted(data) == ["input/data/listed/a.csv", "input/data/training/b.csv"]
    assert seen["checkpoints"] == ["checkpoints/state"]
    lab.model(name, f"s3://{BUCKET}/{results}/model.tar.gz")


@pytest.mark.docker
def test_reading_the_data_needs_the_roles_permissions(image_lab: SageMakerLab) -> None:
    iam = image_lab.account.client("iam")
    blind = make_role(iam, "blind", "sagemaker.amazonaws.com", actions=["s3:GetObject"])
    with pytest.raises(
        ClientError, match=r'"s3:ListBucket" permissions on bucket.*s3:ListBucket on resource'
    ):
        image_lab.train("blind", RoleArn=blind)
    lister = make_role(iam, "lister", "sagemaker.amazonaws.com", actions=["s3:ListBucket", "logs:*", "ecr:*"])
    image_lab.train("lister", RoleArn=lister)
    job = image_lab.trained("lister")
    assert job["TrainingJobStatus"] == "Failed"
    assert job["FailureReason"].startswith("ClientError: Data download failed:AccessDenied (403): User: ")


@pytest.mark.docker
def test_an_image_goes_by_its_name_on_aws(image_lab: SageMakerLab) -> None:
    usual = image_lab.image
    on_aws = f"123456789012.dkr.ecr.us-east-1.amazonaws.com/{usual.partition('/')[2]}"
    image_lab.image = on_aws
    try:
        image_lab.train("name-on-aws")
    finally:
        image_lab.image = usual
    job = image_lab.trained("name-on-aws")
    assert job["TrainingJobStatus"] == "Completed"
    assert job["AlgorithmSpecification"]["TrainingImage"] == on_aws


@pytest.mark.docker
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"InputDataConfig": [channel("training", f"s3://{BUCKET}/nothing/")]},
            f'No S3 objects found under S3 URL "s3://{BUCKET}/nothing/"',
        ),
        (
            {"InputDataConfig": [channel("training", "s3://no-such-bucket/x/")]},
            "The specified bucket does not exist",
        ),
        ({"RoleArn": "arn:aws:iam::123456789012:role/nobody"}, "nobody"),
        (
            {"ResourceConfig": {"InstanceType": "ml.huge", "InstanceCount": 1, "VolumeSizeInGB": 5}},
            "Member must satisfy enum value set",
        ),
        (
            {"ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 2, "VolumeSizeInGB": 5}},
            "distributed training",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "python:3.12",
                    "TrainingInputMode": "File",
                }
            },
            "non-ECR image",
        ),
        (
            {
                "AlgorithmSpecification": {
                    "TrainingImage": "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-xgboost:1.7-1",
                    "TrainingInputMode": "File",
                }
            },
            "of another account or region: push a copy to a repository of account 123456789012 in us-east-1",
        ),
        (
            {"StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 60}},
            "It is only supported when EnableManagedSpotTraining is set to true",
        ),
        (
            {
                "EnableManagedSpotTraining": True,
                "StoppingCondition": {"MaxRuntimeInSeconds": 60, "MaxWaitTimeInSeconds": 59},
            },
            r"must be greater than or equal to MaxRuntimeInSeconds \(60\)",
        ),
        ({"RemoteDebugConfig": {"EnableRemoteDebug": True}}, "RemoteDebugConfig is not supported"),
        ({"ProfilerConfig": {"S3OutputPath": "s3://bucket/profile"}}, "ProfilerConfig is not supported"),
        ({"SessionChainingConfig": {"EnableSessionTagChaining": True}}, "SessionChainingConfig is not"),
        (
            {
                "ResourceConfig": {
                    "InstanceType": "ml.m5.large",
                    "InstanceCount": 1,
                    "VolumeSizeInGB": 5,
                    "InstancePlacementConfig": {"EnableMultipleJobs": True},
                }
            },
            "InstancePlacementConfig is not supported",
        ),
    ],
)
def test_an_invalid_request_is_refused_with_the_reason(
    image_lab: SageMakerLab, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        image_lab.train("refused", **changes)
    with pytest.raises(ClientError, match="Requested resource not found"):
        image_lab.sagemaker.describe_training_job(TrainingJobName="refused")


@pytest.mark.docker
def test_jobs_are_listed_filtered_and_sorted(image_lab: SageMakerLab) -> None:
    for name in ("list-a", "list-b"):
        image_lab.train(name)
        image_lab.trained(name)
    pages = image_lab.sagemaker.get_paginator("list_training_jobs").paginate(
        NameContains="LIST", StatusEquals="Completed", SortBy="Name", SortOrder="Descending", MaxResults=1
    )
    names = [[job["TrainingJobName"] for job in page["TrainingJobSummaries"]] for page in pages]
    assert names == [["list-b"], ["list-a"]]
