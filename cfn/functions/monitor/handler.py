"""Lambda entry point for every event of the monitor rule, including its schedule."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

import boto3
from botocore.config import Config

from .watch import Monitor, Settings

logging.getLogger(__package__).setLevel(logging.INFO)

IMPATIENT = Config(connect_timeout=2, read_timeout=8, retries={"total_max_attempts": 2, "mode": "standard"})
"""For asking PRD: a judgment without it is better than none."""


@lru_cache(maxsize=1)
def _monitor() -> Monitor:
    return Monitor(
        settings=Settings.read(os.environ),
        s3=boto3.client("s3"),
        sagemaker=boto3.client("sagemaker"),
        codepipeline=boto3.client("codepipeline"),
        events=boto3.client("events"),
        logs=boto3.client("logs"),
        runtime=boto3.client("sagemaker-runtime", config=IMPATIENT),
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda's init phase, before the first event ("Best practices for working with Lambda functions").
    _monitor()


def handle(event: object, context: object = None) -> None:
    """Look at the current state; the content of `event` is not needed."""
    _monitor().watch()
