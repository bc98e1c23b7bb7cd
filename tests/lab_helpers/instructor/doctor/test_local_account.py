"""What the doctor uses of the local account: quotas, the policy simulator, and the caller's identity."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.refusing import refusal

Clients = Callable[[str], Any]
ACCOUNT = "123456789012"


def test_quotas_have_the_values_of_a_new_account_and_the_codes_of_aws(clients: Clients) -> None:
    pages = clients("service-quotas").get_paginator("list_aws_default_service_quotas")
    found = {
        quota["QuotaName"]: (quota["QuotaCode"], quota["Value"])
        for page in pages.paginate(ServiceCode="sagemaker")
        for quota in page["Quotas"]
    }

    assert found["ml.m5.large for endpoint usage"] == ("L-614B09FD", 0)
    assert found["ml.t2.medium for endpoint usage"] == ("L-29C181D7", 2)
    applied = clients("service-quotas").get_service_quota(ServiceCode="sagemaker", QuotaCode="L-514B50A3")
    assert applied["Quota"]["Value"] == 4, "what one lab needs has been granted"
    assert {one["ServiceCode"] for one in clients("service-quotas").list_services()["Services"]} >= {
        "sagemaker",
        "codebuild",
        "iam",
    }


def test_an_increase_is_granted_and_the_default_stays(clients: Clients) -> None:
    quotas = clients("service-quotas")
    which = {"ServiceCode": "codebuild", "QuotaCode": "L-ACCF6C0D"}

    assert quotas.request_service_quota_increase(**which, DesiredValue=6000)["RequestedQuota"]["DesiredValue"]
    assert quotas.get_service_quota(**which)["Quota"]["Value"] == 6000
    assert quotas.get_aws_default_service_quota(**which)["Quota"]["Value"] == 5000
    assert "not above" in refusal(quotas.request_service_quota_increase, **which, DesiredValue=10)


def test_unknown_quotas_are_rejected(clients: Clients) -> None:
    quotas = clients("service-quotas")

    assert refusal(quotas.list_service_quotas, ServiceCode="rockets").startswith("NoSuchResourceException")
    wrong = {"ServiceCode": "iam", "QuotaCode": "L-00000000"}
    assert refusal(quotas.get_service_quota, **wrong).startswith("NoSuchResourceException")


def test_the_accounts_own_credentials_are_those_of_the_root_user(clients: Clients) -> None:
    assert clients("sts").get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


@pytest.fixture
def role(clients: Clients) -> Any:
    iam = clients("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    arn = iam.create_role(RoleName="simulated", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    statements = [
        {"Effect": "Allow", "Action": "s3:*", "Resource": "arn:aws:s3:::ana-*"},
        {"Effect": "Deny", "Action": "s3:Delete*", "Resource": "*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
    iam.put_role_policy(RoleName="simulated", PolicyName="work", PolicyDocument=policy)
    yield arn
    iam.delete_role_policy(RoleName="simulated", PolicyName="work")
    iam.delete_role(RoleName="simulated")


def decisions(answer: Any) -> dict[tuple[str, str], str]:
    return {(one["EvalActionName"], one["EvalResourceName"]): one["EvalDecision"]
            for one in answer["EvaluationResults"]}  # fmt: skip


def test_a_role_is_simulated_with_every_action_on_every_resource(clients: Clients, role: str) -> None:
    bucket, other = "arn:aws:s3:::ana-x", "arn:aws:s3:::bob-x"
    answer = clients("iam").simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["s3:ListBucket", "s3:DeleteBucket"], ResourceArns=[bucket, other]
    )

    assert decisions(answer) == {
        ("s3:ListBucket", bucket): "allowed",
        ("s3:ListBucket", other): "implicitDeny",
        ("s3:DeleteBucket", bucket): "explicitDeny",
        ("s3:DeleteBucket", other): "explicitDeny",
    }
    first = answer["EvaluationResults"][0]
    assert [one["SourcePolicyId"] for one in first["MatchedStatements"]] == ["work"]


def test_policies_of_users_of_their_groups_and_of_the_request_count(clients: Clients) -> None:
    iam = clients("iam")
    user = iam.create_user(UserName="instructor")["User"]["Arn"]
    iam.create_group(GroupName="instructors")
    iam.add_user_to_group(GroupName="instructors", UserName="instructor")
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": statement})
    arn = iam.create_policy(PolicyName="everything-of-iam", PolicyDocument=policy)["Policy"]["Arn"]
    iam.attach_group_policy(GroupName="instructors", PolicyArn=arn)
    given = json.dumps({"Version": "2012-10-17", "Statement": {**statement, "Action": "ec2:*"}})

    answer = iam.simulate_principal_policy(
        PolicySourceArn=user, ActionNames=["iam:GetRole", "ec2:RunInstances", "s3:GetObject"],
        PolicyInputList=[given],
    )  # fmt: skip

    assert list(decisions(answer).values()) == ["allowed", "allowed", "implicitDeny"]
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=user, ActionNames=["iam:GetRole"] * 3, PaginationConfig={"PageSize": 2}
    )
    assert [len(page["EvaluationResults"]) for page in pages] == [2, 1]


def test_an_identity_that_cannot_be_simulated_is_rejected(clients: Clients) -> None:
    simulate = clients("iam").simulate_principal_policy
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/x/y"

    assert refusal(simulate, PolicySourceArn=session, ActionNames=["a:B"]).startswith("InvalidInput")
    gone = f"arn:aws:iam::{ACCOUNT}:role/gone"
    assert refusal(simulate, PolicySourceArn=gone, ActionNames=["a:B"]).startswith("NoSuchEntity")
    broken = {"PolicyInputList": ['{"Version": "2012-10-17"}'], "ActionNames": ["a:B"]}
    assert refusal(clients("iam").simulate_custom_policy, **broken).startswith("InvalidInput")
