"""What an endpoint of the pipeline serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

IDLE = ("Creating", "Failed", "Deleting", "OutOfService")
"""Values of EndpointStatus (SageMaker DescribeEndpoint) of an endpoint that serves nothing."""


def serving(sagemaker: SageMakerClient, endpoint: str) -> tuple[str | None, str]:
    """Return the execution whose model an endpoint serves, or None, and the endpoint's status.

    The name of its configuration ends with the execution's id. The status is empty if there is no endpoint.
    """
    try:
        found = sagemaker.describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationException":  # "Could not find endpoint"
            return None, ""
        raise
    status = found["EndpointStatus"]
    if status in IDLE:
        return None, status
    return found["EndpointConfigName"].removeprefix(f"{endpoint}-"), status
