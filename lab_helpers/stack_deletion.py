"""Delete a stack, whatever state it is in.

Contract: CloudFormation DescribeStacks, DeleteStack, UpdateTerminationProtection and "Stack status codes".
"""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers.clients import Clients
from lab_helpers.names import LAB_TAG
from lab_helpers.patience import Patience
from lab_helpers.stacks import find_stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import DeletionModeType
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_iam import IAMClient

_TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudformation.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
    ],
}


class StackLeftError(RuntimeError):
    """A stack could not be deleted; the message gives its status and the reason."""


def delete_stack(clients: Clients, name: str, stopping: threading.Event) -> None:
    """Delete a stack and wait until it is gone.

    Waits for a running update or rollback, but aborts a creation. A failed deletion is repeated once and then
    forced; the caller must look for what that leaves behind. A stack whose service role was deleted gets the
    role back, because CloudFormation refuses to delete it otherwise. Raises StackLeftError.
    """
    cloudformation = clients("cloudformation")
    patience, asked = Patience(stopping), 0
    while (stack := find_stack(cloudformation, name)) is not None:
        status = stack["StackStatus"]
        if _deletable(status) and (status != "DELETE_FAILED" or asked < len(_MODES)):
            _prepare(clients, stack)
            mode = _MODES[min(asked, len(_MODES) - 1)] if status == "DELETE_FAILED" else "STANDARD"
            asked += status == "DELETE_FAILED"
            try:
                cloudformation.delete_stack(StackName=stack["StackId"], DeletionMode=mode)
            except ClientError as error:
                # Another operation on the stack has started since it was described.
                if "cannot be deleted while" not in str(error):
                    raise StackLeftError(f"stack {name} is {status}: {error}") from error
        elif status == "DELETE_FAILED":
            raise StackLeftError(
                f"stack {name} is {status}: {stack.get('StackStatusReason', 'no reason given')}"
            )
        patience.pause(lambda name=name, status=status: f"stack {name} is still {status}")  # type: ignore[misc]


_MODES: tuple[DeletionModeType, ...] = ("STANDARD", "FORCE_DELETE_STACK")


def _deletable(status: str) -> bool:
    """Return whether DeleteStack is accepted: not during an update, a rollback or another deletion."""
    return not status.endswith("_IN_PROGRESS") or status in {"CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"}


def _prepare(clients: Clients, stack: StackTypeDef) -> None:
    if stack.get("EnableTerminationProtection"):
        clients("cloudformation").update_termination_protection(
            StackName=stack["StackName"], EnableTerminationProtection=False
        )
    if role := stack.get("RoleARN"):
        _restore_role(clients("iam"), role.rpartition("/")[2], stack)


def _restore_role(iam: IAMClient, name: str, stack: StackTypeDef) -> None:
    try:
        iam.get_role(RoleName=name)
    except iam.exceptions.NoSuchEntityException:
        tags = [tag for tag in stack.get("Tags", []) if tag["Key"] == LAB_TAG]
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps(_TRUST),
            Description="Created by clean to delete a stack whose role was deleted; is deleted with the lab",
            Tags=tags,
        )
    else:
        return
    iam.put_role_policy(
        RoleName=name, PolicyName="delete", PolicyDocument=json.dumps(_deletion(stack["StackId"]))
    )


def _deletion(stack_id: str) -> dict[str, Any]:
    """Return the policy that is needed to delete a DEV or PRD stack, limited to that stack's names."""
    partition, region, account = (stack_id.split(":")[at] for at in (1, 3, 4))
    stem = stack_id.split("/")[1].removesuffix("-dev").removesuffix("-prd")
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["sagemaker:Delete*", "sagemaker:Describe*", "sagemaker:ListTags"],
                "Resource": f"arn:{partition}:sagemaker:{region}:{account}:*/{stem}-*",
            },
            {
                "Effect": "Allow",
                "Action": ["cloudwatch:DeleteAlarms", "cloudwatch:ListTagsForResource"],
                "Resource": f"arn:{partition}:cloudwatch:{region}:{account}:alarm:*{stem}-*",
            },
            {  # these actions cannot be limited to a name
                "Effect": "Allow",
                "Action": [
                    "application-autoscaling:DeleteScalingPolicy",
                    "application-autoscaling:DeregisterScalableTarget",
                    "application-autoscaling:Describe*",
                    "application-autoscaling:ListTagsForResource",
                    "cloudwatch:DescribeAlarms",
                ],
                "Resource": "*",
            },
        ],
    }
