"""Lambda entry point: one CodePipeline job (user guide, "JSON event example" of the Lambda invoke action)."""

from __future__ import annotations

import logging
import os
from functools import lru_cache
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from pipeline_job import Event, ParametersError, execution_id, fail, put_result

from .testing import Settings, Tester, UntestableError

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.type_defs import JobTypeDef

logger = logging.getLogger(__name__)
logger.setLevel(logging.INFO)

MAX_SUMMARY = 2048
"""CodePipeline ExecutionDetails: the longest summary."""
PATIENCE = Config(connect_timeout=2, read_timeout=20, retries={"total_max_attempts": 1})
"""For asking endpoints: a failed request is a finding, and a retry would hide it."""


@lru_cache(maxsize=1)
def _tester() -> Tester:
    return Tester(
        settings=Settings.read(os.environ),
        s3=boto3.client("s3"),
        sagemaker=boto3.client("sagemaker"),
        runtime=boto3.client("sagemaker-runtime", config=PATIENCE),
    )


@lru_cache(maxsize=1)
def _codepipeline() -> CodePipelineClient:
    client: CodePipelineClient = boto3.client("codepipeline")
    return client


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda's init phase, before the first event ("Best practices for working with Lambda functions").
    _tester()
    _codepipeline()


def handle(event: Event, context: object = None) -> None:
    """Answer the job in `event` with success and output variables, or with a failure that says why."""
    answer(event["CodePipeline.job"], _tester(), _codepipeline())


def answer(job: JobTypeDef, tester: Tester, codepipeline: CodePipelineClient) -> None:
    """Carry out one job. Every failure is reported; otherwise the pipeline would wait for an hour."""
    try:
        tested = execution_id(job, "TestDev")
        findings = tester.test(tested)
    except (ParametersError, UntestableError) as error:
        logger.warning("execution failed: %s", error)
        fail(codepipeline, job["id"], str(error), "ConfigurationError")
        return
    except Exception as error:  # whatever it is, the learner must see it in the pipeline
        logger.exception("execution failed")
        fail(codepipeline, job["id"], f"{type(error).__name__}: {error}", "JobFailed")
        return
    logger.info("%s: %s", tested, findings.summary)
    report = tester.report_uri(tested)
    if not findings.passed:
        fail(codepipeline, job["id"], f"{findings.summary}; report: {report}", "JobFailed")
        return
    put_result(
        job["id"],
        lambda: codepipeline.put_job_success_result(
            jobId=job["id"],
            outputVariables={"Summary": findings.summary, "ReportUri": report, **findings.variables()},
            executionDetails={"summary": findings.summary[:MAX_SUMMARY]},
        ),
    )
