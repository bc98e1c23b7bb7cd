"""Topics and subscriptions of SNS: their records and their errors."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess
from tests.sessions import make_client

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:f"


def test_a_topic_has_the_policy_of_its_owner_until_it_is_given_another(sns: Any, topic: str) -> None:
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["TopicArn"], found["Owner"], found["DisplayName"]) == (topic, "123456789012", "")
    (statement,) = json.loads(found["Policy"])["Statement"]
    assert statement["Condition"] == {"StringEquals": {"AWS:SourceOwner": "123456789012"}}
    policy = json.dumps({"Version": "2012-10-17", "Statement": []})
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    sns.set_topic_attributes(TopicArn=topic, AttributeName="DisplayName", AttributeValue="Alarms")
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    assert (found["Policy"], found["DisplayName"]) == (policy, "Alarms")


def test_a_topic_is_created_once(sns: Any, topic: str) -> None:
    name = topic.rpartition(":")[2]
    assert sns.create_topic(Name=name)["TopicArn"] == topic
    with pytest.raises(ClientError, match="Topic already exists with different attributes"):
        sns.create_topic(Name=name, Attributes={"DisplayName": "other"})
    with pytest.raises(ClientError, match="Topic already exists with different tags"):
        sns.create_topic(Name=name, Tags=[{"Key": "a", "Value": "b"}])
    assert {"TopicArn": topic} in sns.list_topics()["Topics"]


def test_a_subscription_is_made_once_and_one_of_a_mail_address_waits(sns: Any, topic: str) -> None:
    given = {"TopicArn": topic, "Protocol": "lambda", "Endpoint": FUNCTION}
    arn = sns.subscribe(**given)["SubscriptionArn"]
    assert sns.subscribe(**given)["SubscriptionArn"] == arn
    mail = {"TopicArn": topic, "Protocol": "email", "Endpoint": "ana@example.org"}
    assert sns.subscribe(**mail)["SubscriptionArn"] == "pending confirmation"
    known = sns.subscribe(**mail, ReturnSubscriptionArn=True)["SubscriptionArn"]
    assert (
        sns.get_subscription_attributes(SubscriptionArn=known)["Attributes"]["PendingConfirmation"] == "true"
    )
    listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
    assert [(one["Endpoint"], one["SubscriptionArn"]) for one in listed] == [
        (FUNCTION, arn),
        ("ana@example.org", "PendingConfirmation"),
    ]
    sns.unsubscribe(SubscriptionArn=arn)
    sns.unsubscribe(SubscriptionArn=arn)
    found = sns.get_topic_attributes(TopicArn=topic)["Attributes"]
    counts = [found[f"Subscriptions{one}"] for one in ("Confirmed", "Pending", "Deleted")]
    assert counts == ["0", "1", "1"]
    with pytest.raises(ClientError, match=r"NotFound.*Subscription does not exist"):
        sns.get_subscription_attributes(SubscriptionArn=arn)


def test_a_deleted_topic_takes_its_subscriptions_with_it(sns: Any) -> None:
    topic = sns.create_topic(Name="short-lived")["TopicArn"]
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION)
    sns.delete_topic(TopicArn=topic)
    sns.delete_topic(TopicArn=topic)
    assert topic not in {one["TopicArn"] for one in sns.list_subscriptions()["Subscriptions"]}
    with pytest.raises(ClientError, match=r"NotFound.*Topic does not exist"):
        sns.publish(TopicArn=topic, Message="m")


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        ("create_topic", {"Name": "a b"}, "Invalid parameter: Topic Name"),
        ("create_topic", {"Name": "a.fifo"}, "a FIFO topic is not supported by the local account"),
        ("create_topic", {"Name": "a", "Attributes": {"KmsMasterKeyId": "k"}}, "attribute KmsMasterKeyId"),
        ("create_topic", {"Name": "a", "Attributes": {"Policy": "{"}}, "Invalid parameter: Policy Error"),
        ("publish", {"TopicArn": "fake_topic", "Message": "m"}, "TopicArn Reason: fake_topic does not start"),
        ("publish", {"Message": "m"}, "TopicArn or TargetArn Reason: no value for required parameter"),
        ("publish", {"PhoneNumber": "+1", "Message": "m"}, "PhoneNumber is not supported by the local"),
        ("unsubscribe", {"SubscriptionArn": "arn:aws"}, "must have at least 6 elements, not 2"),
    ],
)
def test_what_cannot_be_is_refused(sns: Any, operation: str, params: dict[str, Any], message: str) -> None:
    with pytest.raises(ClientError, match=message) as refused:
        getattr(sns, operation)(**params)
    assert refused.value.response["Error"]["Code"] == "InvalidParameter"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"Message": ""}, "Invalid parameter: Empty message"),
        ({"Message": "a" * 262_145}, "Invalid parameter: Message too long"),
        ({"Message": "m", "Subject": "s" * 101}, "Invalid parameter: Subject"),
        ({"Message": "m", "MessageStructure": "json"}, "JSON message body failed to parse"),
        ({"Message": "{}", "MessageStructure": "json"}, "No default entry in JSON message body"),
    ],
)
def test_a_message_that_cannot_be_sent_is_refused(
    sns: Any, topic: str, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        sns.publish(TopicArn=topic, **given)


@pytest.mark.parametrize(
    ("protocol", "endpoint", "message"),
    [
        ("carrier-pigeon", "x", "Amazon SNS does not support this protocol string: carrier-pigeon"),
        ("sqs", "arn:aws:sqs:us-east-1:123456789012:q", "the protocol sqs is not supported by the local"),
        ("lambda", "f", "Invalid parameter: Lambda endpoint ARN"),
        ("email", "nobody", "Invalid parameter: Email address"),
    ],
)
def test_a_subscription_that_cannot_be_is_refused(
    sns: Any, topic: str, protocol: str, endpoint: str, message: str
) -> None:
    with pytest.raises(ClientError, match=message):
        sns.subscribe(TopicArn=topic, Protocol=protocol, Endpoint=endpoint)


def test_a_filter_policy_is_refused_as_it_would_not_filter(sns: Any, topic: str) -> None:
    with pytest.raises(ClientError, match="the attribute FilterPolicy of a subscription is not supported"):
        sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=FUNCTION, Attributes={"FilterPolicy": "{}"})


def test_tags_are_kept_and_found(client: Callable[[str], Any], sns: Any, topic: str) -> None:
    sns.tag_resource(ResourceArn=topic, Tags=[{"Key": "lab", "Value": "ana"}, {"Key": "a", "Value": "b"}])
    sns.untag_resource(ResourceArn=topic, TagKeys=["a"])
    assert sns.list_tags_for_resource(ResourceArn=topic)["Tags"] == [{"Key": "lab", "Value": "ana"}]
    (found,) = client("resourcegroupstaggingapi").get_resources(ResourceARNList=[topic])[
        "ResourceTagMappingList"
    ]
    assert found["Tags"] == [{"Key": "lab", "Value": "ana"}]


def test_a_role_publishes_only_where_it_may(
    local_account: AccountProcess, client: Callable[[str], Any], sns: Any, topic: str
) -> None:
    name = f"publisher-{uuid.uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    allowed = {"Effect": "Allow", "Action": "sns:Publish", "Resource": topic}
    document = {"Version": "2012-10-17"}
    role = client("iam").create_role(
        RoleName=name, AssumeRolePolicyDocument=json.dumps({**document, "Statement": [trust]})
    )["Role"]["Arn"]
    client("iam").put_role_policy(
        RoleName=name, PolicyName="p", PolicyDocument=json.dumps({**document, "Statement": [allowed]})
    )
    keys = client("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    caller = make_client(
        "sns",
        endpoint_url=local_account.endpoint_url,
        region_name="us-east-1",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )

    assert caller.publish(TopicArn=topic, Message="m")["MessageId"]
    other = sns.create_topic(Name=f"other-{name}")["TopicArn"]
    with pytest.raises(ClientError, match=f"is not authorized to perform: sns:Publish on resource: {other}"):
        caller.publish(TopicArn=other, Message="m")
    sns.delete_topic(TopicArn=other)
