"""IAM in front of the local account: a role may do what its policies allow, as on AWS."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.iam_roles import make_role
from tests.refusing import refusal
from tests.sessions import make_client
from tests.waiting import Eventually

ACCOUNT = "123456789012"
BUILDSPEC = "{version: 0.2, phases: {build: {commands: [ls]}}}"
SERVICES = ("codebuild.amazonaws.com", "lambda.amazonaws.com", "codepipeline.amazonaws.com")


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:us-east-1:{ACCOUNT}:{resource}"


class Role:
    """A role of the session's account, with clients that have its credentials."""

    def __init__(self, local_account: AccountProcess, name: str) -> None:
        self._account, self.name = local_account, name
        self._iam = local_account.client("iam")
        self.arn = make_role(self._iam, name, *SERVICES)
        self._iam.delete_role_policy(RoleName=name, PolicyName="everything")
        sts = local_account.client("sts")
        self._session = sts.assume_role(RoleArn=self.arn, RoleSessionName="test")["Credentials"]

    def allow(self, actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> None:
        statement = {"Effect": "Allow", "Action": actions, "Resource": resources, **more}
        document = {"Version": "2012-10-17", "Statement": [statement]}
        self._iam.put_role_policy(RoleName=self.name, PolicyName="test", PolicyDocument=json.dumps(document))

    def client(self, service: str) -> Any:
        return make_client(
            service,
            endpoint_url=self._account.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=self._session["AccessKeyId"],
            aws_secret_access_key=self._session["SecretAccessKey"],
            aws_session_token=self._session["SessionToken"],
            config=Config(retries={"total_max_attempts": 1}),
        )


@pytest.fixture
def role(local_account: AccountProcess, request: pytest.FixtureRequest) -> Iterator[Role]:
    made = Role(local_account, request.node.name.replace("[", "-").replace("]", "")[5:60].replace("_", "-"))
    yield made
    for name in local_account.client("iam").list_role_policies(RoleName=made.name)["PolicyNames"]:
        local_account.client("iam").delete_role_policy(RoleName=made.name, PolicyName=name)


def test_without_a_policy_a_role_may_do_nothing_and_learns_what_is_missing(role: Role) -> None:
    said = refusal(role.client("codebuild").batch_get_projects, names=["mine"])

    assert said == (
        f"AccessDeniedException: User: arn:aws:sts::{ACCOUNT}:assumed-role/{role.name}/test is not "
        f"authorized to perform: codebuild:BatchGetProjects on resource: {arn('codebuild', 'project/mine')} "
        "because no identity-based policy allows the codebuild:BatchGetProjects action"
    )


def test_a_policy_lets_through_what_it_names_and_nothing_else(role: Role) -> None:
    role.allow("codebuild:BatchGetProjects", arn("codebuild", "project/mine"))
    codebuild = role.client("codebuild")

    assert codebuild.batch_get_projects(names=["mine"])["projectsNotFound"] == ["mine"]
    assert "project/yours" in refusal(codebuild.batch_get_projects, names=["mine", "yours"])
    assert "codebuild:DeleteProject" in refusal(codebuild.delete_project, name="mine")


def test_a_role_is_named_without_a_region(role: Role) -> None:
    role.allow("iam:GetRole", role.arn)

    assert role.arn.startswith("arn:aws:iam::")
    assert role.client("iam").get_role(RoleName=role.name)["Role"]["Arn"] == role.arn


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        ("s3", "get_object", {"Bucket": "somebodys", "Key": "x"}, "AccessDenied"),
        ("logs", "describe_log_groups", {}, "AccessDeniedException"),
        ("cloudwatch", "describe_alarms", {}, "AccessDeniedException"),
        ("iam", "get_role", {"RoleName": "x"}, "AccessDenied"),
        ("ec2", "describe_vpcs", {}, "UnauthorizedOperation"),
        ("cloudformation", "describe_stacks", {"StackName": "x"}, "AccessDenied"),
        ("lambda", "get_function", {"FunctionName": "x"}, "AccessDeniedException"),
        ("sagemaker", "describe_endpoint", {"EndpointName": "x"}, "AccessDeniedException"),
        (
            "sagemaker-runtime",
            "invoke_endpoint",
            {"EndpointName": "x", "Body": b"{}"},
            "AccessDeniedException",
        ),
    ],
)
def test_every_service_refuses_in_its_own_way(
    role: Role, service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    assert refusal(getattr(role.client(service), operation), **params).startswith(
        f"{code}: User: arn:aws:sts"
    )


def test_every_caller_may_get_its_identity(role: Role) -> None:
    assert role.client("sts").get_caller_identity()["Arn"].endswith(f"assumed-role/{role.name}/test")


def test_credentials_of_a_session_that_never_existed_are_refused(
    local_account: AccountProcess, role: Role
) -> None:
    role._session = {**role._session, "AccessKeyId": "ASIAXXXXXXXXXXXXXXXX"}

    assert refusal(role.client("codebuild").list_projects).startswith("InvalidClientTokenId")


def test_objects_are_judged_by_key_and_lists_by_prefix(role: Role, client: Any) -> None:
    bucket = "authorized-objects"
    client("s3").create_bucket(Bucket=bucket)
    client("s3").put_object(Bucket=bucket, Key="mine/a", Body=b"1")
    role.allow(["s3:GetObject", "s3:DeleteObject"], f"arn:aws:s3:::{bucket}/mine/*")
    s3 = role.client("s3")

    assert s3.get_object(Bucket=bucket, Key="mine/a")["Body"].read() == b"1"
    assert "yours/a" in refusal(s3.get_object, Bucket=bucket, Key="yours/a")
    assert "s3:PutObject" in refusal(s3.put_object, Bucket=bucket, Key="mine/b", Body=b"")
    copy = {"Bucket": bucket, "Key": "yours/a"}
    role.allow(["s3:GetObject", "s3:PutObject"], f"arn:aws:s3:::{bucket}/mine/*")
    assert "s3:GetObject" in refusal(s3.copy_object, Bucket=bucket, Key="mine/c", CopySource=copy)
    wanted = {"Delete": {"Objects": [{"Key": "yours/a"}]}}
    (error,) = s3.delete_objects(Bucket=bucket, **wanted)["Errors"]
    assert (error["Key"], error["Code"]) == ("yours/a", "AccessDenied")
    assert "s3:DeleteObject" in error["Message"]
    role.allow("s3:ListBucket", f"arn:aws:s3:::{bucket}", Condition={"StringLike": {"s3:prefix": "mine/*"}})
    assert s3.list_objects_v2(Bucket=bucket, Prefix="mine/")["KeyCount"] == 1
    assert "s3:ListBucket" in refusal(s3.list_objects_v2, Bucket=bucket)


def test_passing_a_role_to_a_service_needs_permission(role: Role) -> None:
    codebuild = role.client("codebuild")
    project = {
        "name": "passes-a-role",
        "source": {"type": "NO_SOURCE", "buildspec": BUILDSPEC},
        "artifacts": {"type": "NO_ARTIFACTS"},
        "environment": {"type": "LINUX_CONTAINER", "image": "x", "computeType": "BUILD_GENERAL1_SMALL"},
        "serviceRole": role.arn,
    }
    role.allow("codebuild:CreateProject")
    assert f"iam:PassRole on resource: {role.arn}" in refusal(codebuild.create_project, **project)

    passing = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
    role.allow(["codebuild:CreateProject", "iam:PassRole"], Condition=passing)
    assert "codebuild:CreateProject" in refusal(codebuild.create_project, **project)

    role.allow(["codebuild:CreateProject", "iam:PassRole"])
    assert codebuild.create_project(**project)["project"]["name"] == "passes-a-role"


def test_a_stack_has_the_permissions_of_its_creator(role: Role, eventually: Eventually) -> None:
    template = {
        "Resources": {"Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/no"}}}
    }
    role.allow("cloudformation:*")
    cloudformation = role.client("cloudformation")

    cloudformation.create_stack(StackName="not-allowed", TemplateBody=json.dumps(template))

    def events() -> list[str]:
        found = cloudformation.describe_stack_events(StackName="not-allowed")["StackEvents"]
        return [
            one.get("ResourceStatusReason", "") for one in found if one["ResourceStatus"] == "CREATE_FAILED"
        ]

    assert "not authorized to perform: logs:" in " ".join(eventually(events))


def test_a_permissions_boundary_applies(role: Role, client: Any) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}],
    }
    boundary = client("iam").create_policy(PolicyName="boundary", PolicyDocument=json.dumps(document))
    role.allow("*")
    assert role.client("codebuild").list_projects()["projects"] is not None

    client("iam").put_role_permissions_boundary(
        RoleName=role.name, PermissionsBoundary=boundary["Policy"]["Arn"]
    )

    assert "codebuild:ListProjects" in refusal(role.client("codebuild").list_projects)


def test_a_policy_about_one_secret_names_its_whole_arn(role: Role, local_account: AccountProcess) -> None:
    secrets = local_account.client("secretsmanager")
    mine, other = (secrets.create_secret(Name=name, SecretString="s") for name in ("of-mine", "of-others"))
    role.allow("secretsmanager:GetSecretValue", mine["ARN"])
    theirs = role.client("secretsmanager")

    assert theirs.get_secret_value(SecretId="of-mine")["SecretString"] == "s"
    assert theirs.get_secret_value(SecretId=mine["ARN"])["SecretString"] == "s"
    for secret in ("of-others", other["ARN"], "of-nobody"):
        with pytest.raises(ClientError, match="not authorized to perform: secretsmanager:GetSecretValue"):
            theirs.get_secret_value(SecretId=secret)
