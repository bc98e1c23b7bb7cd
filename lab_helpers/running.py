"""Stop what is running in a lab, so that nothing creates resources while others are deleted.

Operation names are boto3's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.resources import Resource

if TYPE_CHECKING:
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_sagemaker import SageMakerClient

REASON = "The lab is being removed."
_ENDED_SINCE = {"PipelineExecutionNotStoppableException", "DuplicatedStopRequestException"}


def stop_all(clients: Clients, resources: Iterable[Resource], reason: str = REASON) -> list[str]:
    """Stop notebook instances, pipeline executions, builds and jobs of SageMaker among `resources`.

    Returns a description of each thing stopped, without waiting. Pipeline actions are abandoned: what they
    started is stopped or deleted on its own.
    """
    stopped: list[str] = []
    # A tuning job first: it would start other training jobs.
    for one in sorted(resources, key=lambda one: one.kind != "tuning-job"):
        match one.kind:
            case "notebook-instance" if one.billable:
                if _stop_instance(clients("sagemaker"), one.id):
                    stopped.append(f"notebook instance {one.id}")
            case "pipeline":
                stopped += stop_executions(clients("codepipeline"), one.id, reason)
            case "project":
                stopped += stop_builds(clients("codebuild"), one.id)
            case "tuning-job":
                stopped += stop_tuning(clients("sagemaker"), one.id)
            case "training-job" if one.billable:
                stopped += stop_training(clients("sagemaker"), one.id)
            case "transform-job":
                stopped += stop_transform(clients("sagemaker"), one.id)
            case "processing-job":
                stopped += stop_processing(clients("sagemaker"), one.id)
    return stopped


def _stop_instance(sagemaker: SageMakerClient, name: str) -> bool:
    try:
        sagemaker.stop_notebook_instance(NotebookInstanceName=name)
    except ClientError as error:
        # No longer in service, or not yet: its deletion waits for that.
        if not error.response["Error"]["Code"].startswith("Validation"):
            raise
        return False
    return True


def stop_executions(codepipeline: CodePipelineClient, pipeline: str, reason: str) -> list[str]:
    """Stop every running execution of a pipeline, without waiting for its actions."""
    stopped = []
    try:
        for page in codepipeline.get_paginator("list_pipeline_executions").paginate(pipelineName=pipeline):
            for one in page["pipelineExecutionSummaries"]:
                if one["status"] in {"InProgress", "Stopping"}:
                    _stop_execution(codepipeline, pipeline, one["pipelineExecutionId"], reason)
                    stopped.append(f"execution {one['pipelineExecutionId']} of {pipeline}")
    except ClientError as error:
        if not is_gone(error):
            raise
    return stopped


def _stop_execution(codepipeline: CodePipelineClient, pipeline: str, execution: str, reason: str) -> None:
    try:
        codepipeline.stop_pipeline_execution(
            pipelineName=pipeline, pipelineExecutionId=execution, abandon=True, reason=reason
        )
    except ClientError as error:
        if error.response["Error"]["Code"] not in _ENDED_SINCE:
            raise


def stop_builds(codebuild: CodeBuildClient, project: str) -> list[str]:
    """Stop the running builds of a project: an abandoned build would still push its image."""
    try:
        newest = codebuild.list_builds_for_project(projectName=project, sortOrder="DESCENDING")["ids"][:20]
    except ClientError as error:
        if not is_gone(error):
            raise
        return []
    builds = codebuild.batch_get_builds(ids=newest)["builds"] if newest else []
    running = [build["id"] for build in builds if build["buildStatus"] == "IN_PROGRESS"]
    for build in running:
        codebuild.stop_build(id=build)
    return [f"build {build}" for build in running]


def stop_training(sagemaker: SageMakerClient, name: str) -> list[str]:
    """Stop a training job, unless it has ended in the meantime."""
    return _stop_job(lambda: sagemaker.stop_training_job(TrainingJobName=name), f"training job {name}")


def stop_tuning(sagemaker: SageMakerClient, name: str) -> list[str]:
    """Stop a tuning job with its training jobs, unless it has ended."""
    return _stop_job(
        lambda: sagemaker.stop_hyper_parameter_tuning_job(HyperParameterTuningJobName=name),
        f"tuning job {name}",
    )


def stop_transform(sagemaker: SageMakerClient, name: str) -> list[str]:
    """Stop a transform job, unless it has ended in the meantime."""
    return _stop_job(lambda: sagemaker.stop_transform_job(TransformJobName=name), f"transform job {name}")


def stop_processing(sagemaker: SageMakerClient, name: str) -> list[str]:
    """Stop a processing job, unless it has ended in the meantime."""
    return _stop_job(lambda: sagemaker.stop_processing_job(ProcessingJobName=name), f"processing job {name}")


def _stop_job(stop: Callable[[], object], what: str) -> list[str]:
    try:
        stop()
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("Validation"):
            raise
        return []
    return [what]
