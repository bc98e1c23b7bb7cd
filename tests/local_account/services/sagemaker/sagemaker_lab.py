"""What the SageMaker tests need in an account: a role, a bucket, an image, and shortcuts."""

import base64
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from local_account.foundation.containers import forget_images
from tests.local_account.iam_roles import make_role

IMAGE = Path(__file__).parent / "image"
BUCKET = "sagemaker-tests"


class SageMakerLab:
    """What the tests need in an account."""

    def __init__(self, account: Any) -> None:
        self.account = account
        self.sagemaker = account.client("sagemaker")
        self.runtime = account.client("sagemaker-runtime", read_timeout=30)
        self.s3 = account.client("s3")
        self.logs = account.client("logs")
        self.cloudwatch = account.client("cloudwatch")
        self.role = ""
        self.image = ""

    @property
    def containers(self) -> list[Any]:
        """Return all containers of the account."""
        import docker

        return docker.from_env().containers.list(all=True, filters=self._own, ignore_removed=True)

    @property
    def volumes(self) -> list[Any]:
        """Return all volumes of the account."""
        import docker

        return docker.from_env().volumes.list(filters=self._own)

    @property
    def _own(self) -> dict[str, Any]:
        uid = json.loads((self.account.state / "account.json").read_text())["uid"]
        return {"label": f"mlops-workshop.account={uid}"}

    def prepare(self) -> "SageMakerLab":
        """Create the role and the bucket."""
        self.role = make_role(self.account.client("iam"), "sagemaker", "sagemaker.amazonaws.com")
        self.s3.create_bucket(Bucket=BUCKET)
        self.s3.put_object(Bucket=BUCKET, Key="input/iris.csv", Body=b"1,2,3\n")
        return self

    def push_image(self) -> "SageMakerLab":
        """Build the image and push it to the account's ECR."""
        import docker

        engine = docker.from_env()
        ecr = self.account.client("ecr")
        uri = ecr.create_repository(repositoryName="tiny")["repository"]["repositoryUri"]
        token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        user, _, password = base64.b64decode(token).decode().partition(":")
        engine.images.build(path=str(IMAGE), tag=f"{uri}:latest")
        for line in engine.images.push(
            uri, "latest", auth_config={"username": user, "password": password}, stream=True, decode=True
        ):
            assert "error" not in line, line
        self.image = f"{uri}:latest"
        return self

    def close(self) -> None:
        """Stop the account, and leave none of its images on the engine."""
        import docker

        self.account.stop()
        if self.image:
            forget_images(docker.from_env(), self.image.partition("/")[0])

    def train(self, name: str, **changes: Any) -> None:
        """Create a training job; ``changes`` override the default request."""
        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [
                    {"Name": "accuracy", "Regex": "accuracy=([0-9.]+)"},
                    {"Name": "loss", "Regex": "loss=([-+e0-9.]+)"},
                ],
            },
            "RoleArn": self.role,
            "HyperParameters": {"answer": name},
            "InputDataConfig": [channel("training", f"s3://{BUCKET}/input/")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        self.sagemaker.create_training_job(**{**request, **changes})

    def trained(self, name: str) -> dict[str, Any]:
        """Describe a training job that has ended."""
        job: dict[str, Any] = self.when(
            lambda: self.sagemaker.describe_training_job(TrainingJobName=name),
            lambda job: job["TrainingJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    def tune(self, name: str, ranges: dict[str, Any], **changes: Any) -> None:
        """Create a tuning job that maximizes ``score``; ``changes`` override parts of its configuration.

        ``training`` are changes of the training job's definition.
        """
        training = changes.pop("training", {})
        tags = changes.pop("tags", [])
        config = {
            "Strategy": "Grid",
            "HyperParameterTuningJobObjective": {"Type": "Maximize", "MetricName": "score"},
            "ResourceLimits": {"MaxParallelTrainingJobs": 2},
            "ParameterRanges": ranges,
        }
        definition = {
            "AlgorithmSpecification": {
                "TrainingImage": self.image,
                "TrainingInputMode": "File",
                "MetricDefinitions": [{"Name": "score", "Regex": "score=([0-9.]+)"}],
            },
            "RoleArn": self.role,
            "InputDataConfig": [channel("training", f"s3://{BUCKET}/input/")],
            "OutputDataConfig": {"S3OutputPath": f"s3://{BUCKET}/output/"},
            "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        self.sagemaker.create_hyper_parameter_tuning_job(
            HyperParameterTuningJobName=name,
            HyperParameterTuningJobConfig={**config, **changes},
            TrainingJobDefinition={**definition, **training},
            Tags=tags,
        )

    def tuned(self, name: str) -> dict[str, Any]:
        """Describe a tuning job that has ended."""
        job: dict[str, Any] = self.when(
            lambda: self.sagemaker.describe_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
            lambda job: job["HyperParameterTuningJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    def transform(self, name: str, model: str, data: str, **changes: Any) -> None:
        """Create a transform job from ``data`` to ``batch/NAME/``; dicts in ``changes`` are merged."""
        request: dict[str, Any] = {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/{data}"}},
                "ContentType": "text/csv",
                "SplitType": "Line",
            },
            "TransformOutput": {
                "S3OutputPath": f"s3://{BUCKET}/batch/{name}/",
                "Accept": "text/csv",
                "AssembleWith": "Line",
            },
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        }
        for member, value in changes.items():
            own = request.get(member)
            request[member] = {**own, **value} if isinstance(own, dict) else value
        self.sagemaker.create_transform_job(**request)

    def transformed(self, name: str) -> dict[str, Any]:
        """Describe a transform job that has ended."""
        job: dict[str, Any] = self.when(
            lambda: self.sagemaker.describe_transform_job(TransformJobName=name),
            lambda job: job["TransformJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    def process(
        self,
        name: str,
        script: str = "",
        *,
        inputs: dict[str, str] | None = None,
        outputs: dict[str, str] | None = None,
        **changes: Any,
    ) -> None:
        """Create a processing job that runs a shell script.

        ``inputs`` are prefixes, ``outputs`` upload modes, by the name of their folder in /opt/ml/processing;
        an output goes to ``processed/NAME/FOLDER``. ``changes`` override the default request.
        """
        request: dict[str, Any] = {
            "ProcessingJobName": name,
            "ProcessingInputs": [
                {
                    "InputName": folder,
                    "S3Input": {
                        "S3Uri": f"s3://{BUCKET}/{prefix}",
                        "LocalPath": f"/opt/ml/processing/{folder}",
                        "S3DataType": "S3Prefix",
                        "S3InputMode": "File",
                    },
                }
                for folder, prefix in (inputs or {}).items()
            ],
            "ProcessingOutputConfig": {
                "Outputs": [
                    {
                        "OutputName": folder,
                        "S3Output": {
                            "S3Uri": f"s3://{BUCKET}/processed/{name}/{folder}",
                            "LocalPath": f"/opt/ml/processing/{folder}",
                            "S3UploadMode": mode,
                        },
                    }
                    for folder, mode in (outputs or {}).items()
                ]
            },
            "ProcessingResources": {
                "ClusterConfig": {"InstanceCount": 1, "InstanceType": "ml.m5.large", "VolumeSizeInGB": 5}
            },
            "AppSpecification": {
                "ImageUri": self.image,
                "ContainerEntrypoint": ["sh", "-c", script],
            },
            "RoleArn": self.role,
            "StoppingCondition": {"MaxRuntimeInSeconds": 60},
        }
        self.sagemaker.create_processing_job(**{**request, **changes})

    def processed(self, name: str) -> dict[str, Any]:
        """Describe a processing job that has ended."""
        job: dict[str, Any] = self.when(
            lambda: self.sagemaker.describe_processing_job(ProcessingJobName=name),
            lambda job: job["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"),
        )
        return job

    def stored(self, prefix: str) -> dict[str, bytes]:
        """Return the objects below a prefix, by the rest of their key."""
        listed = self.s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {
            one["Key"].removeprefix(prefix): self.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed
        }

    def model(self, name: str, data: str | None = None, **environment: str) -> None:
        """Create a model."""
        container = {"Image": self.image, "Environment": environment}
        if data:
            container["ModelDataUrl"] = data
        self.sagemaker.create_model(ModelName=name, ExecutionRoleArn=self.role, PrimaryContainer=container)

    def alarm(self, name: str, endpoint: str = "", metric: str = "Invocation5XXErrors", **more: Any) -> None:
        """Create an alarm that goes off if there are two of a metric in a minute; ``more`` replaces that.

        Without an endpoint, it looks at a metric that nothing publishes.
        """
        request = {
            "AlarmName": name,
            "Namespace": "AWS/SageMaker",
            "MetricName": metric,
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        if endpoint:
            request["Dimensions"] = [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ]
        self.cloudwatch.put_metric_alarm(**{**request, **more})

    def config(self, name: str, *variants: dict[str, Any], **more: Any) -> None:
        """Create an endpoint configuration; variants default to one instance. ``more`` is of the request."""
        self.sagemaker.create_endpoint_config(
            EndpointConfigName=name,
            ProductionVariants=[
                {"InstanceType": "ml.m5.large", "InitialInstanceCount": 1, "VariantName": "AllTraffic", **v}
                for v in variants
            ],
            **more,
        )

    def endpoint(self, name: str, config: str) -> dict[str, Any]:
        """Create an endpoint and wait until it is InService or Failed."""
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config)
        return self.settled(name)

    def settled(self, name: str) -> dict[str, Any]:
        """Describe an endpoint that is InService or Failed."""
        endpoint: dict[str, Any] = self.when(
            lambda: self.sagemaker.describe_endpoint(EndpointName=name),
            lambda endpoint: endpoint["EndpointStatus"] in ("InService", "Failed"),
        )
        return endpoint

    def delete_endpoint(self, name: str) -> None:
        """Delete an endpoint and wait until it is gone."""
        self.sagemaker.delete_endpoint(EndpointName=name)

        def gone() -> bool:
            try:
                self.sagemaker.describe_endpoint(EndpointName=name)
            except self.sagemaker.exceptions.ClientError as error:
                return bool(error.response["Error"]["Code"] == "ValidationException")
            return False

        self.when(gone, bool)

    def invoke(self, name: str, body: bytes = b"x", **options: Any) -> dict[str, Any]:
        """Invoke an endpoint; the body of the answer is read."""
        answer = self.runtime.invoke_endpoint(EndpointName=name, Body=body, **options)
        return {**answer, "Body": answer["Body"].read()}

    def statistic(
        self, endpoint: str, metric: str, name: str, namespace: str = "AWS/SageMaker"
    ) -> list[float]:
        """Return ``Sum`` or ``Average`` of a metric of an endpoint's only variant, by minute."""
        now = datetime.now(UTC)
        points = self.cloudwatch.get_metric_statistics(
            Namespace=namespace,
            MetricName=metric,
            Dimensions=[
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": "AllTraffic"},
            ],
            StartTime=now - timedelta(minutes=15),
            EndTime=now + timedelta(minutes=5),
            Period=60,
            Statistics=[name],
        )["Datapoints"]
        return [point[name] for point in points]

    def lines(self, group: str, prefix: str) -> list[str]:
        """Return the messages of the log streams with a prefix."""
        try:
            streams = self.logs.describe_log_streams(logGroupName=group, logStreamNamePrefix=prefix)
        except self.logs.exceptions.ResourceNotFoundException:
            return []
        return [
            event["message"]
            for stream in streams["logStreams"]
            for event in self.logs.get_log_events(
                logGroupName=group, logStreamName=stream["logStreamName"], startFromHead=True
            )["events"]
        ]

    def when(self, read: Callable[[], Any], good: Callable[[Any], Any], seconds: float = 120.0) -> Any:
        """Read until the result is good; return it."""
        begin = time.monotonic()
        while not good(value := read()):
            waited = time.monotonic() - begin
            assert waited < seconds, value
            time.sleep(min(max(0.05, waited / 10), 0.25))
        return value


def channel(name: str, uri: str, kind: str = "S3Prefix") -> dict[str, Any]:
    """Return one entry of InputDataConfig."""
    source = {"S3DataType": kind, "S3Uri": uri, "S3DataDistributionType": "FullyReplicated"}
    return {"ChannelName": name, "ContentType": "text/csv", "DataSource": {"S3DataSource": source}}
