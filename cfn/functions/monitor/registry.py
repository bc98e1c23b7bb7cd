"""Versions of the model in SageMaker's model registry: one for each judged execution.

A version says what stands behind a model (data, source, image, job, numbers), and its approval follows the
pipeline: the quality gate rejects it or leaves it pending, DeployApproval approves or rejects it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from .evaluation import Evaluation, is_regression, regression_scores
from .report import Report, TrainingJob

if TYPE_CHECKING:
    from launcher.launch import TrainingData
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.type_defs import ActionExecutionDetailTypeDef
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.literals import ModelApprovalStatusType
    from mypy_boto3_sagemaker.type_defs import (
        CreateModelPackageInputTypeDef,
        ModelPackageSummaryTypeDef,
        UpdateModelPackageInputTypeDef,
    )

DECISION = "DeployApproval"
SOURCE = "Source"
OF_EXECUTION = "Model of execution "
"""With the execution's id behind it, the description of a version: by it, a list of versions is searched."""
MAX_DESCRIPTION = 1024
"""CreateModelPackage and UpdateModelPackage: the longest description of an approval."""
MAX_VALUE = 256
"""CreateModelPackage: the longest value in CustomerMetadataProperties."""
_NOT_ALLOWED = re.compile(r"[^\w .:/=+\-@]")
"""CreateModelPackage: what CustomerMetadataProperties do not allow, such as a tab."""
_MAX_PARAMETERS = 30
"""Of 50 properties that a version may have."""


class JobRecord(TypedDict):
    """The part of `training/jobs/<execution id>.json` that a version tells; the launcher writes it."""

    Commit: NotRequired[str]
    """Of the image's source; missing in records of an earlier launcher, as are `Data` and `Trigger`."""
    Data: NotRequired[list[TrainingData]]
    Trigger: NotRequired[str]


@dataclass(frozen=True)
class Registry:
    """The versions of one model package group."""

    group: str
    bucket: str
    pipeline: str
    pipeline_arn: str
    sagemaker: SageMakerClient
    codepipeline: CodePipelineClient

    def register(self, report: Report, record: JobRecord) -> str:
        """Add the version of a judged execution, unless it is there, and return its ARN.

        Returns `""` for an execution whose job left no model. Raises botocore's ClientError.
        """
        job, execution = report.job, report.execution_id
        if not _has_model(job):
            return ""
        model = job["ModelArtifacts"]["S3ModelArtifacts"]
        for version in self._since(job):
            if version.get("ModelPackageDescription") == f"{OF_EXECUTION}{execution}":
                return version["ModelPackageArn"]
        image = job["AlgorithmSpecification"].get("TrainingImage", "")
        source = self._source(execution)
        request: CreateModelPackageInputTypeDef = {
            "ModelPackageGroupName": self.group,
            "ClientToken": execution,
            "ModelPackageDescription": f"{OF_EXECUTION}{execution}",
            "ModelApprovalStatus": "PendingManualApproval" if report.approved else "Rejected",
            "InferenceSpecification": {
                "Containers": [{"Image": image, "ModelDataUrl": model}],
                "SupportedContentTypes": ["application/json", "text/csv"],
                "SupportedResponseMIMETypes": ["application/json", "text/csv"],
            },
            "ModelMetrics": {
                "ModelQuality": {
                    "Statistics": {
                        "ContentType": "application/json",
                        "S3Uri": f"s3://{self.bucket}/training/reports/{execution}.json",
                    }
                }
            },
            "MetadataProperties": {
                "GeneratedBy": f"{self.pipeline_arn}/{execution}",
                **({"CommitId": commit} if (commit := record.get("Commit", "")) else {}),
            },
            "CustomerMetadataProperties": _properties(report, record, source),
            "ModelCard": {"ModelCardContent": json.dumps(_card(report)), "ModelCardStatus": "Draft"},
        }
        arn = self.sagemaker.create_model_package(**request)["ModelPackageArn"]
        if not report.approved:  # CreateModelPackage takes no description of the approval
            self._decide(arn, "Rejected", f"TrainApproval: {report.summary}", {})
        return arn

    def follow(self) -> bool:
        """Give pending versions the decision of DeployApproval; return whether one may still get it."""
        left = False
        for version in self._pending():
            execution = version.get("ModelPackageDescription", "").removeprefix(OF_EXECUTION)
            actions = list(self._actions(execution))
            decided = next((one for one in actions if _is_decided(one)), None)
            if decided is None:
                left = left or self._in_progress(execution)
                continue
            status: ModelApprovalStatusType = "Approved" if decided["status"] == "Succeeded" else "Rejected"
            result = decided.get("output", {}).get("executionResult", {})
            by = decided.get("updatedBy", "")
            why = result.get("externalExecutionSummary") or "no comment"
            self._decide(version["ModelPackageArn"], status, f"{DECISION} by {by}: {why}", {"approver": by})
        return left

    def _since(self, job: TrainingJob) -> Iterator[ModelPackageSummaryTypeDef]:
        """Yield the versions that were created after a job started: few, however many a group has."""
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.group, CreationTimeAfter=job["TrainingStartTime"]
        )
        for page in pages:
            yield from page["ModelPackageSummaryList"]

    def _pending(self) -> list[ModelPackageSummaryTypeDef]:
        pages = self.sagemaker.get_paginator("list_model_packages").paginate(
            ModelPackageGroupName=self.group, ModelApprovalStatus="PendingManualApproval"
        )
        return [one for page in pages for one in page["ModelPackageSummaryList"]]

    def _actions(self, execution: str) -> Iterator[ActionExecutionDetailTypeDef]:
        """Yield the actions of an execution, newest first."""
        pages = self.codepipeline.get_paginator("list_action_executions").paginate(
            pipelineName=self.pipeline, filter={"pipelineExecutionId": execution}
        )
        for page in pages:
            yield from page["actionExecutionDetails"]

    def _in_progress(self, execution: str) -> bool:
        pages = self.codepipeline.get_paginator("list_pipeline_executions").paginate(
            pipelineName=self.pipeline, PaginationConfig={"MaxItems": 200}
        )
        return any(
            one["pipelineExecutionId"] == execution and one["status"] in ("InProgress", "Stopping")
            for page in pages
            for one in page["pipelineExecutionSummaries"]
        )

    def _source(self, execution: str) -> Mapping[str, str]:
        """Return the output variables of the source action: bucket, key and version of the zip."""
        for action in self._actions(execution):
            if action["stageName"] == SOURCE:
                return action.get("output", {}).get("outputVariables", {})
        return {}

    def _decide(
        self, arn: str, status: ModelApprovalStatusType, why: str, properties: Mapping[str, str]
    ) -> None:
        update: UpdateModelPackageInputTypeDef = {
            "ModelPackageArn": arn,
            "ModelApprovalStatus": status,
            "ApprovalDescription": " ".join(why.split())[:MAX_DESCRIPTION],
        }
        if values := {name: _value(value) for name, value in properties.items() if value}:
            update["CustomerMetadataProperties"] = values
        self.sagemaker.update_model_package(**update)


def _has_model(job: TrainingJob) -> bool:
    """Return whether a job ran and left a model.

    DescribeTrainingJob always has the place that is configured for the model, even if nothing is there, and
    no TrainingStartTime for a job that never started.
    """
    return (
        bool(job.get("ModelArtifacts", {}).get("S3ModelArtifacts"))
        and job.get("TrainingJobStatus") != "Failed"
        and "TrainingStartTime" in job
        and "AlgorithmSpecification" in job
    )


def _is_decided(action: ActionExecutionDetailTypeDef) -> bool:
    return action["stageName"] == DECISION and action["status"] in ("Succeeded", "Failed")


def _properties(report: Report, record: JobRecord, source: Mapping[str, str]) -> dict[str, str]:
    job = report.job
    found = {
        "execution": report.execution_id,
        "training-job": job.get("TrainingJobName", ""),
        "trigger": record.get("Trigger", ""),
        "commit": record.get("Commit", ""),
        "source-zip-version": source.get("VersionId", ""),
    }
    for number, data in enumerate(record.get("Data", []), start=1):
        name = "data" if number == 1 else f"data-{number}"
        found |= {
            name: data["uri"],
            f"{name}-version": data["version"],
            f"{name}-digest": data["digest"],
        }
        if number == 4:  # channels with four properties each must leave room for parameters
            break
    parameters = list(job.get("HyperParameters", {}).items())[:_MAX_PARAMETERS]
    found |= {f"parameter {name}": str(value) for name, value in parameters}
    return {_value(name)[:128]: _value(value) for name, value in found.items() if value}


def _value(text: str) -> str:
    """Return a text with what CustomerMetadataProperties do not allow replaced."""
    return _NOT_ALLOWED.sub("_", text)[:MAX_VALUE]


def _card(report: Report) -> dict[str, Any]:
    """Return the content of a model card (SageMaker Developer Guide, "Model package model card schema")."""
    job = report.job
    parameters = job.get("HyperParameters", {}).items()
    card: dict[str, Any] = {
        "training_details": {
            "training_observations": report.summary,
            "training_job_details": {
                "training_environment": {
                    "container_image": [job["AlgorithmSpecification"].get("TrainingImage", "")]
                },
                "hyper_parameters": [
                    {"name": name, "value": str(value)} for name, value in parameters if value
                ],
            },
        }
    }
    if report.evaluation:
        groups = [
            {
                "name": name[:63],
                "metric_data": [
                    {"name": metric, "type": "number", "value": value} for metric, value in numbers.items()
                ],
            }
            for name, numbers in _numbers(report.evaluation).items()
        ]
        card["evaluation_details"] = [{"name": "held-out rows", "metric_groups": groups}]
    return card


def _numbers(evaluation: Evaluation) -> dict[str, dict[str, float]]:
    if is_regression(evaluation):
        return {
            name: {
                "r2": one["r2"],
                "mean absolute error": one["mean_absolute_error"],
                "root mean squared error": one["root_mean_squared_error"],
            }
            for name, one in regression_scores(evaluation).items()
        }
    return {
        name: {
            "accuracy": one["accuracy"],
            **{f"recall of {label}": value for label, value in one["recall"].items()},
        }
        for name, one in evaluation["algorithms"].items()
    }
