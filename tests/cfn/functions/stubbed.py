"""AWS clients whose responses a test provides; botocore checks both sides of every call."""

from typing import Any

from botocore.stub import Stubber

from tests.sessions import make_client


def stub(service: str) -> tuple[Any, Stubber]:
    client = make_client(
        service, region_name="eu-west-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    stubber = Stubber(client)
    stubber.activate()
    return client, stubber
