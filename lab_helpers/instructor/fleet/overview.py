"""An account's stacks, notebook instances and endpoints, read in a few calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from lab_helpers.clients import Clients
from lab_helpers.names import LAB_TAG, Names
from lab_helpers.stacks import GOOD, STARTS_OVER

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

DEFAULT_TAG = Names().tag


@dataclass(frozen=True)
class Stack:
    """A stack; `record` is its entry in CloudFormation DescribeStacks."""

    record: StackTypeDef

    @property
    def name(self) -> str:  # noqa: D102
        return self.record["StackName"]

    @property
    def id(self) -> str:
        """Its ARN, by which it can still be described after its deletion."""
        return self.record["StackId"]

    @property
    def status(self) -> str:  # noqa: D102
        return self.record["StackStatus"]

    @property
    def tags(self) -> dict[str, str]:
        """Its own tags, which its resources inherit."""
        return {tag["Key"]: tag["Value"] for tag in self.record.get("Tags", [])}

    @property
    def outputs(self) -> dict[str, str]:  # noqa: D102
        return {one["OutputKey"]: one["OutputValue"] for one in self.record.get("Outputs", [])}

    @property
    def parameters(self) -> dict[str, str]:  # noqa: D102
        given = self.record.get("Parameters", [])
        return {one["ParameterKey"]: one.get("ParameterValue", "") for one in given}

    @property
    def settled(self) -> bool:
        """Whether no operation is in progress (an abandoned change set does not count)."""
        return not self.status.endswith("_IN_PROGRESS") or self.status == "REVIEW_IN_PROGRESS"

    @property
    def good(self) -> bool:
        """Whether its last operation succeeded."""
        return self.status in GOOD

    @property
    def starts_over(self) -> bool:
        """Whether it can only be deleted and created again: never complete, or half deleted."""
        return self.status in STARTS_OVER

    @property
    def failed(self) -> bool:
        """Whether its last operation failed, rolled back or not."""
        return self.settled and not self.good and self.status != "REVIEW_IN_PROGRESS"


@dataclass(frozen=True)
class Thing:
    """A notebook instance or an endpoint: status, type (notebook instances only), last change."""

    name: str
    status: str
    type: str
    changed: datetime


@dataclass(frozen=True)
class Overview:
    """The account's resources by name, as of the time of reading."""

    stacks: Mapping[str, Stack]
    instances: Mapping[str, Thing]
    endpoints: Mapping[str, Thing]

    @classmethod
    def read(cls, clients: Clients) -> Overview:
        """Read all pages of DescribeStacks, ListNotebookInstances and ListEndpoints (SageMaker)."""
        sagemaker = clients("sagemaker")
        return cls(
            {
                one["StackName"]: Stack(one)
                for page in clients("cloudformation").get_paginator("describe_stacks").paginate()
                for one in page["Stacks"]
            },
            {
                one["NotebookInstanceName"]: Thing(
                    one["NotebookInstanceName"],
                    one["NotebookInstanceStatus"],
                    one.get("InstanceType", ""),
                    one["LastModifiedTime"],
                )
                for page in sagemaker.get_paginator("list_notebook_instances").paginate(
                    PaginationConfig={"PageSize": 100}
                )
                for one in page["NotebookInstances"]
            },
            {
                one["EndpointName"]: Thing(
                    one["EndpointName"], one["EndpointStatus"], "", one["LastModifiedTime"]
                )
                for page in sagemaker.get_paginator("list_endpoints").paginate(
                    PaginationConfig={"PageSize": 100}
                )
                for one in page["Endpoints"]
            },
        )

    def labs(self) -> list[str]:
        """Return the ids of labs that have a top stack, sorted."""
        found = {stack.tags.get(LAB_TAG): stack.name for stack in self.stacks.values()}
        return sorted(
            lab_id
            for lab_id in ("" if tag == DEFAULT_TAG else tag for tag in found if tag)
            if Names(lab_id).top_stack in self.stacks
        )


def why_failed(cloudformation: CloudFormationClient, stack: Stack, most: int = 3) -> str:
    """Return what failed in a stack's last operation, root cause first (DescribeStackEvents)."""
    reasons: list[str] = []
    for event in cloudformation.describe_stack_events(StackName=stack.id)["StackEvents"]:  # newest first
        status, reason = event.get("ResourceStatus", ""), event.get("ResourceStatusReason", "")
        own = event["LogicalResourceId"] == event["StackName"]
        if status.endswith("_FAILED") and "cancelled" not in reason.lower() and not own:
            reasons.append(f"{event['LogicalResourceId']}: {reason}")
        if own and status in {"CREATE_IN_PROGRESS", "UPDATE_IN_PROGRESS", "DELETE_IN_PROGRESS"}:
            break
    return "; ".join(reasons[::-1][:most]) or stack.record.get("StackStatusReason", "no reason given")
