"""The Train action starts one training job per execution, even when an event is delivered twice."""

from __future__ import annotations

import io
import json
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
)
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
        self.launcher = Launcher(
            SETTINGS, **{name: self.clients[name] for name in ("s3", "ecr", "sagemaker", "events")}
        )

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
            "list_objects_v2",
            {"Contents": [{"Key": "training/input/iris.csv", "ETag": '"0a"'}]},
            {"Bucket": "b", "Prefix": "training/input/"},
        )
        self.stubs["s3"].add_response(
            "head_object", {"VersionId": "v7"}, {"Bucket": "b", "Key": "training/input/iris.csv"}
        )

        def keep(params: dict[str, Any], **_: Any) -> None:
            self.record = json.loads(params["Body"])

        self.clients["s3"].meta.events.register("provide-client-params.s3.PutObject", keep)
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


def test_a_second_delivery_answers_with_the_first_ones_job(account: Account) -> None:
    account.uploads(json.dumps(GOOD))
    account.has_image()
    account.stubs["sagemaker"].add_client_error("create_training_job", "ResourceInUse", "exists")
    older = f"{REPOSITORY}@sha256:{'b' * 64}"
    described = {
        "TrainingJobName": JOB,
        "TrainingJobArn": "arn:aws:sagemaker:eu-west-1:123456789012:training-job/x",
        "ModelArtifacts": {"S3ModelArtifacts": "s3://x"},
        "TrainingJobStatus": "InProgress",
        "SecondaryStatus": "Training",
        "AlgorithmSpecification": {"TrainingImage": older, "TrainingInputMode": "File"},
        "ResourceConfig": {"VolumeSizeInGB": 1},
        "StoppingCondition": {},
        "CreationTime": 0,
    }
    account.stubs["sagemaker"].add_response("describe_training_job", described, {"TrainingJobName": JOB})
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
    account.stubs["sagemaker"].add_client_error("create_training_job", code, "because")
    messages = account.fails(kind)

    account.answers()

    assert says in messages[0]


def test_user_parameters_without_an_execution_id_say_what_to_deploy(account: Account) -> None:
    messages = account.fails("ConfigurationError")

    account.answers(parameters="oops")

    assert "train-model-pipeline.yml" in messages[0]
