"""Jobs: what a Lambda function receives, and what it answers.

Shape of the event: page "Invoke an AWS Lambda function in a pipeline in CodePipeline", JSON event example.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError, ReadTimeoutError

from local_account.foundation.errors import ServiceError
from local_account.services.codepipeline import artifacts
from local_account.services.codepipeline.context import ActionFailed, Context, lacks_permission
from local_account.services.codepipeline.records import Artifact, Job

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import (
        ArtifactTypeDef,
        AWSSessionCredentialsTypeDef,
        JobDataTypeDef,
    )
    from mypy_boto3_lambda.type_defs import InvocationResponseTypeDef

log = logging.getLogger(__name__)

_NOT_SUFFICIENT = "The provided role does not have sufficient permissions to access Lambda."
CONTINUATION_SECONDS = 5.0
"""Delay before a function that returned a continuation token is invoked again."""
THROTTLED_SECONDS = 3600.0
"""How long a job waits for a free execution environment: as long as an action may take."""


def job_data(context: Context, job: Job) -> JobDataTypeDef:
    """Return JobData without credentials: what GetJobDetails and the function see."""
    data: JobDataTypeDef = {
        "actionConfiguration": {"configuration": dict(context.configuration)},
        "inputArtifacts": [
            _artifact(entry["name"], artifacts.input_artifact(context, entry["name"]))
            for entry in context.action["inputArtifacts"]
        ],
        "outputArtifacts": [_artifact(name, found) for name, found in context.outputs.items()],
    }
    if "continuationToken" in job:
        data["continuationToken"] = job["continuationToken"]
    return data


def _artifact(name: str, found: Artifact) -> ArtifactTypeDef:
    artifact: ArtifactTypeDef = {
        "name": name,
        "location": {
            "type": "S3",
            "s3Location": {"bucketName": found["bucket"], "objectKey": found["key"]},
        },
    }
    if "revision" in found:
        artifact["revision"] = found["revision"]
    return artifact


def credentials(context: Context) -> AWSSessionCredentialsTypeDef:
    """Return ArtifactCredentials: a session of the pipeline's role."""
    try:
        session = context.account.client("sts").assume_role(
            RoleArn=context.role_arn, RoleSessionName="codepipeline", DurationSeconds=3600
        )["Credentials"]
    except ClientError as error:
        raise ActionFailed(
            "PermissionError", f"The role {context.role_arn} cannot be assumed: {error}"
        ) from error
    return {
        "accessKeyId": session["AccessKeyId"],
        "secretAccessKey": session["SecretAccessKey"],
        "sessionToken": session["SessionToken"],
    }


def invoke_lambda(context: Context, job: Job) -> None:
    """Invoke the function with a job. The job ends when PutJob...Result is called, not when this returns.

    Raises ActionFailed if the function cannot be invoked, or fails with an error.
    """
    data = {**job_data(context, job), "artifactCredentials": credentials(context)}
    event = {
        "CodePipeline.job": {"id": job["id"], "accountId": context.account.config.account_id, "data": data}
    }
    name = context.configuration["FunctionName"]
    try:
        context.require("lambda", "ListFunctions")  # "AWS Lambda invoke action reference" wants it, too
    except ServiceError as error:
        raise ActionFailed("PermissionError", f"{_NOT_SUFFICIENT} {error.message}") from error
    try:
        answer = _invoke(context, name, json.dumps(event).encode())
        payload = answer["Payload"].read()
    except ReadTimeoutError:
        log.info("the function %s is still running; its job %s stays open", name, job["id"])
        return
    except ClientError as error:
        fault = error.response["Error"]
        if lacks_permission(error):
            raise ActionFailed("PermissionError", f"{_NOT_SUFFICIENT} {fault['Message']}") from error
        raise ActionFailed(
            "ConfigurationError",
            f"The function {name} cannot be invoked: {fault['Message']} ({fault['Code']})",
        ) from error
    if answer.get("FunctionError"):
        raise ActionFailed("JobFailed", f"The AWS Lambda function {name} failed: {_error(payload)}")


def _invoke(context: Context, name: str, payload: bytes) -> InvocationResponseTypeDef:
    """Invoke a function; while no execution environment is free, wait.

    CodePipeline invokes asynchronously (Lambda Developer Guide, "Invoking Lambda with events from other AWS
    services"), and Lambda tries such an event again after a second, then less and less often.
    """
    delay, client = 1.0, context.client("lambda")
    end = time.monotonic() + THROTTLED_SECONDS
    while True:
        try:
            invoked: InvocationResponseTypeDef = client.invoke(FunctionName=name, Payload=payload)
        except ClientError as error:
            if error.response["Error"]["Code"] != "TooManyRequestsException" or time.monotonic() > end:
                raise
            if context.account.tasks.stopping.wait(delay):
                raise
            delay = min(2 * delay, 300.0)
        else:
            return invoked


def _error(payload: bytes) -> str:
    try:
        document = json.loads(payload)
        return f"{document.get('errorType', 'Error')}: {document['errorMessage']}"
    except (ValueError, KeyError, TypeError, AttributeError):
        return payload.decode(errors="replace")
