"""Jobs, models and endpoints whose execution role lacks a permission fail as docs/permissions.md says."""

import io
import json
import tarfile
import uuid

import pytest
from botocore.exceptions import ClientError

from tests.local_account.permission_tables import Entry, entries, role_without
from tests.local_account.services.sagemaker.sagemaker_lab import BUCKET, SageMakerLab

pytestmark = [pytest.mark.slow, pytest.mark.docker]

ENTRIES = entries("SageMaker AI")
MODEL = f"s3://{BUCKET}/models/of-roles.tar.gz"
ALARM = "of-roles"


@pytest.fixture(scope="module")
def serving(image_lab: SageMakerLab) -> SageMakerLab:
    """A model that serves, its configuration, and an alarm that is never in ALARM."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    image_lab.s3.put_object(Bucket=BUCKET, Key=MODEL.partition(f"{BUCKET}/")[2], Body=archive.getvalue())
    image_lab.model("of-roles", MODEL, GREETING="hello")
    image_lab.config("of-roles", {"ModelName": "of-roles"})
    image_lab.alarm(ALARM)
    return image_lab


def training(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    lab.train(name, RoleArn=role)
    job = lab.trained(name)
    return job["TrainingJobStatus"], job["FailureReason"]


def model(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    with pytest.raises(ClientError) as refused:
        lab.sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role,
            PrimaryContainer={"Image": lab.image, "ModelDataUrl": MODEL},
        )
    error = refused.value.response["Error"]
    return error["Code"], error["Message"]


def configured(lab: SageMakerLab, name: str, role: str) -> None:
    """Create a model while the role still may, and its configuration."""
    iam, short = lab.account.client("iam"), role.rpartition("/")[2]
    rest = iam.get_role_policy(RoleName=short, PolicyName="rest")["PolicyDocument"]
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    iam.put_role_policy(RoleName=short, PolicyName="rest", PolicyDocument=everything)
    lab.sagemaker.create_model(
        ModelName=name, ExecutionRoleArn=role, PrimaryContainer={"Image": lab.image, "ModelDataUrl": MODEL}
    )
    lab.config(name, {"ModelName": name})
    iam.put_role_policy(RoleName=short, PolicyName="rest", PolicyDocument=json.dumps(rest))


def creating(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    configured(lab, name, role)
    endpoint = lab.endpoint(name, name)
    lab.delete_endpoint(name)
    return endpoint["EndpointStatus"], endpoint["FailureReason"]


def updating(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    configured(lab, name, role)
    lab.endpoint(name, "of-roles")
    lab.sagemaker.update_endpoint(
        EndpointName=name,
        EndpointConfigName=name,
        DeploymentConfig={
            "BlueGreenUpdatePolicy": {
                "TrafficRoutingConfiguration": {"Type": "ALL_AT_ONCE", "WaitIntervalInSeconds": 1}
            },
            "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": ALARM}]},
        },
    )
    endpoint = lab.settled(name)
    lab.delete_endpoint(name)
    assert endpoint["EndpointConfigName"] == "of-roles"
    return endpoint["EndpointStatus"], endpoint["FailureReason"]


def transforming(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    configured(lab, name, role)
    try:
        lab.transform(name, name, "input/")
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    job = lab.transformed(name)
    return job["TransformJobStatus"], job["FailureReason"]


def capturing(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    configured(lab, f"{name}-model", role)
    capture = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/capture/",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    lab.config(name, {"ModelName": f"{name}-model"}, DataCaptureConfig=capture)
    lab.endpoint(name, name)
    lab.invoke(name)
    group = f"/aws/sagemaker/Endpoints/{name}"
    lines = lab.when(lambda: lab.lines(group, "AllTraffic/data-capture"), bool)
    endpoint = lab.settled(name)
    lab.delete_endpoint(name)
    return endpoint["EndpointStatus"], lines[0]


def processing(lab: SageMakerLab, name: str, role: str) -> tuple[str, str]:
    script = "echo 1 > /opt/ml/processing/out/x"
    lab.process(name, script, inputs={"in": "input/"}, outputs={"out": "EndOfJob"}, RoleArn=role)
    job = lab.processed(name)
    return job["ProcessingJobStatus"], job["FailureReason"]


DOINGS = {
    "a processing job pulls its image": processing,
    "a processing job fetches its input": processing,
    "a processing job stores its output": processing,
    "a training job pulls its image": training,
    "a model is created": model,
    "an endpoint pulls its image": creating,
    "an endpoint fetches its model": creating,
    "a transform job finds its input": transforming,
    "a transform job pulls its image": transforming,
    "a transform job stores its output": transforming,
    "an endpoint stores what it captures": capturing,
    "a release is watched by alarms": updating,
}


def test_every_row_is_done() -> None:
    assert {entry.when for entry in ENTRIES} == set(DOINGS)


@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{one.when}-{one.permission}" for one in ENTRIES])
def test_what_lacks_a_permission_fails_as_documented(serving: SageMakerLab, entry: Entry) -> None:
    name = f"rest-{uuid.uuid4().hex[:8]}"
    role = role_without(serving.account.client("iam"), name, entry.permission, "sagemaker.amazonaws.com")

    status, words = DOINGS[entry.when](serving, name, role)

    assert status == entry.code, words
    assert entry.words in words
