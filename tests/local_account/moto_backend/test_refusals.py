"""IAM refuses what AWS refuses, with AWS's code and words, and nothing of it is kept."""

import json
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

Clients = Callable[[str], Any]

SERVICE = {"Service": "lambda.amazonaws.com"}
READ = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}
ASSUME = {"Effect": "Allow", "Principal": SERVICE, "Action": "sts:AssumeRole"}
BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def policy(*statements: dict[str, Any], **more: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **more})


def refusal(call: Callable[..., Any], **params: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**params)
    error = caught.value.response["Error"]
    return f"{error['Code']}: {error['Message']}"


def trusting(principal: object) -> str:
    return policy({**ASSUME, "Principal": principal})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("{", "This policy contains invalid Json"),
        ('{"Version": "2012-10-17", "Statement": [],}', "This policy contains invalid Json"),
        ("[]", "This policy contains invalid Json"),
        (policy(), "Syntax errors in policy."),
        (policy(ASSUME, Version="2012-10-18"), "Syntax errors in policy."),
        (policy({"Effect": "Allow", "Principal": SERVICE}), "Policy statement must contain actions."),
        (
            policy({"Effect": "Allow", "Principle": SERVICE, "Action": "sts:AssumeRole"}),
            "Unknown field Principle",
        ),
        (policy({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Missing required field Principal"),
        (policy({**ASSUME, "Resource": "*"}), "Has prohibited field Resource."),
        (policy({**ASSUME, "Action": "s3:GetObject"}), "Trust Policy statement actions can only be"),
        (policy({**ASSUME, "Sid": "a b"}), "Statement IDs (SID) must be alpha-numeric."),
        (trusting("*"), 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'),
        (trusting({"Provider": "lambda.amazonaws.com"}), "Unknown field Provider"),
        (
            trusting({"Service": "nothing-such.amazonaws.com"}),
            'principal in policy: "SERVICE":"nothing-such.amazonaws.com"',
        ),
        (trusting({"AWS": "somebody"}), 'Invalid principal in policy: "AWS":"somebody"'),
        (
            trusting({"AWS": "arn:aws:iam::123456789012:role/not-there"}),
            'Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:role/not-there"',
        ),
    ],
)
def test_a_role_needs_a_trust_policy_that_iam_can_read(client: Clients, document: str, said: str) -> None:
    iam = client("iam")
    name = "refused-trust"

    message = refusal(iam.create_role, RoleName=name, AssumeRolePolicyDocument=document)

    assert message.startswith("MalformedPolicyDocument: ")
    assert said in message
    assert refusal(iam.get_role, RoleName=name).startswith("NoSuchEntity")


def test_changing_a_trust_policy_is_judged_like_a_new_one(client: Clients) -> None:
    iam = client("iam")
    iam.create_role(RoleName="refused-update", AssumeRolePolicyDocument=policy(ASSUME))

    message = refusal(iam.update_assume_role_policy, RoleName="refused-update", PolicyDocument="{")

    assert message == "MalformedPolicyDocument: This policy contains invalid Json"
    kept = iam.get_role(RoleName="refused-update")["Role"]["AssumeRolePolicyDocument"]
    assert kept == json.loads(policy(ASSUME))


@pytest.mark.parametrize(
    "principal",
    [
        {"AWS": "123456789012"},
        {"AWS": ["arn:aws:iam::123456789012:root", "*"]},
        {"AWS": "arn:aws:iam::999999999999:role/elsewhere"},
        {"Service": ["ecs-tasks.amazonaws.com", "states.us-east-1.amazonaws.com"]},
        {"Federated": "accounts.google.com"},
    ],
)
def test_trust_policies_that_aws_takes_are_taken(client: Clients, principal: dict[str, Any]) -> None:
    document = json.dumps({"Version": "2008-10-17", "Statement": {**ASSUME, "Principal": principal}})
    iam = client("iam")

    iam.create_role(RoleName="taken-trust", AssumeRolePolicyDocument=document)

    iam.delete_role(RoleName="taken-trust")


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ({**READ, "Principal": "*"}, "Policy document should not specify a principal."),
        ({**READ, "Sid": "read it"}, "Statement IDs (SID) must be alpha-numeric."),
        ({**READ, "Action": "GetObject"}, "Actions/Conditions must be prefaced by a vendor"),
        ({"Effect": "Allow", "Action": "s3:GetObject"}, "Policy statement must contain resources."),
        ({**READ, "Resource": "arn:aws:s*:::bucket/*"}, "Resource vendor must be fully qualified"),
        ({**READ, "Resource": ["*", "arn:aws:*:*:*:*mlops*"]}, "Resource vendor must be fully qualified"),
        (
            {"Effect": "Deny", "Action": "s3:*", "NotResource": "arn:aws:s?:::bucket"},
            "Resource vendor must be fully qualified",
        ),
    ],
)
def test_identity_policies_are_read(client: Clients, statement: dict[str, Any], said: str) -> None:
    iam = client("iam")
    iam.create_role(RoleName="refused-inline", AssumeRolePolicyDocument=policy(ASSUME))

    for call, names in (
        (iam.put_role_policy, {"RoleName": "refused-inline", "PolicyName": "one"}),
        (iam.create_policy, {"PolicyName": "refused-inline"}),
    ):
        message = refusal(call, PolicyDocument=policy(statement), **names)
        assert message.startswith("MalformedPolicyDocument: ")
        assert said in message
    assert iam.list_role_policies(RoleName="refused-inline")["PolicyNames"] == []
    iam.delete_role(RoleName="refused-inline")


@pytest.mark.parametrize("version", [{}, {"Version": "2008-10-17"}])
def test_an_inline_policy_can_be_of_the_older_version(client: Clients, version: dict[str, str]) -> None:
    # AWS SAM writes none: https://github.com/aws/serverless-application-model/issues/3265
    iam = client("iam")
    iam.create_role(RoleName="older", AssumeRolePolicyDocument=policy(ASSUME))
    document = json.dumps({**version, "Statement": [READ]})

    iam.put_role_policy(RoleName="older", PolicyName="one", PolicyDocument=document)
    managed = refusal(iam.create_policy, PolicyName="older", PolicyDocument=document)

    kept = iam.get_role_policy(RoleName="older", PolicyName="one")["PolicyDocument"]
    iam.delete_role_policy(RoleName="older", PolicyName="one")
    iam.delete_role(RoleName="older")
    assert kept == json.loads(document)
    assert managed == "MalformedPolicyDocument: Policy document must be version 2012-10-17 or greater."


def test_a_policy_can_name_everything_in_iam_of_an_account(client: Clients) -> None:
    iam = client("iam")
    named = {"Effect": "Allow", "Action": "iam:ListRoles", "Resource": ["arn:aws:iam::123456789012:*"]}

    arn = iam.create_policy(PolicyName="all-of-iam", PolicyDocument=policy(named))["Policy"]["Arn"]
    other = {**named, "Resource": "arn:aws:iam::123456789012:everything"}
    message = refusal(iam.create_policy, PolicyName="some-of-iam", PolicyDocument=policy(other))

    iam.delete_policy(PolicyArn=arn)
    assert 'IAM resource path must either be "*" or start with user/' in message


def test_policies_have_the_sizes_of_iams_quotas(client: Clients) -> None:
    iam = client("iam")
    iam.create_role(RoleName="sizes", AssumeRolePolicyDocument=policy(ASSUME))
    half = policy({**READ, "Resource": [f"arn:aws:s3:::{'b' * 5000}"]})

    iam.put_role_policy(RoleName="sizes", PolicyName="one", PolicyDocument=half)
    iam.put_role_policy(RoleName="sizes", PolicyName="two", PolicyDocument=half + " " * 9000)
    iam.put_role_policy(RoleName="sizes", PolicyName="one", PolicyDocument=half)

    assert (
        refusal(iam.put_role_policy, RoleName="sizes", PolicyName="three", PolicyDocument=half)
        == "LimitExceeded: Maximum policy size of 10240 bytes exceeded for role sizes"
    )
    large = policy({**READ, "Resource": [f"arn:aws:s3:::{'b' * 6144}"]})
    assert (
        refusal(iam.create_policy, PolicyName="sizes", PolicyDocument=large)
        == "LimitExceeded: Cannot exceed quota for PolicySize: 6144"
    )
    wide = policy({**ASSUME, "Condition": {"StringEquals": {"aws:SourceAccount": ["1" * 12] * 150}}})
    assert (
        refusal(iam.update_assume_role_policy, RoleName="sizes", PolicyDocument=wide)
        == "LimitExceeded: Cannot exceed quota for ACLSizePerRole: 2048"
    )


def test_a_role_has_ten_managed_policies_at_most(client: Clients) -> None:
    iam = client("iam")
    iam.create_role(RoleName="ten", AssumeRolePolicyDocument=policy(ASSUME))
    arns = [
        iam.create_policy(PolicyName=f"ten-{number}", PolicyDocument=policy(READ))["Policy"]["Arn"]
        for number in range(11)
    ]
    for arn in arns[:10]:
        iam.attach_role_policy(RoleName="ten", PolicyArn=arn)

    iam.attach_role_policy(RoleName="ten", PolicyArn=arns[0])  # again: it is attached already
    message = refusal(iam.attach_role_policy, RoleName="ten", PolicyArn=arns[10])

    assert message == "LimitExceeded: Cannot exceed quota for PoliciesPerRole: 10"


def test_a_policy_in_use_cannot_be_deleted(client: Clients) -> None:
    iam = client("iam")
    iam.create_role(RoleName="using", AssumeRolePolicyDocument=policy(ASSUME))
    arn = iam.create_policy(PolicyName="used", PolicyDocument=policy(READ))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="using", PolicyArn=arn)

    attached = refusal(iam.delete_policy, PolicyArn=arn)
    iam.detach_role_policy(RoleName="using", PolicyArn=arn)
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=policy(READ), SetAsDefault=True)
    versions = refusal(iam.delete_policy, PolicyArn=arn)

    iam.put_role_permissions_boundary(RoleName="using", PermissionsBoundary=arn)
    bounding = refusal(iam.delete_policy, PolicyArn=arn)
    iam.delete_role_permissions_boundary(RoleName="using")

    assert attached == bounding == "DeleteConflict: Cannot delete a policy attached to entities."
    assert versions.startswith("DeleteConflict: This policy has more than one version.")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    iam.delete_policy(PolicyArn=arn)


def test_users_and_groups_that_hold_something_stay(client: Clients) -> None:
    iam = client("iam")
    iam.create_user(UserName="member")
    iam.create_group(GroupName="members")
    iam.add_user_to_group(GroupName="members", UserName="member")
    first = "DeleteConflict: Cannot delete entity, must {} first."

    assert refusal(iam.delete_group, GroupName="members") == first.format("remove users from group")
    assert refusal(iam.delete_user, UserName="member") == first.format("remove users from group")
    iam.remove_user_from_group(GroupName="members", UserName="member")
    key = iam.create_access_key(UserName="member")["AccessKey"]["AccessKeyId"]
    assert refusal(iam.delete_user, UserName="member") == first.format("delete access keys")
    iam.delete_access_key(UserName="member", AccessKeyId=key)
    iam.delete_user(UserName="member")
    iam.delete_group(GroupName="members")


def test_an_arn_is_not_a_name(client: Clients) -> None:
    message = refusal(client("iam").get_policy, PolicyArn="AWSLambdaBasicExecutionRole")

    assert message == "ValidationError: Invalid ARN:  Could not be parsed!"


def test_parameters_are_held_against_the_services_model(client: Clients) -> None:
    message = refusal(
        client("iam").create_role, RoleName="not a name", AssumeRolePolicyDocument=policy(ASSUME)
    )

    assert message.startswith("ValidationError: 1 validation error detected: Value 'not a name'")


def test_a_role_may_do_what_a_policy_of_aws_allows(client: Clients) -> None:
    iam = client("iam")
    role = iam.create_role(RoleName="basic", AssumeRolePolicyDocument=policy(ASSUME))["Role"]["Arn"]
    iam.attach_role_policy(RoleName="basic", PolicyArn=BASIC)

    results = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["logs:PutLogEvents", "logs:DeleteLogGroup"]
    )["EvaluationResults"]

    assert [one["EvalDecision"] for one in results] == ["allowed", "implicitDeny"]
    version = iam.get_policy(PolicyArn=BASIC)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=BASIC, VersionId=version)["PolicyVersion"]["Document"]
    assert "logs:PutLogEvents" in document["Statement"][0]["Action"]


def test_policies_of_aws_are_listed_and_nobodys_to_change(client: Clients) -> None:
    iam = client("iam")

    pages = iam.get_paginator("list_policies").paginate(Scope="AWS")
    names = {one["PolicyName"] for page in pages for one in page["Policies"]}

    assert {"AmazonSageMakerFullAccess", "AmazonS3ReadOnlyAccess", "AWSLambdaBasicExecutionRole"} <= names
    assert all(one["Arn"].split(":")[4] != "aws" for one in iam.list_policies(Scope="Local")["Policies"])
    assert refusal(iam.delete_policy, PolicyArn=BASIC).startswith("AccessDenied: ")
    missing = refusal(iam.get_policy, PolicyArn="arn:aws:iam::aws:policy/NoSuchPolicy")
    assert missing.startswith("NoSuchEntity: ")


@pytest.mark.parametrize(
    ("service", "name"),
    [
        ("batch.amazonaws.com", "AWSServiceRoleForbatch"),
        (
            "sagemaker.application-autoscaling.amazonaws.com",
            "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint",
        ),
    ],
)
def test_a_service_has_its_linked_role_once(client: Clients, service: str, name: str) -> None:
    """Recorded on AWS: LocalStack tests/aws/services/iam, test_service_role_already_exists."""
    iam = client("iam")
    with suppress(iam.exceptions.InvalidInputException):
        iam.create_service_linked_role(AWSServiceName=service)
    again = refusal(iam.create_service_linked_role, AWSServiceName=service)
    taken = "has been taken in this account, please try a different suffix."
    assert again == f"InvalidInput: Service role name {name} {taken}"
