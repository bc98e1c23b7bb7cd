"""An account that is killed in the middle of an operation leaves no stack stuck."""

import signal
from typing import Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.waiting import Eventually

pytestmark = pytest.mark.slow

# A notebook instance with a long lifecycle script keeps its stack in progress.
SLOW = """
Parameters: {Seconds: {Type: Number}}
Resources:
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: cfn-slow}}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: sagemaker.amazonaws.com}, Action: sts:AssumeRole}]
  Scripts:
    Type: AWS::SageMaker::NotebookInstanceLifecycleConfig
    DependsOn: Bucket
    Properties:
      OnStart: [{Content: {"Fn::Base64": !Sub "sleep ${Seconds}"}}]
  Notebook:
    Type: AWS::SageMaker::NotebookInstance
    Properties:
      NotebookInstanceName: cfn-slow
      InstanceType: ml.t3.medium
      RoleArn: !GetAtt Role.Arn
      LifecycleConfigName: !GetAtt Scripts.NotebookInstanceLifecycleConfigName
"""


def test_killed_while_creating(own_account: AccountProcess, eventually: Eventually) -> None:
    api = own_account.start().client("cloudformation")
    api.create_stack(
        StackName="slow",
        TemplateBody=SLOW,
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": "Seconds", "ParameterValue": "6"}],
    )

    def physical_id() -> str:
        resources = api.describe_stack_resources(StackName="slow")["StackResources"]
        return "".join(
            r.get("PhysicalResourceId", "") for r in resources if r["LogicalResourceId"] == "Notebook"
        )

    eventually(physical_id, 20)
    own_account.stop(signal.SIGKILL)

    api = own_account.start().client("cloudformation")

    def at_rest() -> Any:
        stack = api.describe_stacks(StackName="slow")["Stacks"][0]
        return None if stack["StackStatus"].endswith("IN_PROGRESS") else stack

    status = eventually(at_rest, 30)["StackStatus"]
    events = api.describe_stack_events(StackName="slow")["StackEvents"]
    assert status == "ROLLBACK_COMPLETE", events
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("the local account was stopped while this was under way" in reason for reason in reasons)
    assert not own_account.client("s3").list_buckets()["Buckets"]
    api.delete_stack(StackName="slow")
    api.get_waiter("stack_delete_complete").wait(StackName="slow", WaiterConfig={"Delay": 1})


def test_stacks_and_their_history_survive_a_restart(
    own_account: AccountProcess, eventually: Eventually
) -> None:
    api = own_account.start().client("cloudformation")
    api.create_stack(StackName="kept", TemplateBody="Resources: {B: {Type: AWS::Logs::LogGroup}}")
    eventually(lambda: api.describe_stacks()["Stacks"][0]["StackStatus"] == "CREATE_COMPLETE")
    before = api.describe_stack_events(StackName="kept")["StackEvents"]
    own_account.stop()
    api = own_account.start().client("cloudformation")
    assert api.describe_stack_events(StackName="kept")["StackEvents"] == before
    api.delete_stack(StackName="kept")
    eventually(lambda: not api.describe_stacks()["Stacks"])
