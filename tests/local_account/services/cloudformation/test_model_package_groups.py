"""Model package groups in stacks."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.cloudformation.stack_maker import StackMaker

TEMPLATE = """
Parameters: {Action: {Type: String, Default: "sagemaker:DescribeModelPackage"}}
Resources:
  Group:
    Type: AWS::SageMaker::ModelPackageGroup
    Properties:
      ModelPackageGroupName: cfn-group
      ModelPackageGroupDescription: of a stack
      ModelPackageGroupPolicy:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {AWS: "111122223333"}, Action: !Ref Action, Resource: "*"}]
      Tags: [{Key: team, Value: red}]
Outputs:
  Arn: {Value: !Ref Group}
  Status: {Value: !GetAtt Group.ModelPackageGroupStatus}
"""


def test_a_model_package_group_is_created_changed_and_deleted(
    stacks: StackMaker, client: Callable[[str], Any]
) -> None:
    sagemaker, group = client("sagemaker"), {"ModelPackageGroupName": "cfn-group"}
    stack = stacks.create("grouped", TEMPLATE)
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("grouped")
    described = sagemaker.describe_model_package_group(**group)
    arn = described["ModelPackageGroupArn"]
    assert stacks.outputs("grouped") == {"Arn": arn, "Status": "Completed"}
    assert described["ModelPackageGroupDescription"] == "of a stack"
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert (tags["team"], tags["aws:cloudformation:logical-id"]) == ("red", "Group")

    def action() -> str:
        policy = sagemaker.get_model_package_group_policy(**group)["ResourcePolicy"]
        return str(json.loads(policy)["Statement"][0]["Action"])

    assert action() == "sagemaker:DescribeModelPackage"
    other = [{"ParameterKey": "Action", "ParameterValue": "sagemaker:ListModelPackages"}]
    assert stacks.update("grouped", Parameters=other)["StackStatus"] == "UPDATE_COMPLETE"
    assert action() == "sagemaker:ListModelPackages"
    before, _, after = TEMPLATE.partition("      ModelPackageGroupPolicy:")
    without = before + "      Tags:" + after.partition("      Tags:")[2].replace("red", "blue")
    assert stacks.update("grouped", without)["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("grouped")
    with pytest.raises(ClientError, match="Cannot find resource policy"):
        action()
    tags = {tag["Key"]: tag["Value"] for tag in sagemaker.list_tags(ResourceArn=arn)["Tags"]}
    assert tags["team"] == "blue"

    version = sagemaker.create_model_package(**group, SourceUri="s3://bucket/source.zip")["ModelPackageArn"]
    assert stacks.delete("grouped")["StackStatus"] == "DELETE_FAILED"
    sagemaker.delete_model_package(ModelPackageName=version)
    assert stacks.delete("grouped")["StackStatus"] == "DELETE_COMPLETE"
    assert sagemaker.list_model_package_groups(NameContains="cfn-group")["ModelPackageGroupSummaryList"] == []
