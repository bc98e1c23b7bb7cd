"""Change sets predict what will happen, and do it; checked with the AWS CLI and the real templates."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.services.cloudformation.stack_maker import StackMaker

TEMPLATE = """
Parameters: {Name: {Type: String}, Days: {Type: Number, Default: 7}}
Resources:
  Bucket: {Type: AWS::S3::Bucket, Properties: {BucketName: !Ref Name}}
  Logs:
    Type: AWS::Logs::LogGroup
    Properties: {LogGroupName: !Sub "/cfn/${Bucket}", RetentionInDays: !Ref Days}
  Other: {Type: AWS::Logs::LogGroup}
"""


def param(**values: Any) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def changes(api: Any, stack: str, name: str) -> dict[str, tuple[str, str | None]]:
    found = api.describe_change_set(StackName=stack, ChangeSetName=name)["Changes"]
    return {
        c["ResourceChange"]["LogicalResourceId"]: (
            c["ResourceChange"]["Action"],
            c["ResourceChange"].get("Replacement"),
        )
        for c in found
    }


def test_a_stack_is_reviewed_then_created_then_changed(stacks: StackMaker) -> None:
    api = stacks.api
    made = api.create_change_set(
        StackName="reviewed",
        ChangeSetName="first",
        ChangeSetType="CREATE",
        TemplateBody=TEMPLATE,
        Parameters=param(Name="cfn-reviewed"),
    )
    stacks._names.append("reviewed")
    api.get_waiter("change_set_create_complete").wait(ChangeSetName=made["Id"])
    assert stacks.describe("reviewed")["StackStatus"] == "REVIEW_IN_PROGRESS"
    assert changes(api, "reviewed", "first") == dict.fromkeys(("Bucket", "Logs", "Other"), ("Add", None))
    assert stacks.physical("reviewed") == {}, "nothing is made before it is executed"
    api.execute_change_set(ChangeSetName=made["Id"])
    assert stacks.at_rest("reviewed")["StackStatus"] == "CREATE_COMPLETE"
    assert stacks.describe("reviewed")["StackId"] == made["StackId"]

    changed = TEMPLATE.replace("  Other: {Type: AWS::Logs::LogGroup}\n", "  More: {Type: AWS::S3::Bucket}\n")
    api.create_change_set(
        StackName="reviewed",
        ChangeSetName="second",
        TemplateBody=changed,
        Parameters=param(Name="cfn-renamed"),
    )
    assert changes(api, "reviewed", "second") == {
        "Bucket": ("Modify", "True"),
        "Logs": ("Modify", "Conditional"),
        "More": ("Add", None),
        "Other": ("Remove", None),
    }
    api.create_change_set(
        StackName="reviewed",
        ChangeSetName="third",
        UsePreviousTemplate=True,
        Parameters=param(Name="cfn-reviewed", Days=30),
    )
    assert changes(api, "reviewed", "third") == {"Logs": ("Modify", "False")}
    api.execute_change_set(StackName="reviewed", ChangeSetName="second")
    assert stacks.at_rest("reviewed")["StackStatus"] == "UPDATE_COMPLETE"
    assert stacks.physical("reviewed")["Logs"] == "/cfn/cfn-renamed"
    assert not api.list_change_sets(StackName="reviewed")["Summaries"]  # of those that are active
    for executed in ("first", "second"):
        described = api.describe_change_set(StackName="reviewed", ChangeSetName=executed)
        assert described["ExecutionStatus"] == "EXECUTE_COMPLETE"
    with pytest.raises(api.exceptions.ChangeSetNotFoundException):
        api.execute_change_set(StackName="reviewed", ChangeSetName="third")


def test_a_change_set_without_changes_fails_with_the_words_the_cli_looks_for(stacks: StackMaker) -> None:
    stacks.create("nochange", TEMPLATE, Parameters=param(Name="cfn-nochange"))
    stacks.api.create_change_set(
        StackName="nochange",
        ChangeSetName="none",
        UsePreviousTemplate=True,
        Parameters=param(Name="cfn-nochange"),
    )
    described = stacks.api.describe_change_set(StackName="nochange", ChangeSetName="none")
    assert (described["Status"], described["ExecutionStatus"]) == ("FAILED", "UNAVAILABLE")
    assert described["StatusReason"].startswith("The submitted information didn't contain changes.")
    stacks.api.delete_change_set(StackName="nochange", ChangeSetName="none")
    with pytest.raises(stacks.api.exceptions.ChangeSetNotFoundException):
        stacks.api.describe_change_set(StackName="nochange", ChangeSetName="none")


def test_an_update_needs_a_stack_and_a_creation_must_not_find_one(stacks: StackMaker) -> None:
    create: Callable[..., Any] = stacks.api.create_change_set
    with pytest.raises(ClientError, match="does not exist"):
        create(StackName="absent", ChangeSetName="a", TemplateBody=TEMPLATE, Parameters=param(Name="x"))
    stacks.create("present", "Resources: {L: {Type: AWS::Logs::LogGroup}}")
    with pytest.raises(ClientError, match="already exists"):
        create(
            StackName="present",
            ChangeSetName="a",
            ChangeSetType="CREATE",
            TemplateBody=TEMPLATE,
            Parameters=param(Name="x"),
        )
