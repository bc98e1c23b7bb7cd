"""Dynamic references are looked up when a resource is made or changed, with the operation's permissions."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.cloudformation.stack_maker import StackMaker


def template(reference: str, description: str = "d") -> str:
    return (
        "Resources: {P: {Type: AWS::SSM::Parameter, "
        f"Properties: {{Type: String, Name: copied, Description: {description}, Value: '{reference}'}}}}}}"
    )


@pytest.fixture
def secret(client: Callable[[str], Any]) -> Iterator[str]:
    client("secretsmanager").create_secret(Name="referenced", SecretString="first")
    yield "{{resolve:secretsmanager:referenced}}"
    client("secretsmanager").delete_secret(SecretId="referenced", ForceDeleteWithoutRecovery=True)


def test_a_changed_secret_is_seen_once_its_resource_changes(
    stacks: StackMaker, client: Callable[[str], Any], secret: str
) -> None:
    def copied() -> str:
        return str(client("ssm").get_parameter(Name="copied")["Parameter"]["Value"])

    stacks.create("referring", template(secret))
    assert copied() == "first"
    client("secretsmanager").put_secret_value(SecretId="referenced", SecretString="second")

    with pytest.raises(stacks.api.exceptions.ClientError, match="No updates are to be performed"):
        stacks.update("referring", template(secret))
    assert copied() == "first"

    assert stacks.update("referring", template(secret, "other"))["StackStatus"] == "UPDATE_COMPLETE"
    assert copied() == "second"
    shown = json.dumps(stacks.api.describe_stack_events(StackName="referring"), default=str)
    assert secret in shown
    assert "second" not in shown
    assert stacks.delete("referring")["StackStatus"] == "DELETE_COMPLETE"
    assert not client("ssm").get_parameters(Names=["copied"])["Parameters"]


def test_the_role_of_a_stack_needs_permission_for_the_secret(
    stacks: StackMaker, client: Callable[[str], Any], secret: str
) -> None:
    iam = client("iam")
    role = make_role(iam, "referring", "cloudformation.amazonaws.com")
    iam.delete_role_policy(RoleName="referring", PolicyName="everything")
    allowed = {"Effect": "Allow", "Action": "ssm:*", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_role_policy(RoleName="referring", PolicyName="some", PolicyDocument=document)

    stack = stacks.create("unpermitted", template(secret), RoleARN=role)

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "not authorized to perform: secretsmanager:GetSecretValue" in stacks.failures("unpermitted")
