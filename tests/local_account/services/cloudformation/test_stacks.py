"""Stacks are created, changed, rolled back and deleted as CloudFormation does it, judged through boto3."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.cloudformation.stack_maker import StackMaker

Client = Callable[[str], Any]

BUCKET_AND_LOGS = """
Parameters: {Suffix: {Type: String}, Days: {Type: Number, Default: 7}}
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub "cfn-${Suffix}", VersioningConfiguration: {Status: Enabled}}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub "/cfn/${Bucket}", RetentionInDays: !Ref Days}
Outputs:
  Arn: {Value: !GetAtt Bucket.Arn}
  Logs: {Value: !Ref Logs}
"""
ROLE = """
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: 2012-10-17
        Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: sts:AssumeRole}]
      %s
"""


def param(**values: Any) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def error(call: Callable[..., Any], **params: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as caught:
        call(**params)
    details = caught.value.response["Error"]
    return details["Code"], details["Message"]


def test_create_and_delete(stacks: StackMaker, client: Client) -> None:
    tags = [{"Key": "mlops-workshop:lab", "Value": "ana"}]
    stack = stacks.create("cd", BUCKET_AND_LOGS, Parameters=param(Suffix="cd"), Tags=tags)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.outputs("cd") == {"Arn": "arn:aws:s3:::cfn-cd", "Logs": "/cfn/cfn-cd"}
    s3 = client("s3")
    assert s3.get_bucket_versioning(Bucket="cfn-cd")["Status"] == "Enabled"
    assert tags[0] in s3.get_bucket_tagging(Bucket="cfn-cd")["TagSet"]
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/cfn/cfn-cd")["logGroups"]
    assert groups[0]["retentionInDays"] == 7

    events = stacks.events("cd")
    order = [(name, status) for name, status, _ in events]
    assert order.index(("Bucket", "CREATE_COMPLETE")) < order.index(("Logs", "CREATE_IN_PROGRESS"))
    assert order[0] == ("cd", "CREATE_IN_PROGRESS")
    assert order[-1] == ("cd", "CREATE_COMPLETE")

    gone = stacks.delete("cd")
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert "cfn-cd" not in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    code, message = error(stacks.api.describe_stacks, StackName="cd")
    assert (code, message) == ("ValidationError", "Stack with id cd does not exist")


def test_a_request_repeated_with_its_token_is_the_same_request(stacks: StackMaker, client: Client) -> None:
    cloudformation = client("cloudformation")
    request = {"StackName": "again", "TemplateBody": BUCKET_AND_LOGS, "Parameters": param(Suffix="again")}
    first = cloudformation.create_stack(**request, ClientRequestToken="one")
    assert cloudformation.create_stack(**request, ClientRequestToken="one")["StackId"] == first["StackId"]
    assert (
        error(cloudformation.create_stack, **request, ClientRequestToken="two")[0] == "AlreadyExistsException"
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName="again", WaiterConfig={"Delay": 1})

    request["Parameters"] = param(Suffix="again", Days=14)
    for _ in range(2):
        cloudformation.update_stack(**request, ClientRequestToken="three")
    cloudformation.get_waiter("stack_update_complete").wait(StackName="again", WaiterConfig={"Delay": 1})
    begun = [status for name, status, _ in stacks.events("again") if name == "again"]
    assert begun.count("CREATE_IN_PROGRESS") == begun.count("UPDATE_IN_PROGRESS") == 1


def test_waiters_of_boto3(stacks: StackMaker) -> None:
    stacks.create("waiters", BUCKET_AND_LOGS, Parameters=param(Suffix="waiters"))
    stacks.api.get_waiter("stack_create_complete").wait(StackName="waiters")
    stacks.update("waiters", Parameters=param(Suffix="waiters", Days=14))
    stacks.api.get_waiter("stack_update_complete").wait(StackName="waiters")
    stacks.delete("waiters")
    stacks.api.get_waiter("stack_delete_complete").wait(StackName="waiters")


def test_names_are_generated_within_the_limits_of_the_service(stacks: StackMaker) -> None:
    text = "Resources: {%s: {Type: AWS::S3::Bucket}}" % ("B" * 60)
    stack = stacks.create("a-stack-with-quite-a-long-name-that-goes-on-and-on-Z", text)
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    (bucket,) = stacks.physical(stack["StackName"]).values()
    assert bucket.startswith("a-stack-with")
    assert bucket == bucket.lower()
    assert len(bucket) <= 63


def test_failed_creation_rolls_back_with_the_reason(stacks: StackMaker, client: Client) -> None:
    client("logs").create_log_group(logGroupName="/cfn/cfn-taken")
    stack = stacks.create("taken", BUCKET_AND_LOGS, Parameters=param(Suffix="taken"))
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    events = stacks.events("taken")
    (reason,) = [why for name, status, why in events if (name, status) == ("Logs", "CREATE_FAILED")]
    assert "already exists" in reason
    (rollback,) = [why for name, status, why in events if status == "ROLLBACK_IN_PROGRESS"]
    assert rollback == "The following resource(s) failed to create: [Logs]. Rollback requested by user."
    assert ("Bucket", "DELETE_COMPLETE", "") in events
    assert client("logs").describe_log_groups(logGroupNamePrefix="/cfn/cfn-taken")["logGroups"], (
        "what was there before is not the stack's to delete"
    )
    _, message = error(stacks.api.update_stack, StackName="taken", UsePreviousTemplate=True)
    assert "is in ROLLBACK_COMPLETE state and can not be updated" in message


def test_failed_creation_can_be_kept_and_then_repaired(stacks: StackMaker, client: Client) -> None:
    logs = client("logs")
    logs.create_log_group(logGroupName="/cfn/cfn-kept")
    stack = stacks.create("kept", BUCKET_AND_LOGS, Parameters=param(Suffix="kept"), DisableRollback=True)
    assert stack["StackStatus"] == "CREATE_FAILED"
    assert stacks.physical("kept")["Bucket"] == "cfn-kept"
    logs.delete_log_group(logGroupName="/cfn/cfn-kept")
    assert stacks.update("kept", Parameters=param(Suffix="kept"))["StackStatus"] == "UPDATE_COMPLETE"


def test_on_failure_delete(stacks: StackMaker, client: Client) -> None:
    client("logs").create_log_group(logGroupName="/cfn/cfn-ofd")
    stack = stacks.create("ofd", BUCKET_AND_LOGS, Parameters=param(Suffix="ofd"), OnFailure="DELETE")
    assert stack["StackStatus"] == "DELETE_COMPLETE"


def test_invalid_properties_fail_the_resource_with_their_names(stacks: StackMaker) -> None:
    text = "Resources: {B: {Type: AWS::S3::Bucket, Properties: {VersioningConfiguration: {Status: On}}}}"
    stacks.create("wrong", text)
    reasons = [why for name, status, why in stacks.events("wrong") if status == "CREATE_FAILED"]
    assert "Properties validation failed for resource B" in reasons[0]
    assert "#/VersioningConfiguration/Status" in reasons[0]


def test_update_in_place(stacks: StackMaker, client: Client) -> None:
    stacks.create("inplace", BUCKET_AND_LOGS, Parameters=param(Suffix="inplace"))
    before = stacks.physical("inplace")
    previous = [{"ParameterKey": "Suffix", "UsePreviousValue": True}]
    assert (
        stacks.update("inplace", Parameters=[*previous, *param(Days=30)])["StackStatus"] == "UPDATE_COMPLETE"
    )
    assert stacks.physical("inplace") == before
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/cfn/cfn-inplace")["logGroups"]
    assert groups[0]["retentionInDays"] == 30
    touched = {name for name, status, _ in stacks.events("inplace") if status == "UPDATE_COMPLETE"}
    assert touched == {"Logs", "inplace"}, "the bucket did not change"


def test_update_replaces_and_carries_the_new_name_to_dependents(stacks: StackMaker, client: Client) -> None:
    stacks.create("replace", BUCKET_AND_LOGS, Parameters=param(Suffix="old"))
    assert stacks.update("replace", Parameters=param(Suffix="new"))["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.physical("replace") == {"Bucket": "cfn-new", "Logs": "/cfn/cfn-new"}
    assert stacks.outputs("replace")["Arn"] == "arn:aws:s3:::cfn-new"
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert "cfn-new" in buckets
    assert "cfn-old" not in buckets
    events = [(name, status) for name, status, _ in stacks.events("replace")]
    cleanup = events.index(("replace", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"))
    assert cleanup < events.index(("Bucket", "DELETE_COMPLETE"))


def test_failed_update_rolls_back_to_the_previous_state(stacks: StackMaker, client: Client) -> None:
    stacks.create("undo", BUCKET_AND_LOGS, Parameters=param(Suffix="undo"))
    client("logs").create_log_group(logGroupName="/cfn/cfn-undo2")
    before = stacks.physical("undo")
    stack = stacks.update("undo", Parameters=param(Suffix="undo2"))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stack["Parameters"] == [
        {"ParameterKey": "Suffix", "ParameterValue": "undo"},
        {"ParameterKey": "Days", "ParameterValue": "7"},
    ]
    assert stacks.physical("undo") == before
    buckets = [bucket["Name"] for bucket in client("s3").list_buckets()["Buckets"]]
    assert "cfn-undo" in buckets
    assert "cfn-undo2" not in buckets
    assert stacks.update("undo", Parameters=param(Suffix="undo", Days=3))["StackStatus"] == "UPDATE_COMPLETE"


def test_failed_rollback_can_be_continued(stacks: StackMaker, client: Client) -> None:
    logs, s3 = client("logs"), client("s3")
    stacks.create("stuck", BUCKET_AND_LOGS, Parameters=param(Suffix="stuck"))
    other = """
  Extra:
    Type: AWS::Logs::LogGroup
    DependsOn: Logs
    Properties: {LogGroupName: /cfn/stuck-extra}
Outputs:"""
    logs.create_log_group(logGroupName="/cfn/stuck-extra")
    logs.delete_log_group(logGroupName="/cfn/cfn-stuck")  # behind the stack's back
    changed = BUCKET_AND_LOGS.replace("Outputs:", other)
    s3.delete_bucket(Bucket="cfn-stuck")
    stack = stacks.update("stuck", changed, Parameters=param(Suffix="stuck", Days=14))
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_FAILED"
    assert "[Logs]" in stack["StackStatusReason"]
    stacks.api.continue_update_rollback(StackName="stuck", ResourcesToSkip=["Logs"])
    assert stacks.at_rest("stuck")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"


def test_update_without_rollback_is_kept_and_rolled_back_on_request(
    stacks: StackMaker, client: Client
) -> None:
    stacks.create("later", BUCKET_AND_LOGS, Parameters=param(Suffix="later"))
    client("logs").create_log_group(logGroupName="/cfn/cfn-later2")
    stack = stacks.update("later", Parameters=param(Suffix="later2"), DisableRollback=True)
    assert stack["StackStatus"] == "UPDATE_FAILED"
    stacks.api.rollback_stack(StackName="later")
    assert stacks.at_rest("later")["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    assert stacks.physical("later")["Bucket"] == "cfn-later"


def test_resources_come_and_go_with_the_template(stacks: StackMaker, client: Client) -> None:
    first = "Resources: {A: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /cfn/go/a}}}"
    second = "Resources: {B: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /cfn/go/b}}}"
    stacks.create("go", first)
    stacks.update("go", second)
    groups = client("logs").describe_log_groups(logGroupNamePrefix="/cfn/go/")["logGroups"]
    assert [group["logGroupName"] for group in groups] == ["/cfn/go/b"]


def test_nothing_to_update(stacks: StackMaker) -> None:
    stacks.create("same", BUCKET_AND_LOGS, Parameters=param(Suffix="same"))
    more = {"UsePreviousTemplate": True, "Parameters": param(Suffix="same")}
    assert error(stacks.api.update_stack, StackName="same", **more) == (
        "ValidationError",
        "No updates are to be performed.",
    )


def test_the_type_of_a_resource_cannot_be_changed(stacks: StackMaker) -> None:
    stacks.create("kind", "Resources: {X: {Type: AWS::Logs::LogGroup}}")
    _, message = error(
        stacks.api.update_stack, StackName="kind", TemplateBody="Resources: {X: {Type: AWS::S3::Bucket}}"
    )
    assert "Update of resource type is not permitted" in message


def test_custom_names_prevent_replacement(stacks: StackMaker) -> None:
    text = ROLE % "RoleName: cfn-custom\n      Path: /%s/"
    stacks.create("custom", text % "a", Capabilities=["CAPABILITY_NAMED_IAM"])
    stack = stacks.update("custom", text % "b", Capabilities=["CAPABILITY_NAMED_IAM"])
    assert stack["StackStatus"] == "UPDATE_ROLLBACK_COMPLETE"
    reasons = [why for _, status, why in stacks.events("custom") if status == "UPDATE_FAILED"]
    assert "Rename cfn-custom and update the stack again" in reasons[0]


def test_deletion_policy_retain(stacks: StackMaker, client: Client) -> None:
    bucket = "{Type: AWS::S3::Bucket, DeletionPolicy: Retain, Properties: {BucketName: cfn-retained}}"
    text = f"Resources: {{B: {bucket}}}"
    stacks.create("retain", text)
    gone = stacks.delete("retain")
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    assert ("B", "DELETE_SKIPPED", "") in stacks.events(gone["StackId"])
    client("s3").delete_bucket(Bucket="cfn-retained")


def test_a_bucket_with_objects_stops_the_deletion(stacks: StackMaker, client: Client) -> None:
    stacks.create("full", BUCKET_AND_LOGS, Parameters=param(Suffix="full"))
    s3 = client("s3")
    version = s3.put_object(Bucket="cfn-full", Key="a", Body=b"1")["VersionId"]
    assert stacks.delete("full")["StackStatus"] == "DELETE_FAILED"
    (reason,) = [
        why for name, status, why in stacks.events("full") if (name, status) == ("Bucket", "DELETE_FAILED")
    ]
    assert "You must delete all versions in the bucket" in reason
    s3.delete_object(Bucket="cfn-full", Key="a", VersionId=version)
    assert stacks.delete("full")["StackStatus"] == "DELETE_COMPLETE"


def test_a_forced_deletion_skips_what_it_cannot_delete_and_goes_on(
    stacks: StackMaker, client: Client
) -> None:
    text = """
    Resources:
      Needed: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: /cfn/forced}}
      Bucket: {Type: AWS::S3::Bucket, DependsOn: Needed, Properties: {BucketName: cfn-forced}}
    """
    stacks.create("forced", text)
    s3, logs = client("s3"), client("logs")
    s3.put_object(Bucket="cfn-forced", Key="a", Body=b"1")
    gone = stacks.delete("forced", DeletionMode="FORCE_DELETE_STACK")
    assert gone["StackStatus"] == "DELETE_COMPLETE"
    listed = stacks.api.list_stack_resources(StackName=gone["StackId"])["StackResourceSummaries"]
    assert {one["LogicalResourceId"]: one["ResourceStatus"] for one in listed} == {
        "Needed": "DELETE_COMPLETE",
        "Bucket": "DELETE_SKIPPED",
    }
    bucket = [status for name, status, _ in stacks.events(gone["StackId"]) if name == "Bucket"]
    assert bucket[-3:] == ["DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_SKIPPED"]
    assert not logs.describe_log_groups(logGroupNamePrefix="/cfn/forced")["logGroups"]
    s3.delete_object(Bucket="cfn-forced", Key="a")
    s3.delete_bucket(Bucket="cfn-forced")


def test_a_missing_resource_counts_as_deleted(stacks: StackMaker, client: Client) -> None:
    stacks.create("gone", BUCKET_AND_LOGS, Parameters=param(Suffix="gone"))
    client("s3").delete_bucket(Bucket="cfn-gone")
    client("logs").delete_log_group(logGroupName="/cfn/cfn-gone")
    assert stacks.delete("gone")["StackStatus"] == "DELETE_COMPLETE"


def test_roles_need_an_acknowledgement(stacks: StackMaker) -> None:
    plain, named = ROLE % "Path: /", ROLE % "RoleName: cfn-named"
    code, message = error(stacks.api.create_stack, StackName="iam", TemplateBody=plain)
    assert (code, message) == (
        "InsufficientCapabilitiesException",
        "Requires capabilities : [CAPABILITY_IAM]",
    )
    code, message = error(
        stacks.api.create_stack, StackName="iam", TemplateBody=named, Capabilities=["CAPABILITY_IAM"]
    )
    assert message == "Requires capabilities : [CAPABILITY_NAMED_IAM]"
    stack = stacks.create("iam", named, Capabilities=["CAPABILITY_NAMED_IAM"])
    assert stack["StackStatus"] == "CREATE_COMPLETE"


def test_policies_follow_their_roles(stacks: StackMaker, client: Client) -> None:
    text = (
        ROLE % "Policies: [{PolicyName: in, PolicyDocument: {Version: 2012-10-17, Statement: [%s]}}]"
        + """
  Policy:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      Roles: [!Ref Role]
      PolicyDocument: {Version: 2012-10-17, Statement: [%s]}
  Inline:
    Type: AWS::IAM::Policy
    Properties:
      PolicyName: extra
      Roles: [!Ref Role]
      PolicyDocument: {Version: 2012-10-17, Statement: [%s]}
Outputs: {Role: {Value: !Ref Role}, Policy: {Value: !Ref Policy}}
"""
    )
    one = "{Effect: Allow, Action: s3:GetObject, Resource: '*'}"
    two = "{Effect: Allow, Action: s3:PutObject, Resource: '*'}"
    capabilities = ["CAPABILITY_IAM"]
    stacks.create("policies", text.replace("%s", one), Capabilities=capabilities)
    iam, outputs = client("iam"), stacks.outputs("policies")
    assert (
        stacks.update("policies", text.replace("%s", two), Capabilities=capabilities)["StackStatus"]
        == "UPDATE_COMPLETE"
    )
    for name in ("in", "extra"):
        document = iam.get_role_policy(RoleName=outputs["Role"], PolicyName=name)["PolicyDocument"]
        assert document["Statement"][0]["Action"] == "s3:PutObject"
    versions = iam.list_policy_versions(PolicyArn=outputs["Policy"])["Versions"]
    assert len(versions) == 1
    assert versions[0]["IsDefaultVersion"]
    assert stacks.delete("policies")["StackStatus"] == "DELETE_COMPLETE"
    with pytest.raises(iam.exceptions.NoSuchEntityException):
        iam.get_policy(PolicyArn=outputs["Policy"])


def test_exports_are_shared_and_protected(stacks: StackMaker) -> None:
    producer = """
Resources: {B: {Type: AWS::S3::Bucket, Properties: {BucketName: cfn-exporter}}}
Outputs: {B: {Value: !Ref B, Export: {Name: cfn-shared}}}
"""
    consumer = (
        "Resources: {L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !ImportValue cfn-shared}}}"
    )
    stacks.create("producer", producer)
    stacks.create("consumer", consumer)
    assert stacks.physical("consumer") == {"L": "cfn-exporter"}
    exports = {export["Name"]: export["Value"] for export in stacks.api.list_exports()["Exports"]}
    assert exports["cfn-shared"] == "cfn-exporter"
    assert stacks.api.list_imports(ExportName="cfn-shared")["Imports"] == ["consumer"]
    refused = stacks.delete("producer")
    assert refused["StackStatusReason"] == "Export cfn-shared cannot be deleted as it is in use by consumer"
    stacks.delete("consumer")
    assert stacks.delete("producer")["StackStatus"] == "DELETE_COMPLETE"


def test_nested_stacks(stacks: StackMaker, client: Client) -> None:
    s3 = client("s3")
    s3.create_bucket(Bucket="cfn-templates")
    child = (
        "Parameters: {Name: {Type: String}}\n"
        + """
Resources: {L: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/cfn/${Name}"}}}
Outputs: {Name: {Value: !Ref L}}
"""
    )
    s3.put_object(Bucket="cfn-templates", Key="child.yml", Body=child.encode())
    parent = """
Parameters: {Name: {Type: String}}
Resources:
  Child:
    Type: AWS::CloudFormation::Stack
    Properties:
      TemplateURL: https://cfn-templates.s3.us-east-1.amazonaws.com/child.yml
      Parameters: {Name: !Ref Name}
Outputs: {Name: {Value: !GetAtt Child.Outputs.Name}}
"""
    stacks.create("parent", parent, Parameters=param(Name="one"))
    assert stacks.outputs("parent") == {"Name": "/cfn/one"}
    stacks.update("parent", Parameters=param(Name="two"))
    assert stacks.outputs("parent") == {"Name": "/cfn/two"}
    child_id = stacks.physical("parent")["Child"]
    assert stacks.describe(child_id)["ParentId"] == stacks.describe("parent")["StackId"]
    assert stacks.delete("parent")["StackStatus"] == "DELETE_COMPLETE"
    assert stacks.describe(child_id)["StackStatus"] == "DELETE_COMPLETE"


def test_refusals(stacks: StackMaker, client: Client) -> None:
    api = stacks.api
    instance = "Resources: {A: {Type: AWS::EC2::Instance}}"
    _, message = error(api.create_stack, StackName="x", TemplateBody=instance)
    assert (
        message
        == "The local account does not support these resource types, which AWS has: [AWS::EC2::Instance] "
        "(docs/fidelity.md#cloudformation)"
    )
    bucket = "Resources: {A: {Type: AWS::S3::Bucket}}"
    code, message = error(
        api.create_stack, StackName="x", TemplateBody=f"{bucket}\nOutputs: {{X: {{Value: !Select [1, [a]]}}}}"
    )
    assert (code, message) == (
        "ValidationError",
        "Template error: Fn::Select cannot select nonexistent value at index 1",
    )
    _, message = error(
        api.create_stack, StackName="x", TemplateBody=f"{bucket}\nOutputs: {{X: {{Value: !GetAtt A.Nope}}}}"
    )
    assert message == "Template error: resource A does not support attribute type Nope in Fn::GetAtt"
    _, message = error(
        api.create_stack, StackName="x", TemplateBody=bucket, NotificationARNs=["arn:aws:sns:a:b:c"]
    )
    assert "NotificationARNs is not supported by the local account" in message
    _, message = error(api.create_stack, StackName="x", TemplateURL="https://example.org/a.yml")
    assert "TemplateURL must be a supported URL" in message
    _, message = error(
        api.create_stack, StackName="x", TemplateBody=bucket, RoleARN="arn:aws:iam::123456789012:role/no"
    )
    assert "The role arn:aws:iam::123456789012:role/no does not exist" in message
    _, message = error(api.create_stack, StackName="x", TemplateBody=bucket + " " * 51_200)
    assert "51200" in message
    stacks.create("twice", bucket)
    code, message = error(api.create_stack, StackName="twice", TemplateBody=bucket)
    assert code == "AlreadyExistsException"
    assert error(api.describe_stack_events, StackName="never")[1] == "Stack [never] does not exist"
    api.delete_stack(StackName="never")


def test_termination_protection(stacks: StackMaker) -> None:
    stacks.create("guard", "Resources: {A: {Type: AWS::S3::Bucket}}", EnableTerminationProtection=True)
    _, message = error(stacks.api.delete_stack, StackName="guard")
    assert "TerminationProtection is enabled" in message
    stacks.api.update_termination_protection(StackName="guard", EnableTerminationProtection=False)
    assert stacks.delete("guard")["StackStatus"] == "DELETE_COMPLETE"


def test_templates_are_described(stacks: StackMaker) -> None:
    template = (
        "Description: d\nParameters: {P: {Type: Number, Default: 3, NoEcho: true}}\n" + ROLE % "Path: /"
    )
    summary = stacks.api.get_template_summary(TemplateBody=template)
    assert summary["ResourceTypes"] == ["AWS::IAM::Role"]
    assert summary["Capabilities"] == ["CAPABILITY_IAM"]
    assert summary["Parameters"][0]["ParameterType"] == "Number"
    valid = stacks.api.validate_template(TemplateBody=template)
    assert valid["Description"] == "d"
    assert valid["Parameters"] == [{"ParameterKey": "P", "DefaultValue": "3", "NoEcho": True}]
    stacks.create("described", template, Capabilities=["CAPABILITY_IAM"])
    assert stacks.api.get_template(StackName="described")["TemplateBody"] == template
    assert stacks.describe("described")["Parameters"] == [{"ParameterKey": "P", "ParameterValue": "****"}]


def test_events_are_paged(stacks: StackMaker) -> None:
    groups = "".join(f"  L{n}: {{Type: AWS::Logs::LogGroup}}\n" for n in range(40))
    stacks.create("many", f"Resources:\n{groups}")
    pages = list(stacks.api.get_paginator("describe_stack_events").paginate(StackName="many"))
    assert len(pages) == 2
    assert sum(len(page["StackEvents"]) for page in pages) == 122
