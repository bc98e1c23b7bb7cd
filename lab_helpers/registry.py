"""The versions of the lab's model in SageMaker's model registry.

The monitor (`cfn/functions/monitor/registry.py`) adds one for each execution that it has judged. Contract:
SageMaker ListModelPackages and DescribeModelPackage.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_gone
from lab_helpers.display import Table
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

MISSING = "ValidationException"
"""What SageMaker answers for a group or a version that does not exist."""
OF_EXECUTION = "Model of execution "
"""What the monitor describes a version with, before the execution's id."""


class VersionError(WorkshopError, LookupError):
    """There is no such version."""


@dataclass(frozen=True)
class Version:
    """One judged model; `properties` are what the monitor knew about it, by name."""

    arn: str
    number: int
    status: str
    """`PendingManualApproval`, `Approved` or `Rejected` (ModelApprovalStatus)."""
    decision: str
    """Who decided, and why; empty while nobody has."""
    created: datetime
    image: str
    model_data: str
    properties: Mapping[str, str]

    @property
    def execution_id(self) -> str:
        """The pipeline execution that trained it."""
        return self.properties.get("execution", "")


def versions(lab: Lab) -> list[Version]:
    """Return all versions, the newest first; none in a lab that has judged no model."""
    sagemaker = lab.client("sagemaker")
    pages = sagemaker.get_paginator("list_model_packages").paginate(
        ModelPackageGroupName=lab.names.model_package_group, SortBy="CreationTime", SortOrder="Descending"
    )
    try:
        arns = [one["ModelPackageArn"] for page in pages for one in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if not is_gone(error):
            raise
        return []  # a lab of an earlier package has no group
    return [_described(sagemaker, arn) for arn in arns]


def version(lab: Lab, number: int) -> Version:
    """Return a version by its number. Raises VersionError if there is none."""
    found = versions(lab)
    for one in found:
        if one.number == number:
            return one
    numbers = ", ".join(str(one.number) for one in found) or "none yet"
    raise VersionError(
        f"the model registry {lab.names.model_package_group} has no version {number} (it has: {numbers})"
    )


def wait_for_decision(
    lab: Lab, execution_id: str, *, timeout: float = 120, sleep: Callable[[float], None] = time.sleep
) -> Version | None:
    """Wait until the version of a decided execution says so, and return it; None if there is no such version.

    The monitor hears of a decision by an event, and looks once a minute in case that it is lost. After
    `timeout` seconds, the version is returned as it is.
    """
    deadline = time.monotonic() + timeout
    while True:
        found = next((one for one in versions(lab) if one.execution_id == execution_id), None)
        if found is None or found.status != "PendingManualApproval" or time.monotonic() > deadline:
            return found
        sleep(0.5)


def forget(sagemaker: SageMakerClient, group: str) -> None:
    """Delete all versions of a model package group, if there is one.

    SageMaker deletes no group that has any, and CloudFormation then not the stack that it belongs to.
    """
    pages = sagemaker.get_paginator("list_model_packages").paginate(ModelPackageGroupName=group)
    try:
        arns = [one["ModelPackageArn"] for page in pages for one in page["ModelPackageSummaryList"]]
    except ClientError as error:
        if not is_gone(error):
            raise
        return
    for arn in arns:
        sagemaker.delete_model_package(ModelPackageName=arn)


def table(found: list[Version]) -> Table:
    """Show versions with their approval, execution and time."""
    rows = [
        [one.number, one.status, one.execution_id, f"{one.created:%Y-%m-%d %H:%M}", one.decision]
        for one in found
    ]
    return Table(["version", "approval", "execution", "registered", "decision"], rows)


def _described(sagemaker: SageMakerClient, arn: str) -> Version:
    found = sagemaker.describe_model_package(ModelPackageName=arn)
    container = found["InferenceSpecification"]["Containers"][0]
    return Version(
        arn=found["ModelPackageArn"],
        number=found["ModelPackageVersion"],
        status=found["ModelApprovalStatus"],
        decision=found.get("ApprovalDescription", ""),
        created=found["CreationTime"],
        image=container["Image"],
        model_data=container.get("ModelDataUrl", ""),
        # Also if someone has replaced the properties: a release needs the execution.
        properties={
            "execution": found.get("ModelPackageDescription", "").partition(OF_EXECUTION)[2],
            **found.get("CustomerMetadataProperties", {}),
        },
    )
