"""Lambda entry point for every event of the monitor rule, including its schedule."""

from __future__ import annotations

import logging
import os
from functools import lru_cache

import boto3

from .watch import Monitor, Settings

logging.getLogger(__package__).setLevel(logging.INFO)


@lru_cache(maxsize=1)
def _monitor() -> Monitor:
    return Monitor(
        settings=Settings.read(os.environ),
        s3=boto3.client("s3"),
        sagemaker=boto3.client("sagemaker"),
        codepipeline=boto3.client("codepipeline"),
        events=boto3.client("events"),
    )


if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
    # In Lambda's init phase, before the first event ("Best practices for working with Lambda functions").
    _monitor()


def handle(event: object, context: object = None) -> None:
    """Look at the current state; the content of `event` is not needed."""
    _monitor().watch()
