"""Resource-based policies of functions: who may invoke one besides the account's own roles.

The contract is ``AddPermission`` of the Lambda API and "Viewing resource-based IAM policies in Lambda".
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_lambda.type_defs import AddPermissionRequestTypeDef

Statement = dict[str, Any]


def statement(function_arn: str, permission: AddPermissionRequestTypeDef) -> Statement:
    """Return the policy statement that an ``AddPermission`` request describes."""
    principal = permission["Principal"]
    if principal == "*":
        subject: Any = "*"
    elif re.fullmatch(r"\d{12}", principal):
        subject = {"AWS": f"arn:aws:iam::{principal}:root"}
    else:
        subject = {"AWS" if principal.startswith("arn:") else "Service": principal}
    conditions: dict[str, dict[str, str]] = {}
    if "SourceAccount" in permission:
        conditions["StringEquals"] = {"AWS:SourceAccount": permission["SourceAccount"]}
    if "PrincipalOrgID" in permission:
        conditions.setdefault("StringEquals", {})["aws:PrincipalOrgID"] = permission["PrincipalOrgID"]
    if "SourceArn" in permission:
        conditions["ArnLike"] = {"AWS:SourceArn": permission["SourceArn"]}
    result = {
        "Sid": permission["StatementId"],
        "Effect": "Allow",
        "Principal": subject,
        "Action": permission["Action"],
        "Resource": function_arn,
    }
    return result | ({"Condition": conditions} if conditions else {})
