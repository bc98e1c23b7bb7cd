"""Lambda entry point for every event of the monitor rule, including its schedule."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

import boto3
from botocore.config import Config

from .registry import Registry
from .watch import Monitor, Settings

logging.getLogger(__package__).setLevel(logging.INFO)

IMPATIENT = Config(connect_timeout=2, read_timeout=8, retries={"total_max_attempts": 2, "mode": "standard"})
"""For asking PRD: a judgment without it is better than none."""


@lru_cache(maxsize=1)
def _monitor() -> Monitor:
    settings = Settings.read(os.environ)
    sagemaker, codepipeline = boto3.client("sagemaker"), boto3.client("codepipeline")
    return Monitor(
        settings=settings,
        s3=boto3.client("s3"),
        sagemaker=sagemaker,
        codepipeline=codepipeline,
        events=boto3.client("events"),
        logs=boto3.client("logs"),
        runtime=boto3.client("sagemaker-runtime", config=IMPATIENT),
        registry=Registry(
            group=settings.model_package_group,
            bucket=settings.bucket,
            pipeline=settings.pipeline,
            pipeline_arn=settings.pipeline_arn,
            sagemaker=sagemaker,
            codepipeline=codepipeline,
        ),
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda's init phase, before the first event ("Best practices for working with Lambda functions").
    _monitor()


def handle(event: object, context: object = None) -> None:
    """Look at the current state; the content of `event` is not needed."""
    _monitor().watch()
