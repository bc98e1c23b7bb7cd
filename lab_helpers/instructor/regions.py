"""What depends on the region: its partition, where the quotas of global services are, and what it lacks."""

from __future__ import annotations

from functools import cache

import boto3
from botocore.exceptions import UnknownRegionError

_HOME = {"aws": "us-east-1", "aws-us-gov": "us-gov-west-1", "aws-cn": "cn-north-1"}
GLOBAL = frozenset({"iam", "s3"})
"""Services whose quotas hold for all regions: Service Quotas has them in `home` only, and answers
NoSuchResourceException elsewhere (Amazon S3 User Guide, "General purpose bucket quotas")."""
_REGISTRY = ("AWS::SageMaker::ModelPackageGroup",)
_SAGEMAKER = ("AWS::SageMaker::NotebookInstance", "AWS::SageMaker::Endpoint")
LACKING = {
    "ap-south-2": _REGISTRY,
    "ap-southeast-4": _REGISTRY,
    "ap-southeast-6": _REGISTRY,
    "cn-north-1": _REGISTRY,
    "cn-northwest-1": _REGISTRY,
    "me-central-1": _SAGEMAKER,
    "us-gov-east-1": (*_SAGEMAKER, *_REGISTRY),
}
"""Resource types of the templates that CloudFormation lacks in a region that has the service. Source: its
registry, as cfn-lint publishes it; a test compares them."""


@cache
def partition(region: str) -> str:
    """Return the partition of a region, with which ARNs begin: aws, aws-us-gov, …; aws if none has it."""
    try:
        return str(boto3.Session().get_partition_for_region(region))
    except UnknownRegionError:
        return "aws"


def home(region: str) -> str:
    """Return the region in which Service Quotas has the quotas of global services."""
    return _HOME.get(partition(region), region)
