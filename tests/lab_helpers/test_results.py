"""What notebooks show of training jobs, endpoints, images and the bucket."""

from __future__ import annotations

import io
import json
import tarfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from lab_helpers import endpoints, images, plots, storage, training
from lab_helpers.checkpoint import CheckpointFailed, checkpoint
from lab_helpers.display import Table, duration, size
from lab_helpers.lab import Lab
from lab_helpers.live import Live
from lab_helpers.training import Evaluation
from tests.lab_helpers.fakes import START, FakeClient, lab

EXECUTION = "11111111-2222-3333-4444-555555555555"
EVALUATION: Evaluation = {
    "classes": ["a", "b"],
    "rows": {"training": 8, "test": 2},
    "algorithms": {
        "logistic": {"accuracy": 1.0, "recall": {"a": 1.0, "b": 1.0}, "confusion_matrix": [[1, 0], [0, 1]]},
        "random_forest": {
            "accuracy": 0.5,
            "recall": {"a": 1.0, "b": 0.0},
            "confusion_matrix": [[1, 0], [1, 0]],
        },
    },
}


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.Session(region_name="eu-west-1")


def described(**more: Any) -> FakeClient:
    job = {
        "TrainingJobName": f"iris-model-{EXECUTION}",
        "TrainingJobArn": f"arn:aws:sagemaker:eu-west-1:123456789012:training-job/iris-model-{EXECUTION}",
        "TrainingJobStatus": "Completed",
        "SecondaryStatus": "Completed",
        "AlgorithmSpecification": {"TrainingImage": "r/iris-model@sha256:1", "TrainingInputMode": "File"},
        "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
        "StoppingCondition": {"MaxRuntimeInSeconds": 600},
        "CreationTime": START,
        "OutputDataConfig": {"S3OutputPath": "s3://bucket/training/output/"},
        "ModelArtifacts": {"S3ModelArtifacts": "s3://bucket/model.tar.gz"},
        **more,
    }
    return FakeClient("sagemaker", describe_training_job=lambda TrainingJobName: job)


def test_a_training_job_is_shown_with_metrics_and_time(tmp_path: Path) -> None:
    client = described(
        TrainingStartTime=START,
        TrainingEndTime=START + timedelta(seconds=75),
        BillableTimeInSeconds=75,
        HyperParameters={"C": "1.0"},
        FinalMetricDataList=[{"MetricName": "logistic:accuracy", "Value": 0.9667, "Timestamp": START}],
        SecondaryStatusTransitions=[
            {"Status": "Training", "StartTime": START, "StatusMessage": "in progress"}
        ],
    )
    job = training.describe(lab(tmp_path, sagemaker=client), f"iris-model-{EXECUTION}")
    assert job.metrics == {"logistic:accuracy": 0.9667}
    assert job.transitions == (("Training", "in progress"),)
    assert "1 min 15 s (75 s billed)" in str(job)


def test_the_matrices_of_many_algorithms_take_several_rows() -> None:
    scores = EVALUATION["algorithms"]["logistic"]
    many: Evaluation = {**EVALUATION, "algorithms": {f"algorithm {i}": scores for i in range(5)}}
    grid = plots.confusion(many).figure.axes
    assert [axes.get_title() for axes in grid] == [f"algorithm {i}" for i in range(5)] + [""]
    assert [axes.axison for axes in grid] == [True] * 5 + [False]


def test_a_failed_training_job_shows_its_reason(tmp_path: Path) -> None:
    client = described(TrainingJobStatus="Failed", FailureReason="AlgorithmError: no column species")
    job = training.describe(lab(tmp_path, sagemaker=client), "j")
    assert "no column species" in str(job)
    assert job.seconds is None


def test_the_evaluation_is_read_from_the_jobs_output(tmp_path: Path, aws: Any) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        member = tarfile.TarInfo("./evaluation.json")
        member.size = len(json.dumps(EVALUATION))
        tar.addfile(member, io.BytesIO(json.dumps(EVALUATION).encode()))
    key = f"training/output/iris-model-{EXECUTION}/output/output.tar.gz"
    s3.put_object(Bucket="bucket", Key=key, Body=content.getvalue())
    s3.put_object(Bucket="bucket", Key=f"training/reports/{EXECUTION}.json", Body=b'{"schema": 1}')
    here = lab(tmp_path, sagemaker=described(), s3=s3)
    assert training.evaluation(here, training.describe(here, f"iris-model-{EXECUTION}")) == EVALUATION
    report: Any = training.report(here, EXECUTION)
    assert report == {"schema": 1}


def test_the_log_of_a_job_is_found_by_its_name(tmp_path: Path, aws: Any) -> None:
    logs = aws.client("logs")
    here = lab(tmp_path, logs=logs)
    assert training.log_lines(here, "job") == []
    now = int(time.time() * 1000)
    logs.create_log_group(logGroupName=training.LOG_GROUP)
    for stream in ("job/algo-1", "job-2/algo-1"):
        logs.create_log_stream(logGroupName=training.LOG_GROUP, logStreamName=stream)
        logs.put_log_events(
            logGroupName=training.LOG_GROUP,
            logStreamName=stream,
            logEvents=[{"timestamp": now + i, "message": f"{stream} {i}"} for i in range(3)],
        )
    assert training.log_lines(here, "job", 2) == ["job/algo-1 1", "job/algo-1 2"]


def serving(statuses: list[str], **more: Any) -> FakeClient:
    def describe_endpoint(EndpointName: str) -> dict[str, Any]:
        return {
            "EndpointName": EndpointName,
            "EndpointArn": f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{EndpointName}",
            "EndpointConfigName": f"{EndpointName}-{EXECUTION}",
            "EndpointStatus": statuses.pop(0) if len(statuses) > 1 else statuses[0],
            "ProductionVariants": [{"VariantName": "AllTraffic", "CurrentInstanceCount": 2}],
            "CreationTime": START,
            "LastModifiedTime": START,
            **more,
        }

    return FakeClient(
        "sagemaker",
        describe_endpoint=describe_endpoint,
        describe_endpoint_config=lambda EndpointConfigName: {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": "arn:aws:sagemaker:eu-west-1:123456789012:endpoint-config/x",
            "CreationTime": START,
            "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": f"iris-model-{EXECUTION}"}],
        },
        describe_model=lambda ModelName: {
            "ModelName": ModelName,
            "PrimaryContainer": {"Image": "r/iris-model@sha256:1", "ModelDataUrl": "s3://b/model.tar.gz"},
            "CreationTime": START,
            "ModelArn": "arn:aws:sagemaker:eu-west-1:123456789012:model/x",
        },
    )


def deployed(config: str, status: str = "UPDATE_COMPLETE") -> FakeClient:
    """The stack of an endpoint, as far as it says what it has deployed."""
    stack = {
        "StackName": "iris-model-dev",
        "StackStatus": status,
        "CreationTime": START,
        "Outputs": [{"OutputKey": "EndpointConfigName", "OutputValue": config}],
    }
    return FakeClient("cloudformation", describe_stacks=lambda StackName: {"Stacks": [stack]})


@pytest.mark.parametrize("reason", ["an alarm", ""])
def test_a_release_that_was_rolled_back_is_not_taken_for_success(tmp_path: Path, reason: str) -> None:
    """With a stack that does: such clients have deleted what serves."""
    client = serving(["InService"], **({"FailureReason": reason} if reason else {}))
    stack = deployed("iris-model-dev-another")
    with pytest.raises(endpoints.EndpointError, match=f"rolled back .*do not delete .*{EXECUTION}"):
        endpoints.wait(lab(tmp_path, sagemaker=client, cloudformation=stack), "iris-model-dev")


def test_a_release_that_was_rolled_back_with_its_stack_shows_it(tmp_path: Path) -> None:
    client = serving(["InService"], FailureReason="an alarm")
    stack = deployed("iris-model-dev-another", "UPDATE_ROLLBACK_IN_PROGRESS")
    release = endpoints.wait(lab(tmp_path, sagemaker=client, cloudformation=stack), "iris-model-dev")
    assert "rolled back" in repr(endpoints.releases_table([release]))


def test_it_waits_for_an_endpoint_and_traces_it_back_to_its_execution(tmp_path: Path) -> None:
    client = serving(["Creating", "Creating", "InService"])
    slept: list[float] = []
    here = lab(tmp_path, sagemaker=client, cloudformation=deployed(f"iris-model-dev-{EXECUTION}"))
    release = endpoints.wait(here, "iris-model-dev", sleep=slept.append)
    assert len(slept) == 2
    assert release.execution_id == EXECUTION
    assert (release.model, release.digest, release.instances) == (f"iris-model-{EXECUTION}", "sha256:1", 2)
    assert EXECUTION in repr(endpoints.releases_table([release]))


def test_a_failed_endpoint_says_why(tmp_path: Path) -> None:
    client = serving(["Failed"], FailureReason="did not pass the ping health check")
    with pytest.raises(endpoints.EndpointError, match="ping health check"):
        endpoints.wait(lab(tmp_path, sagemaker=client), "iris-model-dev")


@pytest.mark.parametrize("ask", [endpoints.wait, endpoints.release])
@pytest.mark.parametrize(("environment", "notebook"), [("dev", "03"), ("prd", "04")])
def test_an_endpoint_that_does_not_exist_is_an_error_that_says_what_makes_it(
    ask: Callable[[Lab, str], endpoints.Release], environment: str, notebook: str, tmp_path: Path
) -> None:
    def nothing(EndpointName: str) -> dict[str, Any]:
        message = f'Could not find endpoint "{EndpointName}".'
        raise ClientError({"Error": {"Code": "ValidationException", "Message": message}}, "DescribeEndpoint")

    here = lab(tmp_path, sagemaker=FakeClient("sagemaker", describe_endpoint=nothing))
    with pytest.raises(
        endpoints.EndpointError,
        match=f"endpoint iris-model-{environment} does not exist(.|\n)*notebook {notebook}",
    ):
        ask(here, f"iris-model-{environment}")


def test_a_prediction_names_its_algorithm_and_carries_it_as_custom_attributes(tmp_path: Path) -> None:
    answer = {"algorithm": "random_forest", "predictions": ["setosa"], "probabilities": [[1.0, 0.0, 0.0]]}

    runtime = FakeClient(
        "sagemaker-runtime", invoke_endpoint=lambda **_: {"Body": io.BytesIO(json.dumps(answer).encode())}
    )
    here = lab(tmp_path, sagemaker_runtime=runtime)
    found = endpoints.invoke(here, "iris-model-dev", [[5.1, 3.5, 1.4, 0.2]], "random_forest")
    assert (found.algorithm, found.labels) == ("random_forest", ("setosa",))
    _, sent = runtime.calls[0]
    assert sent["CustomAttributes"] == "algorithm=random_forest"
    assert json.loads(sent["Body"]) == {"instances": [[5.1, 3.5, 1.4, 0.2]]}
    assert len(endpoints.latencies(here, "iris-model-dev", [1, 2, 3, 4], requests=5)) == 5
    table = endpoints.predictions_table([[5.1, 3.5, 1.4, 0.2]], ["setosa"], found)
    assert "setosa (1.00)" in repr(table)


def test_a_rejected_request_shows_the_containers_message(tmp_path: Path) -> None:
    def refuse(**_: Any) -> dict[str, Any]:
        error = runtime.error("ModelError", "InvokeEndpoint")
        error.response["OriginalMessage"] = "unknown algorithm 'x'"  # type: ignore[attr-defined]
        raise error

    runtime = FakeClient("sagemaker-runtime", invoke_endpoint=refuse)
    with pytest.raises(endpoints.EndpointError, match="unknown algorithm 'x'"):
        endpoints.invoke(lab(tmp_path, sagemaker_runtime=runtime), "iris-model-dev", [[1]], "x")


def test_scaling_shows_this_endpoints_variants_only(tmp_path: Path) -> None:
    def target(endpoint: str) -> dict[str, Any]:
        return {
            "ServiceNamespace": "sagemaker",
            "ResourceId": f"endpoint/{endpoint}/variant/AllTraffic",
            "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
            "MinCapacity": 1,
            "MaxCapacity": 3,
            "RoleARN": "arn:aws:iam::123456789012:role/r",
            "CreationTime": START,
        }

    def policies(ServiceNamespace: str, ResourceId: str) -> dict[str, Any]:
        return {
            "ScalingPolicies": [
                {
                    "PolicyARN": "arn",
                    "PolicyName": "requests",
                    "ServiceNamespace": ServiceNamespace,
                    "ResourceId": ResourceId,
                    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
                    "PolicyType": "TargetTrackingScaling",
                    "TargetTrackingScalingPolicyConfiguration": {
                        "TargetValue": 1000.0,
                        "PredefinedMetricSpecification": {
                            "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
                        },
                    },
                    "CreationTime": START,
                }
            ]
        }

    client = FakeClient(
        "application-autoscaling",
        describe_scalable_targets=lambda ServiceNamespace: {
            "ScalableTargets": [target("iris-model-prd"), target("ana-iris-model-prd")]
        },
        describe_scaling_policies=policies,
    )
    table = endpoints.scaling(lab(tmp_path, application_autoscaling=client), "iris-model-prd")
    assert table.rows == [
        [
            "endpoint/iris-model-prd/variant/AllTraffic",
            "1 to 3",
            "requests",
            "SageMakerVariantInvocationsPerInstance = 1000.0",
        ]
    ]


def test_percentiles_are_nearest_ranks() -> None:
    values = [float(value) for value in range(1, 101)]
    assert endpoints.percentile(values, 50) == 50
    assert endpoints.percentile(values, 95) == 95
    assert endpoints.percentile([7.0], 95) == 7


def test_the_bucket_is_shown_with_writers_readers_and_versions(tmp_path: Path, aws: Any) -> None:
    s3 = aws.client("s3")
    s3.create_bucket(Bucket="bucket", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    job = f"training/output/ana-iris-model-{EXECUTION}/output"
    for key in (
        "training/input/iris.csv",
        "training/source/trainingjob.zip",
        "training/source/trainingjob.zip",
        f"{job}/model.tar.gz",
        f"{job}/output.tar.gz",
        f"training/reports/{EXECUTION}.json",
        "pipelines/ana-scikit-base/Source/1.zip",
        "ana-iris-train-pipel/Source/abc.zip",
        "ana-iris-train-pipel/Source/def.zip",
        "holiday.jpg",
    ):
        s3.put_object(Bucket="bucket", Key=key, Body=b"x" * 2048)
    s3.delete_object(Bucket="bucket", Key="holiday.jpg")
    s3.put_object(Bucket="bucket", Key="notes.txt", Body=b"x")
    rows = {row[0].strip("\u2003"): row[1:] for row in storage.tree(lab(tmp_path, "ana", s3=s3)).rows}
    assert "holiday.jpg" not in rows
    assert rows["iris.csv"][2:] == ["notebook 03", "training job (channel training)"]
    assert rows["trainingjob.zip"][:3] == ["2.0 KB", "2", "notebook 03"]
    assert rows["model.tar.gz"][3] == "models of the DEV and PRD endpoints"
    assert rows["output.tar.gz"][3] == "monitor and tester functions (evaluation, held-out rows)"
    assert rows[f"{EXECUTION}.json"][2] == "monitor function"
    assert rows["Source/"][:2] == ["2.0 KB", "1 object"] or rows["Source/"][:2] == ["4.0 KB", "2 objects"]
    assert rows["notes.txt"][2] == "not the workshop"


def test_images_are_found_by_tag_newest_first(tmp_path: Path) -> None:
    def detail(tag: str, minute: int) -> dict[str, Any]:
        return {
            "imageDigest": f"sha256:{minute:064d}",
            "imageTags": [tag],
            "imageSizeInBytes": 1024,
            "imagePushedAt": START + timedelta(minutes=minute),
        }

    ecr = FakeClient(
        "ecr",
        describe_repositories=lambda repositoryNames: {
            "repositories": [{"repositoryUri": f"registry/{repositoryNames[0]}"}]
        },
        describe_images=lambda repositoryName: {
            "imageDetails": [detail("old", 1), detail("latest", 2), {**detail("x", 0), "imageTags": []}]
        },
    )
    here = lab(tmp_path, ecr=ecr)
    found = images.list_images(here, "iris-model")
    assert [image.tags for image in found] == [("latest",), ("old",), ()]
    assert found[0].uri == f"registry/iris-model@sha256:{2:064d}"
    assert images.find(here, "iris-model", "old") == found[1]
    assert images.find(here, "iris-model", "none") is None
    assert "1.0 KB" in repr(images.table(found))


def test_a_checkpoint_passes_or_stops_with_the_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    checkpoint("the sun shines", True, fix="wait")
    assert capsys.readouterr().out == "✓ the sun shines\n"
    with pytest.raises(CheckpointFailed, match=r"the image is in ECR(.|\n)*run notebook 01"):
        checkpoint("the image is in ECR", None, fix="run notebook 01")


def test_tables_read_as_text_and_as_html() -> None:
    table = Table(["name", "n"], [["<b>", 1], ["longer", None]], caption="c & d")
    assert repr(table).splitlines() == ["c & d", "name    n", "<b>     1", "longer"]
    assert "&lt;b&gt;" in table._repr_html_()
    assert "c &amp; d" in table._repr_html_()


def test_a_live_table_prints_only_what_changed(capsys: pytest.CaptureFixture[str]) -> None:
    live = Live()
    for state in ("a", "a", "b"):
        live.show(Table(["k", "v"], [["x", state], ["y", "-"]]))
    assert capsys.readouterr().out.splitlines() == ["k  v", "x  a", "y  -", "x  b"]


@pytest.mark.parametrize(
    ("seconds", "shown"), [(None, ""), (3.24, "3.2 s"), (59.94, "59.9 s"), (65.2, "1 min 05 s")]
)
def test_durations_read_well(seconds: float | None, shown: str) -> None:
    assert duration(seconds) == shown


def test_sizes_read_well() -> None:
    assert [size(n) for n in (0, 1023, 1536, 5 * 1024**2, 3 * 1024**3)] == [
        "0 B",
        "1023 B",
        "1.5 KB",
        "5.0 MB",
        "3.0 GB",
    ]


def test_plots_show_every_algorithm() -> None:
    assert len(plots.confusion(EVALUATION).figure.axes) == 2
    figure = plots.scores(EVALUATION, {"minimum accuracy": 0.9}).figure
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "minimum accuracy 0.9",
        "logistic",
        "random_forest",
    ]
    latency = plots.latency({"logistic": [1.0, 2.0, 3.0]})
    assert [t.get_text() for t in latency.figure.axes[0].get_yticklabels()] == [
        "logistic\np50 2.0 ms, p95 3.0 ms"
    ]


def test_a_plot_says_in_words_what_it_shows() -> None:
    scores = plots.scores(EVALUATION, {"minimum accuracy": 0.9})
    assert "logistic: accuracy" in scores.alt
    assert "minimum accuracy 0.9" in scores.alt
    assert "logistic: " in plots.confusion(EVALUATION).alt
    latency = plots.latency({"<b>": [1.0, 2.0, 3.0]})
    assert latency.alt == "Box plots of latency. <b>: p50 2.0 ms, p95 3.0 ms."
    assert repr(latency) == latency.alt
    shown = latency._repr_html_()
    assert '<img alt="Box plots of latency. &lt;b&gt;: p50 2.0 ms' in shown
    assert "data:image/png;base64," in shown


def test_views_of_a_regressor_show_its_score_and_errors() -> None:
    scores = {"r2": -0.5, "mean_absolute_error": 1234.5, "root_mean_squared_error": 2345.6}
    evaluation: Any = {
        "task": "regression",
        "algorithms": {"ridge": scores, "forest": {**scores, "r2": 0.9}},
        "classes": [],
        "rows": {"training": 120, "test": 30},
    }
    report: Any = {"qualityGate": {"MinimumR2": 0.8, "MaximumR2Drop": 0.05}}
    assert training.thresholds(report) == {"minimum r2": 0.8}
    axes = plots.scores(evaluation, training.thresholds(report)).figure.axes[0]
    assert axes.get_ylim()[0] < -0.5, "a negative score is visible"
    assert [one.get_text() for one in axes.texts] == ["-0.50", "0.90"]
    errors = [[one.get_text() for one in axes.texts] for axes in plots.confusion(evaluation).figure.axes]
    assert errors == [["1234", "1234"], ["2346", "2346"]]
    answer = endpoints.Prediction("ridge", (1.25,), (), 1.0)
    assert "1.25" in repr(endpoints.predictions_table([[5.1]], ["1.3"], answer))
