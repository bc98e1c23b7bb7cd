import json
from typing import Any

import pytest
from moto.iam.access_control import PermissionResult

from local_account.moto_backend.bucket_policies import permission


def policy(effect: str, condition: dict[str, Any]) -> bytes:
    statement = {
        "Effect": effect,
        "Principal": "*",
        "Action": "s3:*",
        "Resource": "*",
        "Condition": condition,
    }
    return json.dumps({"Version": "2012-10-17", "Statement": statement}).encode()


@pytest.mark.parametrize(
    ("effect", "condition", "expected"),
    [
        ("Deny", {"Bool": {"aws:SecureTransport": "false"}}, PermissionResult.NEUTRAL),
        ("Deny", {"Bool": {"aws:SecureTransport": "true"}}, PermissionResult.DENIED),
        ("Allow", {"Bool": {"aws:SecureTransport": True}}, PermissionResult.PERMITTED),
        ("Allow", {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, PermissionResult.NEUTRAL),
        ("Deny", {"StringEquals": {"aws:PrincipalOrgID": "o-1"}}, PermissionResult.DENIED),
        ("Deny", {}, PermissionResult.DENIED),
    ],
)
def test_a_statement_applies_if_its_condition_holds_on_loopback(
    effect: str, condition: dict[str, Any], expected: PermissionResult
) -> None:
    assert permission(policy(effect, condition), "s3:PutObject", "arn:aws:s3:::b/k") == expected
