"""The Train action starts one training job per execution, even when an event is delivered twice."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.response import StreamingBody
from botocore.stub import ANY
from launcher.handler import answer
from launcher.launch import Launcher, Settings

from tests.cfn.functions.stubbed import stub
from tests.cfn.functions.test_descriptor import GOOD, TEMPLATES
from tests.zips import zipped

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ArtifactLocationTypeDef, JobTypeDef

EXECUTION = "0a1b2c3d-0000-4000-8000-000000000001"
JOB = f"ana-iris-model-{EXECUTION}"
DIGEST = "sha256:" + "a" * 64
COMMIT = "c" * 40
REPOSITORY = "1234.dkr.ecr.eu-west-1.amazonaws.com/ana-iris-model"
SETTINGS = Settings(
    bucket="ana-mlops",
    lab="ana",
    expires="2026-11-30T18:00:00Z",
    training_job_prefix="ana-iris-model-",
    image_repository="ana-iris-model",
    image_tag="latest",
    training_role_arn="arn:aws:iam::123456789012:role/ana-mlops-sagemaker",
    monitor_rule="ana-mlops-job-monitor-iris-model",
    pipeline="ana-iris-train-pipeline",
    retraining_rules="ana-iris-train-drift,ana-iris-train-labels",
)
EARLIER, EARLIEST = (f"0a1b2c3d-0000-4000-8000-00000000000{n}" for n in ("9", "8"))
VARIABLES = {
    "TrainingJobName": JOB,
    "ExecutionId": EXECUTION,
    "ImageUri": f"{REPOSITORY}@{DIGEST}",
    "ModelDataUrl": f"s3://ana-mlops/training/output/{JOB}/output/model.tar.gz",
    "ReportUri": f"s3://ana-mlops/training/reports/{EXECUTION}.json",
}


class Account:
    """The launcher, and the answers that its clients will get."""

    def __init__(self) -> None:
        self.clients, self.stubs = {}, {}
        for name in ("s3", "ecr", "sagemaker", "events", "codepipeline"):
            self.clients[name], self.stubs[name] = stub(name)
        self.record: dict[str, Any] = {}
        self.mark = ""
        self.launcher = Launcher(
            SETTINGS,
            **{name: self.clients[name] for name in ("s3", "ecr", "sagemaker", "events", "codepipeline")},
        )

        def keep(params: dict[str, Any], **_: Any) -> None:
            if params["Key"].startswith("training/jobs/"):
                self.record = json.loads(params["Body"])
            else:
                self.mark = params["Key"]

        self.clients["s3"].meta.events.register("provide-client-params.s3.PutObject", keep)

    def is_started_by(self, rule: str = "ana-iris-train-upload") -> None:
        arn = f"arn:aws:events:eu-west-1:123456789012:rule/{rule}"
        self.stubs["codepipeline"].add_response(
            "get_pipeline_execution",
            {"pipelineExecution": {"trigger": {"triggerType": "CloudWatchEvent", "triggerDetail": arn}}},
            {"pipelineName": SETTINGS.pipeline, "pipelineExecutionId": EXECUTION},
        )

    def finds_data(self, etag: str = "0a") -> None:
        self.stubs["s3"].add_response(
            "list_objects_v2",
            {"Contents": [{"Key": "training/input/iris.csv", "ETag": f'"{etag}"'}]},
            {"Bucket": "b", "Prefix": "training/input/"},
        )
        self.stubs["s3"].add_response(
            "head_object", {"VersionId": "v7"}, {"Bucket": "b", "Key": "training/input/iris.csv"}
        )

    def has_trained(self, *executions: str) -> None:
        """Expect the question which executions trained with `GOOD`; the last one is the newest."""
        prefix = trained_with(GOOD).rpartition("/")[0]
        self.stubs["s3"].add_response(
            "list_objects_v2",
            {
                "Contents": [
                    {
                        "Key": f"{prefix}/{execution}",
                        "LastModified": datetime(2026, 12, 1, hour, tzinfo=UTC),
                    }
                    for hour, execution in enumerate(executions)
                ]
            },
            {"Bucket": "ana-mlops", "Prefix": f"{prefix}/"},
        )

    def starts_a_job(self) -> None:
        arn = "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x"
        self.stubs["sagemaker"].add_response("create_training_job", {"TrainingJobArn": arn})

    def has_job(self, status: str, **more: Any) -> None:
        described = {
            "TrainingJobName": JOB,
            "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x",
            "ModelArtifacts": {"S3ModelArtifacts": "s3://x"},
            "TrainingJobStatus": status,
            "SecondaryStatus": "Training",
            "AlgorithmSpecification": {"TrainingInputMode": "File", **more},
            "ResourceConfig": {"VolumeSizeInGB": 1},
            "StoppingCondition": {},
            "CreationTime": 0,
        }
        self.stubs["sagemaker"].add_response("describe_training_job", described)

    def uploads(self, descriptor: str) -> None:
        body = zipped({"trainingjob.json": descriptor, **TEMPLATES})
        self.stubs["s3"].add_response(
            "get_object",
            {"Body": StreamingBody(io.BytesIO(body), len(body))},
            {"Bucket": "ana-mlops", "Key": "pipelines/x"},
        )

    def has_image(self) -> None:
        self.stubs["ecr"].add_response(
            "describe_images",
            {"imageDetails": [{"imageDigest": DIGEST}]},
            {"repositoryName": "ana-iris-model", "imageIds": [{"imageTag": "latest"}]},
        )
        self.stubs["ecr"].add_response(
            "describe_repositories",
            {"repositories": [{"repositoryUri": REPOSITORY}]},
            {"repositoryNames": ["ana-iris-model"]},
        )

    def keeps_the_record_and_wakes_the_monitor(self, digest: str = DIGEST) -> None:
        self.stubs["ecr"].add_response(
            "describe_images",
            {"imageDetails": [{"imageDigest": DIGEST, "imageTags": ["latest", COMMIT]}]},
            {"repositoryName": "ana-iris-model", "imageIds": [{"imageDigest": digest}]},
        )
        self.stubs["s3"].add_response(
            "put_object",
            {},
            {
                "Bucket": "ana-mlops",
                "Key": f"training/jobs/{EXECUTION}.json",
                "Body": ANY,
                "ContentType": "application/json",
            },
        )
        self.stubs["s3"].add_response("put_object", {}, {"Bucket": "ana-mlops", "Key": ANY, "Body": b""})
        self.stubs["events"].add_response("enable_rule", {}, {"Name": SETTINGS.monitor_rule})

    def succeeds(self) -> None:
        self.stubs["codepipeline"].add_response(
            "put_job_success_result", {}, {"jobId": EXECUTION, "outputVariables": VARIABLES}
        )

    def fails(self, kind: str) -> list[str]:
        """Expect a failure of `kind`; its message is in the returned list after the call."""
        messages: list[str] = []
        self.stubs["codepipeline"].add_response(
            "put_job_failure_result", {}, {"jobId": EXECUTION, "failureDetails": ANY}
        )

        def keep(params: dict[str, Any], **_: Any) -> None:
            assert params["failureDetails"]["type"] == kind, params
            messages.append(params["failureDetails"]["message"])

        self.clients["codepipeline"].meta.events.register(
            "provide-client-params.codepipeline.PutJobFailureResult", keep
        )
        return messages

    def answers(self, parameters: str = json.dumps({"PipelineExecutionId": EXECUTION})) -> None:
        location: ArtifactLocationTypeDef = {
            "type": "S3",
            "s3Location": {"bucketName": "ana-mlops", "objectKey": "pipelines/x"},
        }
        job: JobTypeDef = {
            "id": EXECUTION,
            "accountId": "123456789012",
            "data": {
                "actionConfiguration": {"configuration": {"FunctionName": "x", "UserParameters": parameters}},
                "inputArtifacts": [{"name": "Source", "location": location}],
            },
        }
        answer(job, self.launcher, self.clients["codepipeline"])
        for stubber in self.stubs.values():
            stubber.assert_no_pending_responses()


@pytest.fixture
def account() -> Account:
    return Account()


def test_the_job_runs_the_image_by_digest_and_the_variables_point_to_its_model(account: Account) -> None:
    account.uploads(json.dumps({**GOOD, "MetricDefinitions": [{"Name": "a", "Regex": "a=(.*)"}]}))
    account.has_image()
    account.finds_data()
    account.is_started_by()
    expected = {
        **{key: value for key, value in GOOD.items() if key != "QualityGate"},
        "TrainingJobName": JOB,
        "AlgorithmSpecification": {
            "TrainingImage": f"{REPOSITORY}@{DIGEST}",
            "TrainingInputMode": "File",
            "MetricDefinitions": [{"Name": "a", "Regex": "a=(.*)"}],
        },
        "RoleArn": SETTINGS.training_role_arn,
        "OutputDataConfig": {"S3OutputPath": "s3://ana-mlops/training/output"},
        "Tags": [
            {"Key": "mlops-workshop:lab", "Value": "ana"},
            {"Key": "mlops-workshop:expires", "Value": SETTINGS.expires},
            {"Key": "mlops-workshop:execution", "Value": EXECUTION},
        ],
    }
    account.stubs["sagemaker"].add_response(
        "create_training_job",
        {"TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x"},
        expected,
    )
    account.keeps_the_record_and_wakes_the_monitor()
    account.succeeds()

    account.answers()

    assert account.record["Commit"] == COMMIT
    [data] = account.record["Data"]
    assert (data["uri"], data["objects"], data["version"]) == ("s3://b/training/input/", 1, "v7")
    assert account.record["Trigger"] == "rule ana-iris-train-upload"
    assert account.mark.startswith("training/trained/") and account.mark.endswith(f"/{EXECUTION}")


def trained_with(descriptor: dict[str, Any], etag: str = "0a") -> str:
    """Return the mark of an upload with these ingredients."""
    account = Account()
    account.uploads(json.dumps(descriptor))
    account.has_image()
    account.finds_data(etag)
    account.is_started_by()
    account.starts_a_job()
    account.keeps_the_record_and_wakes_the_monitor()
    account.succeeds()
    account.answers()
    return account.mark


def test_what_decides_about_a_model_makes_a_difference_and_nothing_else() -> None:
    machine = {**GOOD, "ResourceConfig": {**GOOD["ResourceConfig"], "InstanceType": "ml.m5.xlarge"}}
    parameters = {**GOOD, "HyperParameters": {"C": "2.0"}}
    gate = {**GOOD, "QualityGate": {**GOOD["QualityGate"], "MinimumRecall": 0.8}}

    assert trained_with(GOOD) == trained_with(machine)
    marks = {trained_with(GOOD), trained_with(GOOD, "0b"), trained_with(parameters), trained_with(gate)}
    assert len(marks) == 4


@pytest.mark.parametrize("rule", SETTINGS.retraining_rules.split(","))
@pytest.mark.parametrize("status", ["Completed", "InProgress"])
def test_an_alarm_or_labels_do_not_train_the_same_again(account: Account, rule: str, status: str) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.finds_data()
    account.is_started_by(rule)
    account.has_trained(EARLIEST, EARLIER)
    account.has_job(status)
    messages = account.fails("JobFailed")

    account.answers()

    assert f"rule {rule} started this execution, but there is nothing new to learn" in messages[0]
    assert f"execution {EARLIER} has the same data" in messages[0]
    assert "training/input/labeled/" in messages[0] and "upload of trainingjob.zip" in messages[0]
    assert account.record == {} and account.mark == ""


@pytest.mark.parametrize(
    ("executions", "statuses"),
    [((), ()), ((EXECUTION,), ()), ((EARLIER,), ("Failed",)), ((EARLIEST, EARLIER), ("Stopped", ""))],
    ids=["new data", "its own first attempt", "a job that failed", "one that was stopped, one that is gone"],
)
def test_an_alarm_trains_what_no_job_has_trained_to_its_end(
    account: Account, executions: tuple[str, ...], statuses: tuple[str, ...]
) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.finds_data()
    account.is_started_by("ana-iris-train-drift")
    account.has_trained(*executions)
    for status in statuses:
        if status:
            account.has_job(status)
        else:
            account.stubs["sagemaker"].add_client_error("describe_training_job", "ValidationException")
    account.starts_a_job()
    account.keeps_the_record_and_wakes_the_monitor()
    account.succeeds()

    account.answers()

    assert account.record["Trigger"] == "rule ana-iris-train-drift"


def test_an_execution_of_which_codepipeline_says_nothing_is_trained(account: Account) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.finds_data()
    account.stubs["codepipeline"].add_client_error("get_pipeline_execution", "AccessDeniedException")
    account.starts_a_job()
    account.keeps_the_record_and_wakes_the_monitor()
    account.succeeds()

    account.answers()

    assert account.record["Trigger"] == ""


def test_a_second_delivery_answers_with_the_first_ones_job(account: Account) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.finds_data()
    account.is_started_by()
    account.stubs["sagemaker"].add_client_error("create_training_job", "ResourceInUse", "exists")
    older = f"{REPOSITORY}@sha256:{'b' * 64}"
    account.has_job("InProgress", TrainingImage=older)
    account.keeps_the_record_and_wakes_the_monitor(f"sha256:{'b' * 64}")
    account.stubs["codepipeline"].add_response(
        "put_job_success_result",
        {},
        {"jobId": EXECUTION, "outputVariables": {**VARIABLES, "ImageUri": older}},
    )

    account.answers()


def test_a_job_that_already_has_a_result_keeps_it(account: Account) -> None:
    account.stubs["codepipeline"].add_client_error(
        "put_job_failure_result", "InvalidJobStateException", "done"
    )

    account.answers(parameters="{}")


def test_without_an_image_the_learner_is_sent_to_notebook_02(account: Account) -> None:
    account.uploads(json.dumps(GOOD))
    account.stubs["ecr"].add_client_error("describe_images", "ImageNotFoundException", "no")
    messages = account.fails("ConfigurationError")

    account.answers()

    assert "has no image tagged latest: run notebook 02" in messages[0]


def test_a_wrong_descriptor_fails_the_action_before_anything_starts(account: Account) -> None:
    account.uploads(json.dumps({**GOOD, "HyperParameters": {"C": 1}}))
    messages = account.fails("ConfigurationError")

    account.answers()

    assert 'C is the number 1: write "C": "1"' in messages[0]


def test_an_invalid_create_training_job_parameter_is_named_by_its_path(account: Account) -> None:
    account.uploads(json.dumps({**GOOD, "ResourceConfig": {"InstanceCount": "one", "Instances": 1}}))
    account.has_image()
    messages = account.fails("ConfigurationError")

    account.answers()

    assert "ResourceConfig.InstanceCount" in messages[0]
    assert '"Instances"' in messages[0]


@pytest.mark.parametrize(
    ("code", "kind", "says"),
    [
        ("ValidationException", "ConfigurationError", "rejected what trainingjob.json asks for: because"),
        ("ResourceLimitExceeded", "JobFailed", "quota does not allow this training job: because"),
        ("ThrottlingException", "JobFailed", "because"),
    ],
)
def test_what_sagemaker_says_reaches_the_learner(account: Account, code: str, kind: str, says: str) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.finds_data()
    account.is_started_by()
    account.stubs["sagemaker"].add_client_error("create_training_job", code, "because")
    messages = account.fails(kind)

    account.answers()

    assert says in messages[0]


def test_user_parameters_without_an_execution_id_say_what_to_deploy(account: Account) -> None:
    messages = account.fails("ConfigurationError")

    account.answers(parameters="oops")

    assert "train-model-pipeline.yml" in messages[0]
