"""A job that CodePipeline gives to a function: its event, and how it is answered.

Contract: CodePipeline User Guide, "JSON event example" of the Lambda invoke action; API Reference,
PutJobSuccessResult and PutJobFailureResult.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.literals import FailureTypeType
    from mypy_boto3_codepipeline.type_defs import FailureDetailsTypeDef, JobTypeDef

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

MAX_MESSAGE = 5000
"""CodePipeline PutJobFailureResult: the longest message."""

Event = TypedDict("Event", {"CodePipeline.job": "JobTypeDef"})
"""The event that CodePipeline invokes the function with."""


class ParametersError(ValueError):
    """The action does not say which execution it is in; the message says what to do."""


def execution_id(job: JobTypeDef, action: str) -> str:
    """Return the execution that the UserParameters of the action give; raises ParametersError."""
    parameters = job["data"]["actionConfiguration"]["configuration"].get("UserParameters", "")
    try:
        return str(json.loads(parameters)["PipelineExecutionId"])
    except (ValueError, KeyError, TypeError) as error:
        raise ParametersError(
            f"UserParameters of the {action} action is {parameters!r}, but it must be JSON with "
            "PipelineExecutionId: deploy train-model-pipeline.yml again"
        ) from error


def fail(codepipeline: CodePipelineClient, job_id: str, message: str, kind: FailureTypeType) -> None:
    """Report that a job has failed, and why; a message that is too long is cut."""
    details: FailureDetailsTypeDef = {"type": kind, "message": message[:MAX_MESSAGE]}
    put_result(job_id, lambda: codepipeline.put_job_failure_result(jobId=job_id, failureDetails=details))


def put_result(job_id: str, put: Callable[[], object]) -> None:
    """Report a job's result with `put`, unless the job already has one."""
    try:
        put()
    except ClientError as error:
        if error.response["Error"]["Code"] != "InvalidJobStateException":
            raise
        logger.info("job %s already has a result", job_id)
