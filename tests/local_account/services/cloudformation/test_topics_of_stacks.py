"""AWS::SNS::…: topics, policies and subscriptions of stacks."""

import json
from collections.abc import Callable
from typing import Any

from tests.local_account.services.cloudformation.stack_maker import StackMaker

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def template(display: str, *, service: str = "cloudwatch.amazonaws.com", mail: bool = True) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": {"Ref": "Alarms"},
    }
    resources: dict[str, Any] = {
        "Alarms": {
            "Type": "AWS::SNS::Topic",
            "Properties": {
                "DisplayName": display,
                "Subscription": [{"Protocol": "lambda", "Endpoint": FUNCTION}],
                "Tags": [{"Key": "lab", "Value": "ana"}],
            },
        },
        "Policy": {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [{"Ref": "Alarms"}],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        },
    }
    if mail:
        resources["Mail"] = {
            "Type": "AWS::SNS::Subscription",
            "Properties": {
                "TopicArn": {"Ref": "Alarms"},
                "Protocol": "email",
                "Endpoint": "ana@example.org",
            },
        }
    outputs = {
        "Arn": {"Value": {"Ref": "Alarms"}},
        "Name": {"Value": {"Fn::GetAtt": ["Alarms", "TopicName"]}},
    }
    return json.dumps({"Resources": resources, "Outputs": outputs})


def test_a_topic_with_its_policy_and_subscriptions(stacks: StackMaker, client: Callable[[str], Any]) -> None:
    sns = client("sns")
    stack = stacks.create("topics", template("Alarms"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures("topics")
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack["Outputs"]}
    topic = outputs["Arn"]
    assert outputs["Name"].startswith("topics-Alarms-")
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert found["DisplayName"] == "Alarms"
    assert "cloudwatch.amazonaws.com" in found["Policy"]
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert {one["Protocol"]: one["Endpoint"] for one in listed} == {
        "lambda": FUNCTION,
        "email": "ana@example.org",
    }
    tags = {one["Key"]: one["Value"] for one in sns.list_tags_for_resource(ResourceArn=topic)["Tags"]}
    assert (tags["lab"], tags["aws:cloudformation:stack-name"]) == ("ana", "topics")

    changed = template("Drift", service="events.amazonaws.com", mail=False)
    assert stacks.update("topics", changed)["StackStatus"] == "UPDATE_COMPLETE", stacks.failures("topics")
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert found["DisplayName"] == "Drift"
    assert "events.amazonaws.com" in found["Policy"]
    assert (found["SubscriptionsConfirmed"], found["SubscriptionsPending"]) == ("1", "0")

    assert stacks.delete("topics")["StackStatus"] == "DELETE_COMPLETE", stacks.failures("topics")
    assert {"TopicArn": topic} not in sns.list_topics()["Topics"]


def test_a_filter_policy_is_refused_before_anything_is_made(stacks: StackMaker) -> None:
    body = json.loads(template("Alarms"))
    body["Resources"]["Mail"]["Properties"]["FilterPolicy"] = {"kind": ["drift"]}
    stack = stacks.create("filtered", json.dumps(body))
    assert "FilterPolicy" in str(stacks.failures("filtered"))
    assert stack["StackStatus"] != "CREATE_COMPLETE"
    stacks.delete("filtered")
