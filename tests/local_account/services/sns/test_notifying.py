"""Messages reach subscribed functions: from a caller, an alarm, and a rule."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_account.services.events.recorder import Recorder
from tests.waiting import Eventually

pytestmark = pytest.mark.slow
Client = Callable[[str], Any]


def allow(sns: Any, topic: str, service: str, **condition: Any) -> None:
    """Replace the policy of a topic by one that lets a service publish."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sns:Publish",
        "Resource": topic,
        **({"Condition": condition} if condition else {}),
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)


@pytest.fixture
def alarm(client: Client, topic: str) -> Any:
    """The members of an alarm that notifies the topic of every state."""
    name = f"notifying-{uuid.uuid4().hex[:8]}"
    yield {
        "AlarmName": name,
        "AlarmDescription": "too many",
        "Namespace": "Notifying",
        "MetricName": "m",
        "Dimensions": [{"Name": "Endpoint", "Value": "e"}],
        "Statistic": "Average",
        "Period": 300,
        "EvaluationPeriods": 1,
        "Threshold": 5.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "AlarmActions": [topic],
        "OKActions": [topic],
    }
    client("cloudwatch").delete_alarms(AlarmNames=[name])


def test_a_message_invokes_the_subscribed_function(
    sns: Any, topic: str, subscriber: Recorder, eventually: Eventually
) -> None:
    sns.subscribe(TopicArn=topic, Protocol="email", Endpoint="ana@example.org")
    attributes = {
        "kind": {"DataType": "String", "StringValue": "drift"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\x01"},
    }
    sent = sns.publish(TopicArn=topic, Subject="s", Message="Grüße", MessageAttributes=attributes)
    [event] = eventually(subscriber.received)
    (record,) = event["Records"]
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert (record["EventSource"], record["EventVersion"]) == ("aws:sns", "1.0")
    assert record["EventSubscriptionArn"] == listed[0]["SubscriptionArn"]
    message = record["Sns"]
    assert (message["MessageId"], message["TopicArn"]) == (sent["MessageId"], topic)
    assert (message["Type"], message["Subject"], message["Message"]) == ("Notification", "s", "Grüße")
    assert message["MessageAttributes"] == {
        "kind": {"Type": "String", "Value": "drift"},
        "bytes": {"Type": "Binary", "Value": "AAE="},
    }


def test_a_batch_sends_what_it_can_and_a_structure_chooses_by_protocol(
    sns: Any, topic: str, subscriber: Recorder, eventually: Eventually
) -> None:
    by_protocol = json.dumps({"default": "d", "lambda": "l", "email": "e"})
    answer = sns.publish_batch(
        TopicArn=topic,
        PublishBatchRequestEntries=[
            {"Id": "1", "Message": by_protocol, "MessageStructure": "json"},
            {"Id": "2", "Message": ""},
        ],
    )
    assert [one["Id"] for one in answer["Successful"]] == ["1"]
    assert [(one["Id"], one["Code"]) for one in answer["Failed"]] == [("2", "InvalidParameter")]
    [event] = eventually(subscriber.received)
    assert event["Records"][0]["Sns"]["Message"] == "l"


def test_an_alarm_notifies_its_topic(
    client: Client, topic: str, subscriber: Recorder, eventually: Eventually, alarm: dict[str, Any]
) -> None:
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(**alarm)
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="a test")
    [event] = eventually(subscriber.received)
    message = event["Records"][0]["Sns"]
    assert message["Subject"] == f'ALARM: "{alarm["AlarmName"]}" in US East (N. Virginia)'
    told = json.loads(message["Message"])
    assert (told["OldStateValue"], told["NewStateValue"], told["NewStateReason"]) == (
        "INSUFFICIENT_DATA",
        "ALARM",
        "a test",
    )
    assert (told["AlarmName"], told["AlarmDescription"]) == (alarm["AlarmName"], "too many")
    assert told["Trigger"]["Statistic"] == "AVERAGE"
    assert told["Trigger"]["Dimensions"] == [{"value": "e", "name": "Endpoint"}]

    def actions() -> Any:
        return cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], HistoryItemType="Action")[
            "AlarmHistoryItems"
        ]

    assert [one["HistorySummary"] for one in eventually(actions)] == [f"Successfully executed action {topic}"]


def test_an_alarm_cannot_notify_a_topic_whose_policy_does_not_let_it(
    client: Client, subscriber: Recorder, eventually: Eventually, alarm: dict[str, Any]
) -> None:
    sns, (topic,) = client("sns"), alarm["AlarmActions"]
    allow(sns, topic, "events.amazonaws.com")
    cloudwatch = client("cloudwatch")
    cloudwatch.put_metric_alarm(**alarm)

    def actions() -> list[str]:
        found = cloudwatch.describe_alarm_history(AlarmName=alarm["AlarmName"], HistoryItemType="Action")
        return [one["HistorySummary"] for one in found["AlarmHistoryItems"]]

    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="ALARM", StateReason="a test")
    [failed] = eventually(actions)
    assert failed.startswith(f"Failed to execute action {topic}. Received error: ")
    assert "cloudwatch.amazonaws.com is not authorized to perform: SNS:Publish" in failed

    allow(sns, topic, "cloudwatch.amazonaws.com", ArnLike={"aws:SourceArn": "arn:aws:cloudwatch:*:*:alarm:*"})
    cloudwatch.set_alarm_state(AlarmName=alarm["AlarmName"], StateValue="OK", StateReason="a test")
    [event] = eventually(subscriber.received)
    assert json.loads(event["Records"][0]["Sns"]["Message"])["NewStateValue"] == "OK"


def test_a_rule_publishes_to_a_topic_that_lets_it(
    client: Client, sns: Any, topic: str, subscriber: Recorder, eventually: Eventually
) -> None:
    events, name = client("events"), f"to-topic-{uuid.uuid4().hex[:8]}"
    rule = events.put_rule(Name=name, EventPattern=json.dumps({"source": [name]}))["RuleArn"]
    events.put_targets(Rule=name, Targets=[{"Id": "t", "Arn": topic, "InputPath": "$.detail"}])
    entry = {"Source": name, "DetailType": "note", "Detail": json.dumps({"n": 1})}
    events.put_events(Entries=[entry])  # the owner's policy does not name EventBridge

    def failed() -> Any:
        return client("cloudwatch").list_metrics(
            Namespace="AWS/Events",
            MetricName="FailedInvocations",
            Dimensions=[{"Name": "RuleName", "Value": name}],
        )["Metrics"]

    eventually(failed)
    allow(sns, topic, "events.amazonaws.com", ArnEquals={"aws:SourceArn": rule})
    events.put_events(Entries=[{**entry, "Detail": json.dumps({"n": 2})}])
    [event] = eventually(subscriber.received)
    assert json.loads(event["Records"][0]["Sns"]["Message"]) == {"n": 2}
    events.remove_targets(Rule=name, Ids=["t"])
    events.delete_rule(Name=name)
