"""The section "Others" of docs/permissions.md: what callers, and roles of stacks and rules, need."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.local_account.permission_tables import entries, role_without
from tests.local_account.services.events.test_delivery import failures
from tests.sessions import make_client
from tests.waiting import eventually
from tests.zips import zipped

pytestmark = pytest.mark.slow

ENTRIES = {entry.when.split(",")[0].split(" (")[0] + entry.permission: entry for entry in entries("Others")}
TEMPLATE = json.dumps({"Resources": {"Logs": {"Type": "AWS::Logs::LogGroup"}}})
Client = Callable[[str], Any]


class Caller:
    """A role that may do everything but one thing, and clients with its credentials."""

    def __init__(self, account: AccountProcess, permission: str, *services: str) -> None:
        self.name = f"rest-{uuid.uuid4().hex[:8]}"
        self.arn = role_without(account.client("iam"), self.name, permission, *services)
        self._account = account
        if not services:
            trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
            document = json.dumps({"Version": "2012-10-17", "Statement": [trust]})
            account.client("iam").update_assume_role_policy(RoleName=self.name, PolicyDocument=document)

    def __call__(self, service: str) -> Any:
        sts = self._account.client("sts")
        keys = sts.assume_role(RoleArn=self.arn, RoleSessionName="test")["Credentials"]
        return make_client(
            service,
            endpoint_url=self._account.endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=keys["AccessKeyId"],
            aws_secret_access_key=keys["SecretAccessKey"],
            aws_session_token=keys["SessionToken"],
        )


@pytest.fixture
def bucket(client: Client) -> str:
    """A bucket with a template and the code of a function."""
    name = f"callers-{uuid.uuid4().hex[:8]}"
    client("s3").create_bucket(Bucket=name)
    client("s3").put_object(Bucket=name, Key="template.json", Body=TEMPLATE.encode())
    code = zipped({"index.py": "def handler(event, context): pass"})
    client("s3").put_object(Bucket=name, Key="code.zip", Body=code)
    return name


def test_every_permission_has_a_test() -> None:
    """Those of functions, model packages and conditions are in the tests of these."""
    assert set(ENTRIES) == {
        "CodePipelinecloudwatch:DescribeAlarms",
        "CodePipelinelambda:InvokeFunction",
        "CodePipelinelambda:ListFunctions",
        "EventBridgecodepipeline:StartPipelineExecution",
        "CloudFormations3:GetObject",
        "Lambdas3:GetObject",
        "Lambdalogs:CreateLogStream",
        "Lambdalogs:PutLogEvents",
        "SageMaker AIecr:BatchGetImage",
        "SageMaker AIs3:GetObject",
    }


def test_the_caller_reads_the_template(local_account: AccountProcess, bucket: str) -> None:
    entry = ENTRIES["CloudFormations3:GetObject"]
    caller = Caller(local_account, entry.permission)
    url = f"https://{bucket}.s3.amazonaws.com/template.json"
    for operation in ("create_stack", "validate_template"):
        more = {"StackName": "callers"} if operation == "create_stack" else {}
        with pytest.raises(ClientError) as refused:
            getattr(caller("cloudformation"), operation)(TemplateURL=url, **more)
        error = refused.value.response["Error"]
        assert error["Code"] == entry.code
        assert error["Message"].startswith(entry.words)
        assert "\nFor more information check http" in error["Message"]


@pytest.mark.parametrize("role", [True, False], ids=["of the stack", "of the caller"])
def test_a_handler_acts_with_the_role(local_account: AccountProcess, bucket: str, role: bool) -> None:
    caller = Caller(local_account, "logs:CreateLogGroup", *(["cloudformation.amazonaws.com"] if role else []))
    cloudformation = (local_account.client if role else caller)("cloudformation")
    name, given = f"callers-{bucket[-8:]}", {"RoleARN": caller.arn} if role else {}
    cloudformation.create_stack(StackName=name, TemplateBody=TEMPLATE, OnFailure="DO_NOTHING", **given)
    seen = local_account.client("cloudformation")
    eventually(lambda: seen.describe_stacks(StackName=name)["Stacks"][0]["StackStatus"] == "CREATE_FAILED")
    events = seen.describe_stack_events(StackName=name)["StackEvents"]
    (reason,) = (
        one["ResourceStatusReason"]
        for one in events
        if one["LogicalResourceId"] == "Logs" and one["ResourceStatus"] == "CREATE_FAILED"
    )
    assert "is not authorized to perform: logs:CreateLogGroup" in reason


def test_the_caller_reads_the_code_of_a_function(local_account: AccountProcess, bucket: str) -> None:
    entry = ENTRIES["Lambdas3:GetObject"]
    caller, role = (
        Caller(local_account, entry.permission),
        Caller(local_account, "x:Y", "lambda.amazonaws.com"),
    )
    with pytest.raises(ClientError) as refused:
        caller("lambda").create_function(
            FunctionName=f"callers-{bucket[-8:]}",
            Role=role.arn,
            Runtime="python3.12",
            Handler="index.handler",
            Code={"S3Bucket": bucket, "S3Key": "code.zip"},
        )
    error = refused.value.response["Error"]
    assert error["Code"] == entry.code
    words = f"{entry.words}, please make sure your request credentials have permission to GetObject for"
    assert error["Message"].startswith(f"{words} {bucket}/code.zip. S3 Error Code: AccessDenied.")


def test_a_rule_starts_a_pipeline_with_the_role_of_its_target(
    local_account: AccountProcess, client: Client, bucket: str
) -> None:
    entry = ENTRIES["EventBridgecodepipeline:StartPipelineExecution"]
    starter = Caller(local_account, entry.permission, "events.amazonaws.com")
    worker = Caller(local_account, "x:Y", "codepipeline.amazonaws.com")
    name = f"callers-{bucket[-8:]}"
    configuration = {"S3Bucket": bucket, "S3ObjectKey": "code.zip", "PollForSourceChanges": "false"}
    kinds = {"Source": ("Source", "S3"), "Approve": ("Approval", "Manual")}
    stages = [
        {
            "name": stage,
            "actions": [
                {
                    "name": stage,
                    "actionTypeId": {
                        "category": category,
                        "owner": "AWS",
                        "provider": provider,
                        "version": "1",
                    },
                    **(
                        {"outputArtifacts": [{"name": "Input"}], "configuration": configuration}
                        if stage == "Source"
                        else {}
                    ),
                }
            ],
        }
        for stage, (category, provider) in kinds.items()
    ]
    client("s3").put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    client("codepipeline").create_pipeline(
        pipeline={
            "name": name,
            "roleArn": worker.arn,
            "artifactStore": {"type": "S3", "location": bucket},
            "stages": stages,
        }
    )
    events = client("events")
    events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))
    target = f"arn:aws:codepipeline:us-east-1:123456789012:{name}"
    events.put_targets(Rule=name, Targets=[{"Id": "1", "Arn": target, "RoleArn": starter.arn}])
    events.put_events(Entries=[{"Source": name, "DetailType": "x", "Detail": "{}"}])

    eventually(lambda: failures(client, name, entry.code) == 1)

    listed = client("codepipeline").list_pipeline_executions(pipelineName=name)["pipelineExecutionSummaries"]
    assert [one["trigger"]["triggerType"] for one in listed] == ["CreatePipeline"]
