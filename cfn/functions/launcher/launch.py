"""One training job for one pipeline execution."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError
from botocore.validate import ParamValidator
from quality_gate import QualityGate, RegressionGate
from variables import Variables

from . import trigger
from .descriptor import Descriptor, DescriptorError, read_zip

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.literals import FailureTypeType
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import (
        AlgorithmSpecificationTypeDef,
        ChannelOutputTypeDef,
        ChannelTypeDef,
        CreateTrainingJobRequestTypeDef,
    )


logger = logging.getLogger(__name__)

_COMMIT = re.compile(r"[0-9a-f]{40}")
"""Image tags that are commit ids: buildspecs tag each image so."""


class TrainingData(TypedDict):
    """What was in a training channel's place when its job started."""

    uri: str
    objects: int
    version: str
    """S3's version of the object; `""` if there are several, or the bucket keeps no versions."""
    digest: str
    """SHA-256 of the objects' keys and ETags, so that the same data has the same digest."""


class LaunchError(Exception):
    """The action fails; `kind` is a FailureType of CodePipeline PutJobFailureResult."""

    def __init__(self, message: str, kind: FailureTypeType = "JobFailed") -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Settings(Variables):
    """The function's environment variables, as `train-model-pipeline.yml` sets them."""

    bucket: str
    lab: str
    expires: str
    training_job_prefix: str
    image_repository: str
    image_tag: str
    training_role_arn: str
    monitor_rule: str
    pipeline: str
    retraining_rules: str
    """Names, separated by commas: what they start is not trained if it has been trained before."""


@dataclass(frozen=True)
class Launcher:
    """Starts training jobs."""

    settings: Settings
    s3: S3Client
    ecr: ECRClient
    sagemaker: SageMakerClient
    events: EventBridgeClient
    codepipeline: CodePipelineClient

    def launch(self, execution_id: str, source: tuple[str, str]) -> dict[str, str]:
        """Start the training job of `execution_id` that the zip at `source` (bucket, key) describes.

        Return the action's output variables once SageMaker has accepted the job. Safe to repeat: the job is
        named after the execution, so a job that already exists is this execution's own. Raises LaunchError,
        also if a rule for retraining started it and there is nothing new to train with.
        """
        descriptor = self._read(*source)
        job = f"{self.settings.training_job_prefix}{execution_id}"
        request = self._request(job, execution_id, descriptor)
        data = self._data(request)
        ingredients = _ingredients(request, descriptor.quality_gate, data)
        started_by = self._trigger(execution_id)
        if trigger.rule(started_by) in self.settings.retraining_rules.split(","):
            self._refuse_to_repeat(execution_id, started_by, ingredients)
        image = self._create(request)
        record = {
            "PipelineExecutionId": execution_id,
            "Trigger": trigger.described(started_by),
            "QualityGate": descriptor.quality_gate,
            "Commit": self._commit(image),
            "Data": data,
            "Request": {
                **request,
                "AlgorithmSpecification": {**request["AlgorithmSpecification"], "TrainingImage": image},
            },
        }
        self.s3.put_object(
            Bucket=self.settings.bucket,
            Key=f"training/jobs/{execution_id}.json",
            Body=json.dumps(record, indent=1).encode(),
            ContentType="application/json",
        )
        if ingredients:
            self.s3.put_object(
                Bucket=self.settings.bucket, Key=f"training/trained/{ingredients}/{execution_id}", Body=b""
            )
        # After the job exists, so that the monitor has something to watch; before the action ends, so that
        # the monitor is awake when the approval starts to wait.
        self.events.enable_rule(Name=self.settings.monitor_rule)
        output = f"s3://{self.settings.bucket}/training"
        return {
            "TrainingJobName": job,
            "ImageUri": image,
            "ExecutionId": execution_id,
            "ModelDataUrl": f"{output}/output/{job}/output/model.tar.gz",
            "ReportUri": f"{output}/reports/{execution_id}.json",
        }

    def _trigger(self, execution_id: str) -> ExecutionTriggerTypeDef:
        """Return what started the execution; `{}` if it is not known, which is no reason not to train."""
        try:
            found = self.codepipeline.get_pipeline_execution(
                pipelineName=self.settings.pipeline, pipelineExecutionId=execution_id
            )
        except ClientError:
            logger.exception("what started %s is not known", execution_id)
            return {}
        return found["pipelineExecution"].get("trigger", {})

    def _refuse_to_repeat(
        self, execution_id: str, started_by: ExecutionTriggerTypeDef, ingredients: str
    ) -> None:
        """Raise LaunchError if another execution has trained, or trains, with the same ingredients.

        So neither an alarm that comes and goes nor two files at once train the same model again.
        """
        other = self._trained_by(ingredients, execution_id) if ingredients else ""
        if other:
            raise LaunchError(
                f"{trigger.described(started_by)} started this execution, but there is nothing new to learn: "
                f"execution {other} has the same data, image, hyperparameters and quality gate, and so the "
                "same model. Nothing was trained. Put new labeled data into training/input/labeled/; an "
                "upload of trainingjob.zip trains in any case"
            )

    def _trained_by(self, ingredients: str, execution_id: str) -> str:
        """Return the newest other execution whose job did not fail; `""` if there is none."""
        prefix = f"training/trained/{ingredients}/"
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.settings.bucket, Prefix=prefix)
        found = [one for page in pages for one in page.get("Contents", [])]
        for one in sorted(found, key=lambda one: one["LastModified"], reverse=True):
            other = one["Key"].removeprefix(prefix)
            if other != execution_id and self._status(other) in ("InProgress", "Completed"):
                return other
        return ""

    def _status(self, execution_id: str) -> str:
        """Return the TrainingJobStatus of an execution's job; `""` if there is no job any more."""
        job = f"{self.settings.training_job_prefix}{execution_id}"
        try:
            return self.sagemaker.describe_training_job(TrainingJobName=job)["TrainingJobStatus"]
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ValidationException", "ResourceNotFound"):
                return ""
            raise

    def _read(self, bucket: str, key: str) -> Descriptor:
        body = self.s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        try:
            return read_zip(io.BytesIO(body))
        except DescriptorError as error:
            raise LaunchError(str(error), "ConfigurationError") from error

    def _image(self) -> str:
        """Return repositoryUri@digest of the tagged image: tags move, but what trains must also serve."""
        repository, tag = self.settings.image_repository, self.settings.image_tag
        try:
            found = self.ecr.describe_images(repositoryName=repository, imageIds=[{"imageTag": tag}])
            described = self.ecr.describe_repositories(repositoryNames=[repository])
        except ClientError as error:
            if error.response["Error"]["Code"] in ("ImageNotFoundException", "RepositoryNotFoundException"):
                raise LaunchError(
                    f"the repository {repository} has no image tagged {tag}: run notebook 02 to the end, so "
                    "that its pipeline builds and pushes the model image, then upload trainingjob.zip again",
                    "ConfigurationError",
                ) from error
            raise
        return f"{described['repositories'][0]['repositoryUri']}@{found['imageDetails'][0]['imageDigest']}"

    def _commit(self, image: str) -> str:
        """Return the commit that the image was built from, by its tag; `""` if it has no such tag."""
        repository, digest = self.settings.image_repository, image.partition("@")[2]
        try:
            found = self.ecr.describe_images(repositoryName=repository, imageIds=[{"imageDigest": digest}])
        except ClientError:
            logger.exception("the commit of %s is not known", image)
            return ""
        tags = found["imageDetails"][0].get("imageTags", [])
        return next((tag for tag in tags if _COMMIT.fullmatch(tag)), "")

    def _data(self, request: CreateTrainingJobRequestTypeDef) -> list[TrainingData]:
        """Return what is in the channels' places; a place that this function may not read is left out."""
        found = list[TrainingData]()
        for channel in request.get("InputDataConfig", []):
            uri = _uri(channel)
            bucket, _, prefix = uri.removeprefix("s3://").partition("/")
            try:
                found += self._at(uri, bucket, prefix)
            except ClientError:
                logger.exception("the data at %s are not known", uri)
        return found

    def _at(self, uri: str, bucket: str, prefix: str) -> list[TrainingData]:
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        etags = {one["Key"]: one["ETag"] for page in pages for one in page.get("Contents", [])}
        if not etags:
            return []
        version = ""
        if len(etags) == 1:
            version = self.s3.head_object(Bucket=bucket, Key=next(iter(etags))).get("VersionId", "")
        lines = "".join(f"{key} {etag}\n" for key, etag in sorted(etags.items()))
        digest = hashlib.sha256(lines.encode()).hexdigest()
        return [{"uri": uri, "objects": len(etags), "version": version, "digest": digest}]

    def _request(
        self, job: str, execution_id: str, descriptor: Descriptor
    ) -> CreateTrainingJobRequestTypeDef:
        algorithm: AlgorithmSpecificationTypeDef = {
            "TrainingImage": self._image(),
            "TrainingInputMode": "File",
        }
        if descriptor.metric_definitions is not None:
            algorithm["MetricDefinitions"] = descriptor.metric_definitions
        request: CreateTrainingJobRequestTypeDef = {
            "TrainingJobName": job,
            "AlgorithmSpecification": algorithm,
            "RoleArn": self.settings.training_role_arn,
            "OutputDataConfig": {"S3OutputPath": f"s3://{self.settings.bucket}/training/output"},
            "Tags": [
                {"Key": "mlops-workshop:lab", "Value": self.settings.lab},
                {"Key": "mlops-workshop:expires", "Value": self.settings.expires},
                {"Key": "mlops-workshop:execution", "Value": execution_id},
            ],
            "InputDataConfig": descriptor.request["InputDataConfig"],
            "ResourceConfig": descriptor.request["ResourceConfig"],
            "StoppingCondition": descriptor.request["StoppingCondition"],
        }
        if "HyperParameters" in descriptor.request:
            request["HyperParameters"] = descriptor.request["HyperParameters"]
        shape = self.sagemaker.meta.service_model.shape_for("CreateTrainingJobRequest")
        report = ParamValidator().validate(request, shape)
        if report.has_errors():
            raise LaunchError(
                f"trainingjob.json is not valid for CreateTrainingJob: {report.generate_report()}. "
                "Correct it and upload the zip again",
                "ConfigurationError",
            )
        return request

    def _create(self, request: CreateTrainingJobRequestTypeDef) -> str:
        """Create the job unless it exists, and return the image that it runs."""
        try:
            self.sagemaker.create_training_job(**request)
        except ClientError as error:
            code, message = error.response["Error"]["Code"], error.response["Error"]["Message"]
            if code == "ResourceInUse":
                # The event was delivered twice, or the first attempt died before it answered.
                job = self.sagemaker.describe_training_job(TrainingJobName=request["TrainingJobName"])
                return str(job["AlgorithmSpecification"]["TrainingImage"])
            if code == "ValidationException":
                raise LaunchError(
                    f"SageMaker rejected what trainingjob.json asks for: {message}. "
                    "Correct it and upload the zip again",
                    "ConfigurationError",
                ) from error
            if code == "ResourceLimitExceeded":
                raise LaunchError(
                    f"the account's quota does not allow this training job: {message}. "
                    "Upload a trainingjob.json with another instance type, or request a higher quota "
                    "and retry the stage"
                ) from error
            raise
        return str(request["AlgorithmSpecification"]["TrainingImage"])


def _ingredients(
    request: CreateTrainingJobRequestTypeDef, gate: QualityGate | RegressionGate, data: list[TrainingData]
) -> str:
    """Return a digest of what decides about a model: image, hyperparameters, data and quality gate.

    Empty if the data of a channel is not known, for then nothing can be said about the model.
    """
    channels = request.get("InputDataConfig", [])
    if len(data) < len(channels):
        return ""
    image = request["AlgorithmSpecification"].get("TrainingImage", "").partition("@")[2]
    decisive = {
        "image": image,
        "parameters": request.get("HyperParameters", {}),
        "gate": gate,
        "data": [
            [channel["ChannelName"], one["digest"]] for channel, one in zip(channels, data, strict=True)
        ],
    }
    return hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()


def _uri(channel: ChannelTypeDef | ChannelOutputTypeDef) -> str:
    source = channel["DataSource"].get("S3DataSource")
    return source["S3Uri"] if source else ""
