"""Templates that people bring along: what AWS takes in them is taken, and what is missing here is said."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.iam_roles import make_role
from tests.local_account.services.cloudformation.stack_maker import StackMaker
from tests.zips import zipped

GROUP = "{Type: AWS::Logs::LogGroup, Properties: {LogGroupName: %s}}"


def group(name: str, more: str = "") -> str:
    return f"Resources: {{G: {GROUP % name}{more}}}"


def test_a_role_can_have_policies_of_aws(stacks: StackMaker) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ],
    }
    arn = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    role = {
        "Type": "AWS::IAM::Role",
        "Properties": {"AssumeRolePolicyDocument": trust, "ManagedPolicyArns": [arn]},
    }
    template = json.dumps({"Resources": {"R": role}})

    stack = stacks.create("borrowed-role", template, Capabilities=["CAPABILITY_IAM"])

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-role")
    assert stacks.delete("borrowed-role")["StackStatus"] == "DELETE_COMPLETE"


def test_numbers_in_policies_are_text(stacks: StackMaker, client: Callable[[str], Any]) -> None:
    """As AWS's samples have them; github.com/serverless-operations/serverless-step-functions/issues/260."""
    template = """
Resources:
  R:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Statement:
          - {Sid: 1, Effect: Allow, Principal: {Service: events.amazonaws.com}, Action: "sts:AssumeRole"}
      Policies:
        - PolicyName: p
          PolicyDocument: {Statement: [{Sid: 2, Effect: Allow, Action: "s3:GetObject", Resource: "*"}]}
  B: {Type: AWS::S3::Bucket}
  P:
    Type: AWS::S3::BucketPolicy
    Properties:
      Bucket: !Ref B
      PolicyDocument:
        Version: 2012-10-17
        Statement:
          - {Sid: 3, Effect: Deny, Principal: "*", Action: "s3:GetObject", Resource: !Sub "${B.Arn}/*"}
"""

    stack = stacks.create("borrowed-numbers", template, Capabilities=["CAPABILITY_IAM"])

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-numbers")
    made = stacks.physical("borrowed-numbers")
    role = client("iam").get_role(RoleName=made["R"])["Role"]
    policy = client("s3").get_bucket_policy(Bucket=made["B"])["Policy"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Sid"] == "1"
    assert json.loads(policy)["Statement"][0]["Sid"] == "3"
    assert stacks.delete("borrowed-numbers")["StackStatus"] == "DELETE_COMPLETE"


def test_the_metadata_of_cdk_apps_makes_nothing(stacks: StackMaker) -> None:
    cdk = ", CDKMetadata: {Type: AWS::CDK::Metadata, Properties: {Analytics: v2}}"

    assert stacks.create("borrowed-cdk", group("/borrowed/cdk", cdk))["StackStatus"] == "CREATE_COMPLETE"
    assert set(stacks.physical("borrowed-cdk")) == {"G", "CDKMetadata"}
    assert stacks.delete("borrowed-cdk")["StackStatus"] == "DELETE_COMPLETE"


def test_a_type_that_is_missing_here_matters_only_if_it_is_made(stacks: StackMaker) -> None:
    template = (
        "Parameters: {Make: {Type: String, Default: 'no'}}\n"
        "Conditions: {Made: !Equals [!Ref Make, 'yes']}\n"
        + group("/borrowed/type", ", P: {Type: AWS::SQS::Queue, Condition: Made, Properties: {QueueName: q}}")
    )
    assert stacks.create("borrowed-type", template)["StackStatus"] == "CREATE_COMPLETE"

    with pytest.raises(ClientError, match=r"local account does not support .* \[AWS::SQS::Queue\]"):
        stacks.update("borrowed-type", Parameters=[{"ParameterKey": "Make", "ParameterValue": "yes"}])


def test_descriptions_leave_out_what_is_empty(stacks: StackMaker) -> None:
    stack = stacks.create("borrowed-plain", group("/borrowed/plain"))

    assert not {"Outputs", "Parameters", "Capabilities"} & set(stack)
    assert stack["Tags"] == []
    stacks.api.create_change_set(
        StackName="borrowed-plain", ChangeSetName="change", TemplateBody=group("/borrowed/other")
    )
    change_set = stacks.api.describe_change_set(StackName="borrowed-plain", ChangeSetName="change")
    assert not {"Parameters", "Tags"} & set(change_set)


def test_a_policy_attribute_alone_is_an_update(stacks: StackMaker) -> None:
    template = "Resources: {G: {Type: AWS::Logs::LogGroup, UpdateReplacePolicy: Delete}}"
    stacks.create("borrowed-policy", template)

    stack = stacks.update("borrowed-policy", "Resources: {G: {Type: AWS::Logs::LogGroup}}")

    assert stack["StackStatus"] == "UPDATE_COMPLETE"


def test_a_stack_in_review_can_be_created(stacks: StackMaker) -> None:
    stacks.api.create_change_set(
        StackName="borrowed-review",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=group("/borrowed/review"),
    )
    reviewed = stacks.describe("borrowed-review")

    stack = stacks.create("borrowed-review", group("/borrowed/review"))

    assert reviewed["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stack["StackId"] == reviewed["StackId"]


def test_a_bucket_can_spell_out_what_is_the_default(stacks: StackMaker) -> None:
    for acl in ("Private", "BucketOwnerFullControl"):  # S3 ignores the latter for a bucket
        properties = f"{{AccessControl: {acl}, ObjectLockEnabled: false}}"
        template = f"Resources: {{B: {{Type: AWS::S3::Bucket, Properties: {properties}}}}}"

        stack = stacks.create("borrowed-acl", template)

        assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-acl")
        stacks.delete("borrowed-acl")


@pytest.mark.parametrize(
    ("owner", "reason"),
    [
        ("", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"),
        ("BucketOwnerEnforced", "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced"),
        ("ObjectWriter", "AccessControl: PublicRead is not supported by the local account"),
    ],
)
def test_a_bucket_with_an_acl_needs_an_owner_that_allows_it(
    stacks: StackMaker, owner: str, reason: str
) -> None:
    controls = f", OwnershipControls: {{Rules: [{{ObjectOwnership: {owner}}}]}}" if owner else ""
    properties = f"{{AccessControl: PublicRead{controls}}}"
    name = f"borrowed-public{owner}"

    stack = stacks.create(name, f"Resources: {{B: {{Type: AWS::S3::Bucket, Properties: {properties}}}}}")

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert reason in stacks.failures(name)


def test_a_repository_begins_with_the_content_of_an_archive(
    stacks: StackMaker, client: Callable[[str], Any]
) -> None:
    stored = zipped({f"data/{number}.txt": str(number) for number in range(101)} | {"README.md": "hello"})
    s3 = client("s3")
    s3.create_bucket(Bucket="borrowed-code")
    s3.put_object(Bucket="borrowed-code", Key="code.zip", Body=stored)
    code = "{BranchName: trunk, S3: {Bucket: borrowed-code, Key: code.zip}}"
    repository = f"{{RepositoryName: borrowed, Code: {code}}}"

    stack = stacks.create(
        "borrowed-repository",
        f"Resources: {{R: {{Type: AWS::CodeCommit::Repository, Properties: {repository}}}}}",
    )

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-repository")
    codecommit = client("codecommit")
    at = {"repositoryName": "borrowed", "commitSpecifier": "trunk"}
    files = codecommit.get_folder(**at, folderPath="data")["files"]
    assert len(files) == 101
    read = codecommit.get_file(**at, filePath="README.md")
    assert read["fileContent"] == b"hello"


def test_versions_of_functions_are_published_and_deleted(
    stacks: StackMaker, client: Callable[[str], Any]
) -> None:
    role = make_role(client("iam"), "borrowed-versions", "lambda.amazonaws.com")
    function = {
        "Type": "AWS::Lambda::Function",
        "Properties": {
            "FunctionName": "borrowed-versions",
            "Role": role,
            "Runtime": "python3.13",
            "Handler": "index.handler",
            "Code": {"ZipFile": "def handler(event, context): return 1"},
        },
    }
    version = {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}}
    template: dict[str, Any] = {
        "Resources": {"F": function, "V": version},
        "Outputs": {"Arn": {"Value": {"Ref": "V"}}, "Number": {"Value": {"Fn::GetAtt": ["V", "Version"]}}},
    }

    stack = stacks.create("borrowed-versions", json.dumps(template))

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-versions")
    assert stacks.outputs("borrowed-versions")["Number"] == "1"
    assert stacks.outputs("borrowed-versions")["Arn"].endswith(":function:borrowed-versions:1")
    del template["Resources"]["V"], template["Outputs"]
    assert stacks.update("borrowed-versions", json.dumps(template))["StackStatus"] == "UPDATE_COMPLETE"
    listed = client("lambda").list_versions_by_function(FunctionName="borrowed-versions")["Versions"]
    assert [one["Version"] for one in listed] == ["$LATEST"]


def test_a_repository_excepts_tags_from_its_setting(stacks: StackMaker, client: Callable[[str], Any]) -> None:
    template = """
Resources:
  R:
    Type: AWS::ECR::Repository
    Properties:
      RepositoryName: borrowed-filters
      ImageTagMutability: %s_WITH_EXCLUSION
      ImageTagMutabilityExclusionFilters:
        - {ImageTagMutabilityExclusionFilterType: WILDCARD, ImageTagMutabilityExclusionFilterValue: %s}
"""
    ecr = client("ecr")
    for change, setting, pattern in (
        (stacks.create, "IMMUTABLE", "dev-*"),
        (stacks.update, "MUTABLE", "v*"),
    ):
        stack = change("borrowed-filters", template % (setting, pattern))
        assert stack["StackStatus"].endswith("E_COMPLETE"), stacks.failures("borrowed-filters")
        (shown,) = ecr.describe_repositories(repositoryNames=["borrowed-filters"])["repositories"]
        assert shown["imageTagMutability"] == f"{setting}_WITH_EXCLUSION"
        assert shown["imageTagMutabilityExclusionFilters"] == [{"filterType": "WILDCARD", "filter": pattern}]


def test_connections_and_code_repositories(stacks: StackMaker) -> None:
    url = "https://github.com/octo/app.git"
    template = (
        "Resources:\n"
        "  C: {Type: AWS::CodeStarConnections::Connection, Properties: {ConnectionName: borrowed,"
        " ProviderType: GitHub}}\n"
        "  D: {Type: AWS::CodeConnections::Connection, Properties: {ConnectionName: borrowed,"
        " ProviderType: GitLab}}\n"
        "  R: {Type: AWS::SageMaker::CodeRepository, Properties: {GitConfig:"
        f" {{RepositoryUrl: '{url}'}}}}}}\n"
        "Outputs: {C: {Value: !GetAtt C.ConnectionStatus}, D: {Value: !Ref D}, R: {Value: !Ref R},"
        " N: {Value: !GetAtt R.CodeRepositoryName}}\n"
    )

    stack = stacks.create("borrowed-git", template)

    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("borrowed-git")
    outputs = stacks.outputs("borrowed-git")
    assert outputs["C"] == "PENDING"
    assert ":codeconnections:" in outputs["D"]
    assert outputs["R"].endswith(f":code-repository/{outputs['N'].lower()}")
    assert stacks.delete("borrowed-git")["StackStatus"] == "DELETE_COMPLETE"
