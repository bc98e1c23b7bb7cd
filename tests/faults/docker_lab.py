"""What a run on an engine works with: an image that builds make, a stack that serves, rules that see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.local_account.services.lambda_.settling import settle
from tests.local_account.services.sagemaker.sagemaker_lab import IMAGE
from tests.zips import zipped

BUCKET, SEEN = "faults-data", "faults-seen"
ENDPOINT, PROJECT, REPOSITORY, STACK = "serving", "image", "tiny", "serving"
INSTANCES = 2
_SERVICES = ("codebuild", "lambda", "cloudformation", "events", "sagemaker")
# An object for each event: its change, and below that its id.
_CODE = """
import boto3

s3 = boto3.client("s3")


def events(event, context):
    kind, detail = event["detail-type"], event["detail"]
    if kind == "CodeBuild Build State Change":
        about = ["build", detail["build-id"].rpartition(":")[2], detail["build-status"]]
    elif kind == "SageMaker Training Job State Change":
        about = ["training", detail["TrainingJobName"], detail["SecondaryStatus"]]
    elif kind == "SageMaker Processing Job State Change":
        about = ["processing", detail["ProcessingJobName"], detail["ProcessingJobStatus"]]
    elif kind == "SageMaker Endpoint State Change":
        about = ["endpoint", detail["EndpointStatus"], str(detail["LastModifiedTime"])]
    elif kind == "ECR Image Action":
        about = ["image", detail["action-type"], detail.get("image-tag", ""), detail["image-digest"]]
    else:
        about = ["note", detail["n"]]
    key = "/".join(part.replace("/", "|") for part in [*about, event["id"]])
    s3.put_object(Bucket="faults-seen", Key=key, Body=b"")
"""
_BUILDSPEC = """
version: 0.2
phases:
  pre_build:
    commands:
      - aws ecr get-login-password | docker login -u AWS --password-stdin "${IMAGE%%/*}"
  build:
    commands:
      - docker build -q -t "$IMAGE" .
      - docker push -q "$IMAGE"
"""
# The step with RUN has a container, for as long as it takes to be found.
_DOCKERFILE = """
FROM public.ecr.aws/docker/library/python:3.12-slim
COPY app.py /opt/program/app.py
RUN echo NUMBER >/opt/number && sleep 0.7
ENTRYPOINT ["python", "-u", "/opt/program/app.py"]
"""
_TEMPLATE = """
Parameters: {Image: {Type: String}, Data: {Type: String}, Role: {Type: String}, Number: {Type: String}}
Resources:
  Model:
    Type: AWS::SageMaker::Model
    Properties:
      ExecutionRoleArn: !Ref Role
      PrimaryContainer: {Image: !Ref Image, ModelDataUrl: !Ref Data}
  Config:
    Type: AWS::SageMaker::EndpointConfig
    Properties:
      ProductionVariants:
        - VariantName: AllTraffic
          ModelName: !GetAtt Model.ModelName
          InitialInstanceCount: INSTANCES
          InstanceType: ml.m5.large
          InitialVariantWeight: 1
      DataCaptureConfig:
        EnableCapture: true
        InitialSamplingPercentage: 100
        DestinationS3Uri: s3://BUCKET/captured
        CaptureOptions: [{CaptureMode: Input}, {CaptureMode: Output}]
  Endpoint:
    Type: AWS::SageMaker::Endpoint
    Properties: {EndpointName: ENDPOINT, EndpointConfigName: !GetAtt Config.EndpointConfigName}
Outputs: {Number: {Value: !Ref Number}}
"""
TEMPLATE = (
    _TEMPLATE.replace("INSTANCES", str(INSTANCES)).replace("ENDPOINT", ENDPOINT).replace("BUCKET", BUCKET)
)


@dataclass
class DockerLab:
    """The lab in one account."""

    account: AccountProcess
    role: str = ""
    registry: str = ""
    """The repository's URI."""
    captured: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """The records of each object of captured data that has been read; none changes."""

    def client(self, service: str) -> Any:
        """Return a client for the account's present ports; it does not wait for ever."""
        return self.account.client(service, read_timeout=60, connect_timeout=5)

    def prepare(self) -> DockerLab:
        """Create everything but the stack, which each run releases into."""
        services = [f"{name}.amazonaws.com" for name in _SERVICES]
        self.role = make_role(self.client("iam"), "faults", *services)
        for bucket in (BUCKET, SEEN):
            self.client("s3").create_bucket(Bucket=bucket)
        versioning = {"Status": "Enabled"}
        self.client("s3").put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration=versioning)
        self.client("s3").put_object(Bucket=BUCKET, Key="input/data.csv", Body=b"1,2,3\n")
        made = self.client("ecr").create_repository(repositoryName=REPOSITORY)["repository"]
        self.registry = made["repositoryUri"]
        self._function()
        self.client("codebuild").create_project(
            name=PROJECT,
            source={"type": "S3", "location": f"{BUCKET}/source.zip"},
            artifacts={"type": "NO_ARTIFACTS"},
            environment={
                "type": "LINUX_CONTAINER",
                "image": "aws/codebuild/standard:7.0",
                "computeType": "BUILD_GENERAL1_SMALL",
                "privilegedMode": True,
            },
            serviceRole=self.role,
        )
        return self

    def _function(self) -> None:
        api = self.client("lambda")
        arn = api.create_function(
            FunctionName="events",
            Runtime="python3.13",
            Handler="index.events",
            Role=self.role,
            Timeout=60,
            Code={"ZipFile": zipped({"index.py": _CODE})},
        )["FunctionArn"]
        settle(api, "events")
        api.add_permission(
            FunctionName="events",
            StatementId="events",
            Action="lambda:InvokeFunction",
            Principal="events.amazonaws.com",
        )
        events = self.client("events")
        for source in ("aws.codebuild", "aws.sagemaker", "aws.ecr", "faults"):
            name = source.replace(".", "-")
            pattern = {"source": [source]}
            if source == "aws.codebuild":
                pattern["detail-type"] = ["CodeBuild Build State Change"]
            events.put_rule(Name=name, EventPattern=json.dumps(pattern))
            events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": arn}])


def source(number: int) -> bytes:
    """Return the source of an image that is another each time, as a zip file."""
    return zipped(
        {
            "buildspec.yml": _BUILDSPEC,
            "Dockerfile": _DOCKERFILE.replace("NUMBER", str(number)),
            "app.py": Path(IMAGE, "app.py").read_text(),
        }
    )
