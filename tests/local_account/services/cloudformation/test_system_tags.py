"""Tags that CloudFormation adds to what a stack makes, and that nobody else can set or remove."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role
from tests.local_account.services.cloudformation.stack_maker import StackMaker

OWN = {"Key": "team", "Value": "red"}
RESERVED = {"aws:cloudformation:stack-name": "mine"}
TEMPLATE = {
    "Resources": {
        "Data": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "tagged-data", "Tags": [OWN]}},
        "Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "tagged"}},
        "Source": {"Type": "AWS::CodeCommit::Repository", "Properties": {"RepositoryName": "tagged"}},
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/tagged"}},
        "Door": {"Type": "AWS::EC2::SecurityGroup", "Properties": {"GroupDescription": "tagged"}},
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {"Name": "tagged", "ScheduleExpression": "rate(1 day)", "State": "DISABLED"},
        },
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "RoleName": "tagged",
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": {
                        "Effect": "Allow",
                        "Principal": {"Service": "lambda.amazonaws.com"},
                        "Action": "sts:AssumeRole",
                    },
                },
            },
        },
    }
}


def pairs(tags: list[Any]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


def test_what_a_stack_makes_says_so_where_aws_shows_it(
    client: Callable[[str], Any], stacks: StackMaker
) -> None:
    name = "system-tags"
    made = stacks.create(name, json.dumps(TEMPLATE), Capabilities=["CAPABILITY_NAMED_IAM"])
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    stack_id = made["StackId"]
    found = client("resourcegroupstaggingapi").get_resources(
        TagFilters=[{"Key": "aws:cloudformation:stack-name", "Values": [name]}]
    )["ResourceTagMappingList"]
    by_logical_id = {
        (tags := pairs(one["Tags"]))["aws:cloudformation:logical-id"]: tags["aws:cloudformation:stack-id"]
        for one in found
    }
    assert by_logical_id == dict.fromkeys(("Data", "Images", "Source", "Group", "Rule"), stack_id)
    (door,) = client("ec2").describe_security_groups(
        Filters=[{"Name": "tag:aws:cloudformation:stack-name", "Values": [name]}]
    )["SecurityGroups"]
    assert pairs(door["Tags"])["aws:cloudformation:logical-id"] == "Door"
    assert client("iam").list_role_tags(RoleName="tagged")["Tags"] == []

    # A change of the template's tags changes those only.
    changed = json.loads(json.dumps(TEMPLATE))
    changed["Resources"]["Data"]["Properties"].pop("Tags")
    changed["Resources"]["Images"]["Properties"]["Tags"] = [OWN]
    stacks.update(name, json.dumps(changed), Capabilities=["CAPABILITY_NAMED_IAM"])
    s3, ecr = client("s3"), client("ecr")
    assert "team" not in pairs(s3.get_bucket_tagging(Bucket="tagged-data")["TagSet"])
    arn = ecr.describe_repositories(repositoryNames=["tagged"])["repositories"][0]["repositoryArn"]
    tags = pairs(ecr.list_tags_for_resource(resourceArn=arn)["tags"])
    assert tags.keys() == {
        "team",
        "aws:cloudformation:logical-id",
        "aws:cloudformation:stack-id",
        "aws:cloudformation:stack-name",
    }

    # Who puts a bucket's tags repeats those of AWS; deleting leaves them.
    with pytest.raises(ClientError, match="System tags cannot be removed by requester"):
        s3.put_bucket_tagging(Bucket="tagged-data", Tagging={"TagSet": [OWN]})
    kept = s3.get_bucket_tagging(Bucket="tagged-data")["TagSet"]
    s3.put_bucket_tagging(Bucket="tagged-data", Tagging={"TagSet": [*kept, OWN]})
    s3.delete_bucket_tagging(Bucket="tagged-data")
    assert pairs(s3.get_bucket_tagging(Bucket="tagged-data")["TagSet"]) == pairs(kept)
    with pytest.raises(ClientError, match="aws: prefixed tag key names are not allowed"):
        ecr.untag_resource(resourceArn=arn, tagKeys=["aws:cloudformation:stack-name"])


@pytest.mark.parametrize(
    ("service", "operation", "params", "code"),
    [
        (
            "codecommit",
            "create_repository",
            {"repositoryName": "rr", "tags": RESERVED},
            "InvalidSystemTagUsageException",
        ),
        (
            "ecr",
            "create_repository",
            {"repositoryName": "rr", "tags": [{"Key": "AWS:x", "Value": ""}]},
            "InvalidTagParameterException",
        ),
        ("logs", "create_log_group", {"logGroupName": "g", "tags": RESERVED}, "InvalidParameterException"),
        ("iam", "create_user", {"UserName": "u", "Tags": [{"Key": "aws:x", "Value": "y"}]}, "InvalidInput"),
        (
            "ec2",
            "create_tags",
            {"Resources": ["sg-1"], "Tags": [{"Key": "aws:x", "Value": "y"}]},
            "InvalidParameterValue",
        ),
        (
            "cloudformation",
            "create_stack",
            {
                "StackName": "s",
                "TemplateBody": json.dumps(TEMPLATE),
                "Tags": [{"Key": "aws:x", "Value": "y"}],
            },
            "ValidationError",
        ),
        (
            "s3",
            "create_bucket",
            {"Bucket": "bbb", "CreateBucketConfiguration": {"Tags": [{"Key": "aws:x", "Value": "y"}]}},
            "InvalidTag",
        ),
    ],
)
def test_nobody_else_sets_them(
    client: Callable[[str], Any], service: str, operation: str, params: dict[str, Any], code: str
) -> None:
    with pytest.raises(ClientError) as refused:
        getattr(client(service), operation)(**params)
    assert refused.value.response["Error"]["Code"] == code


def test_they_need_no_permission_of_the_stacks_role(client: Callable[[str], Any], stacks: StackMaker) -> None:
    allowed = ["s3:CreateBucket", "s3:ListBucket", "ecr:CreateRepository", "ecr:DescribeRepositories"]
    allowed += ["s3:DeleteBucket", "ecr:DeleteRepository"]
    role = make_role(client("iam"), "untagging", "cloudformation.amazonaws.com", actions=allowed)
    body = {
        "Resources": {
            "Data": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "untagged-data"}},
            "Images": {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "untagged"}},
        }
    }
    made = stacks.create("untagging", json.dumps(body), RoleARN=role)
    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures("untagging")
    tags = client("s3").get_bucket_tagging(Bucket="untagged-data")["TagSet"]
    assert pairs(tags)["aws:cloudformation:logical-id"] == "Data"


def test_a_template_cannot_set_them_either(client: Callable[[str], Any], stacks: StackMaker) -> None:
    body = {
        "Resources": {
            "Images": {
                "Type": "AWS::ECR::Repository",
                "Properties": {"Tags": [{"Key": "aws:x", "Value": "y"}]},
            }
        }
    }
    assert stacks.create("own-system-tags", json.dumps(body))["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "aws: prefixed tag key names are not allowed for external use." in stacks.failures(
        "own-system-tags"
    )


def test_they_do_not_count_towards_the_limit_of_fifty(
    client: Callable[[str], Any], stacks: StackMaker
) -> None:
    tags = [{"Key": f"k{number}", "Value": "v"} for number in range(50)]
    git = {"RepositoryUrl": "https://github.com/octo/app"}
    resources = {
        "Group": {"Type": "AWS::Logs::LogGroup", "Properties": {"Tags": tags}},
        "Git": {"Type": "AWS::SageMaker::CodeRepository", "Properties": {"GitConfig": git, "Tags": tags}},
        "Secret": {"Type": "AWS::SecretsManager::Secret", "Properties": {"Tags": tags}},
    }

    made = stacks.create("fifty-tags", json.dumps({"Resources": resources}))

    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures("fifty-tags")
    arn = stacks.physical("fifty-tags")["Secret"]
    assert len(client("secretsmanager").describe_secret(SecretId=arn)["Tags"]) >= 50
    with pytest.raises(ClientError, match="at most 50 tags"):
        client("secretsmanager").tag_resource(SecretId=arn, Tags=[{"Key": "more", "Value": "v"}])
