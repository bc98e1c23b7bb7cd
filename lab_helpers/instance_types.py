"""Instance types: what a lab gets unless it asks for others, for endpoints by region.

Source: AWS Price List API, product *hosting* of SageMaker AI, as cfn-lint publishes it
(`aws_sagemaker_hosting/instancetype_enum.json`); tests/lab_helpers/test_instance_types.py compares them.
"""

from __future__ import annotations

NOTEBOOK = "ml.t3.medium"
TRAINING = "ml.m5.large"
DEV = "ml.t2.medium"
PRD = "ml.m5.large"
CHECK = "ml.t3.medium"
"""A new account may use four of them in processing jobs, of larger types none."""
_NEWER = "ml.m6i.large"
_BURSTABLE = frozenset({
    "ap-northeast-1", "ap-northeast-2", "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1",
    "cn-north-1", "cn-northwest-1", "eu-central-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
    "us-east-1", "us-east-2", "us-gov-west-1", "us-west-1", "us-west-2",
})  # fmt: skip
"""Regions with `DEV`, the smallest type that can host a model."""
_FIFTH_GENERATION = _BURSTABLE | {
    "af-south-1", "ap-east-1", "ap-northeast-3", "ap-south-2", "ap-southeast-3", "ap-southeast-4",
    "ca-west-1", "eu-central-2", "eu-north-1", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1",
    "me-south-1", "us-gov-east-1",
}  # fmt: skip
"""Regions with `PRD`. Those that opened since have newer types only."""
_WITHOUT_CHECK = frozenset({"ap-northeast-3", "me-south-1"})


def training(region: str) -> str:
    """Return the type that trains: training has the generations that hosting has."""
    return TRAINING if region in _FIFTH_GENERATION else _NEWER


def processing(region: str) -> str:
    """Return the type that checks captured data."""
    return training(region) if region in _WITHOUT_CHECK else CHECK


def dev(region: str) -> str:
    """Return the type of a DEV endpoint: the smallest that the region has."""
    return DEV if region in _BURSTABLE else prd(region)


def prd(region: str) -> str:
    """Return the type of a PRD endpoint: burstable types can't be scaled automatically."""
    return PRD if region in _FIFTH_GENERATION else _NEWER
