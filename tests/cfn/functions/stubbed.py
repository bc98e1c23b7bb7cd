"""Clients of AWS services whose answers a test writes down; botocore checks both sides of each call."""

from typing import Any

import boto3
from botocore.stub import Stubber


def stub(service: str) -> tuple[Any, Stubber]:
    client = boto3.client(
        service, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber
