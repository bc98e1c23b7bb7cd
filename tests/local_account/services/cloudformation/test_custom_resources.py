"""Custom resources: the template's own function makes them, and answers when it is done."""

import json
from collections.abc import Callable, Iterator
from textwrap import indent
from typing import Any

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.cloudformation.stack_maker import StackMaker

CODE = """
import json, cfnresponse

def handler(event, context):
    print(json.dumps(event))
    wanted = event["ResourceProperties"]
    if wanted.get("Fail") == event["RequestType"]:
        cfnresponse.send(event, context, cfnresponse.FAILED, {}, "thing-1", reason="as asked")
        return
    thing = f"thing-{wanted['Size']}"
    cfnresponse.send(event, context, cfnresponse.SUCCESS, {"Twice": int(wanted["Size"]) * 2}, thing)
"""
TEMPLATE = """
Parameters: {Size: {Type: Number, Default: 1}, Fail: {Type: String, Default: never}, Role: {Type: String}}
Resources:
  Maker:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: %s
      Role: !Ref Role
      Runtime: python3.13
      Handler: index.handler
      Code:
        ZipFile: |
%s
  Thing:
    Type: Custom::Thing
    Properties: {ServiceToken: !GetAtt Maker.Arn, Size: !Ref Size, Fail: !Ref Fail, Deep: [{Is: true}]}
Outputs: {Thing: {Value: !Ref Thing}, Twice: {Value: !GetAtt Thing.Twice}}
"""


def parameters(**values: Any) -> list[dict[str, str]]:
    return [{"ParameterKey": key, "ParameterValue": str(value)} for key, value in values.items()]


def test_a_token_that_is_not_a_functions_leaves_nothing_to_delete(stacks: StackMaker) -> None:
    token = "arn:aws:sns:us-east-1:123456789012:topic"

    stack = stacks.create(
        "custom-topic", f"Resources: {{T: {{Type: Custom::T, Properties: {{ServiceToken: '{token}'}}}}}}"
    )

    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert f"ServiceToken {token}: the local account supports functions only" in stacks.failures(
        "custom-topic"
    )


@pytest.fixture(scope="module")
def role(client: Callable[[str], Any]) -> Iterator[str]:
    yield make_role(client("iam"), "custom-resources", "lambda.amazonaws.com")


def requests(client: Callable[[str], Any], function: str) -> list[dict[str, Any]]:
    events = client("logs").filter_log_events(
        logGroupName=f"/aws/lambda/{function}", filterPattern="RequestType"
    )
    return [json.loads(event["message"]) for event in events["events"]]


def test_a_function_makes_changes_and_deletes_it(
    stacks: StackMaker, client: Callable[[str], Any], role: str
) -> None:
    name = "custom-thing"
    template = TEMPLATE % (name, indent(CODE, " " * 10))

    made = stacks.create(name, template, Parameters=parameters(Role=role))

    assert made["StackStatus"] == "CREATE_COMPLETE", stacks.failures(name)
    assert stacks.outputs(name) == {"Thing": "thing-1", "Twice": "2"}
    changed = stacks.update(name, Parameters=parameters(Role=role, Size=3))
    assert changed["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(name)
    assert stacks.outputs(name) == {"Thing": "thing-3", "Twice": "6"}
    assert stacks.delete(name)["StackStatus"] == "DELETE_COMPLETE"
    asked = requests(client, name)
    # Another physical id is another resource: the first is deleted when the update has succeeded.
    assert [(one["RequestType"], one.get("PhysicalResourceId")) for one in asked] == [
        ("Create", None),
        ("Update", "thing-1"),
        ("Delete", "thing-1"),
        ("Delete", "thing-3"),
    ]
    assert asked[0]["ResourceProperties"]["Deep"] == [{"Is": "true"}]
    assert asked[1]["OldResourceProperties"]["Size"] == "1"
    assert asked[0]["ResourceType"] == "Custom::Thing"


def test_a_function_that_says_failed_fails_the_stack_with_its_reason(
    stacks: StackMaker, client: Callable[[str], Any], role: str
) -> None:
    name = "custom-failure"

    made = stacks.create(
        name, TEMPLATE % (name, indent(CODE, " " * 10)), Parameters=parameters(Role=role, Fail="Create")
    )

    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "Received response status [FAILED] from custom resource. Message returned: as asked" in (
        stacks.failures(name)
    )
    assert [one["RequestType"] for one in requests(client, name)] == ["Create", "Delete"]


def test_a_function_that_never_answers_is_waited_for_as_long_as_the_template_says(
    stacks: StackMaker, role: str
) -> None:
    name = "custom-silence"
    silent = TEMPLATE.replace("ServiceToken:", "ServiceTimeout: 1, ServiceToken:")

    made = stacks.create(
        name,
        silent % (name, indent("def handler(event, context): pass", " " * 10)),
        Parameters=parameters(Role=role),
        OnFailure="DO_NOTHING",
    )

    assert made["StackStatus"] == "CREATE_FAILED"
    assert "did not receive a response from your Custom Resource" in stacks.failures(name)
