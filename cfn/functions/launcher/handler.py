"""Lambda entry point: one CodePipeline job (user guide, "JSON event example" of the Lambda invoke action)."""

from __future__ import annotations

import json
import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from pipeline_job import Event, ParametersError, execution_id, fail, put_result

from .launch import Launcher, LaunchError, Settings

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.type_defs import JobTypeDef

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)


@lru_cache(maxsize=1)
def _launcher() -> Launcher:
    return Launcher(
        settings=Settings.read(os.environ),
        s3=boto3.client("s3"),
        ecr=boto3.client("ecr"),
        sagemaker=boto3.client("sagemaker"),
        events=boto3.client("events"),
        codepipeline=_codepipeline(),
    )


@lru_cache(maxsize=1)
def _codepipeline() -> CodePipelineClient:
    client: CodePipelineClient = boto3.client("codepipeline")
    return client


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda's init phase, before the first event ("Best practices for working with Lambda functions").
    _launcher()
    _codepipeline()


def handle(event: Event, context: object = None) -> None:
    """Answer the job in `event` with success and output variables, or with a failure that says why."""
    answer(event["CodePipeline.job"], _launcher(), _codepipeline())


def answer(job: JobTypeDef, launcher: Launcher, codepipeline: CodePipelineClient) -> None:
    """Carry out one job. Every failure is reported; otherwise the pipeline would wait for an hour."""
    try:
        execution = execution_id(job, "Train")
        source = job["data"]["inputArtifacts"][0]["location"]["s3Location"]
        variables = launcher.launch(execution, (source["bucketName"], source["objectKey"]))
    except ParametersError as error:
        logger.warning("execution failed: %s", error)
        fail(codepipeline, job["id"], str(error), "ConfigurationError")
    except LaunchError as error:
        logger.warning("execution failed: %s", error)
        fail(codepipeline, job["id"], str(error), error.kind)
    except Exception as error:  # whatever it is, the learner must see it in the pipeline
        logger.exception("execution failed")
        fail(codepipeline, job["id"], f"{type(error).__name__}: {error}", "JobFailed")
    else:
        logger.info("started %s", json.dumps(variables))
        put_result(
            job["id"], lambda: codepipeline.put_job_success_result(jobId=job["id"], outputVariables=variables)
        )
