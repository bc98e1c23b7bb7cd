"""Amazon SNS: topics, subscriptions of functions and mail addresses, and messages.

Contract: Amazon SNS API Reference and Developer Guide; words of errors as users of AWS report them.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any, ClassVar

from local_account.authorization.policies import Policy, PolicyError
from local_account.foundation.account import Account
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.services.sns.delivery import Message, deliver
from local_account.services.sns.records import (
    Subscription,
    Topic,
    Topics,
    check_arn,
    default_policy,
    invalid,
    name_of,
    summary,
    unsupported,
)

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_FUNCTION = re.compile(r"arn:[^:]+:lambda:[^:]+:[0-9]{12}:function:.+")
_MAILS = ("email", "email-json")
_OTHERS = ("http", "https", "sms", "sqs", "application", "firehose")
_PAGE = 100
_BYTES = 262_144
_SUBJECT = 100
_BATCH = 10
_SET = ("DisplayName", "Policy")


class SimpleNotificationService(Service):
    """The SNS API for standard topics.

    Subscribed functions are invoked when a message is published; alarms of CloudWatch and rules of
    EventBridge publish, too.

    Kept only (Subscribe): subscriptions of mail addresses. They stay `PendingConfirmation`, and nobody gets
    mail.

    Refuses (Subscribe): protocols other than `lambda`, `email` and `email-json`; filter policies and all
    other attributes.

    Refuses (CreateTopic): FIFO topics, keys of KMS, and attributes other than `DisplayName` and `Policy`.

    Differs from AWS: a topic's policy is judged for EventBridge and for alarms; a role of the account needs
    the permission in its own policies. Messages are not signed (`Signature` is `EXAMPLE`), a delivery that
    fails is logged and not tried again, and there are no metrics in `AWS/SNS`.

    Lacks: `AddPermission`, `RemovePermission`, `ConfirmSubscription`, and everything for SMS and mobile push.
    """

    name = "sns"
    validation_error: ClassVar[str] = "InvalidParameter"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._topics = Topics(account)
        account.tagged.append(self._tagged)

    # --- topics

    def create_topic(self, params: Params) -> Answer:
        """CreateTopic: again with the same attributes and tags, it changes nothing."""
        name, attributes = params["Name"], params.get("Attributes", {})
        if params.get("DataProtectionPolicy"):
            raise unsupported("DataProtectionPolicy")
        if attributes.get("FifoTopic") == "true" or name.endswith(".fifo"):
            raise unsupported("a FIFO topic")
        if not _NAME.fullmatch(name):
            raise invalid("Topic Name")
        arn = self.account.arn("sns", name)
        tags = limited({one["Key"]: one["Value"] for one in params.get("Tags", [])}, "TagLimitExceeded")
        for attribute, value in attributes.items():
            if attribute != "FifoTopic":
                _check(attribute, value)
        with self._topics.table.lock:
            known = self._topics.table.get(name)
            if known is None:
                topic: Topic = {
                    "TopicArn": arn,
                    "DisplayName": attributes.get("DisplayName", ""),
                    "Policy": attributes.get("Policy") or default_policy(arn, self._owner),
                    "Tags": tags,
                    "SubscriptionsDeleted": 0,
                }
                self._topics.table.put(name, topic)
            elif any(known[one] != attributes[one] for one in _SET if one in attributes):  # type: ignore[literal-required]
                raise invalid("Attributes Reason: Topic already exists with different attributes")
            elif params.get("Tags") and tags != known["Tags"]:
                raise invalid("Tags Reason: Topic already exists with different tags")
        return {"TopicArn": arn}

    def delete_topic(self, params: Params) -> Answer:
        """DeleteTopic: with its subscriptions; no error if there is none."""
        arn = params["TopicArn"]
        check_arn(arn, "TopicArn")
        with self._topics.table.lock, self._topics.subscriptions.lock, self.account.store.together():
            for one in self._topics.of(arn):
                self._topics.subscriptions.delete(one["SubscriptionArn"])
            self._topics.table.delete(name_of(arn))
        return {}

    def list_topics(self, params: Params) -> Answer:
        """ListTopics."""
        arns = [{"TopicArn": one["TopicArn"]} for one in self._topics.table.values()]
        return _page("Topics", arns, params)

    def get_topic_attributes(self, params: Params) -> Answer:
        """GetTopicAttributes."""
        topic = self._topics.require(params["TopicArn"])
        confirmed = [one["Confirmed"] for one in self._topics.of(topic["TopicArn"])]
        return {
            "Attributes": {
                "TopicArn": topic["TopicArn"],
                "Owner": self._owner,
                "DisplayName": topic["DisplayName"],
                "Policy": topic["Policy"],
                "SubscriptionsConfirmed": str(sum(confirmed)),
                "SubscriptionsPending": str(len(confirmed) - sum(confirmed)),
                "SubscriptionsDeleted": str(topic["SubscriptionsDeleted"]),
            }
        }

    def set_topic_attributes(self, params: Params) -> Answer:
        """SetTopicAttributes: the name that mail shows, and the policy."""
        name, value = params["AttributeName"], params.get("AttributeValue", "")
        _check(name, value)
        topic = self._topics.require(params["TopicArn"])
        if name == "Policy" and not value:
            value = default_policy(topic["TopicArn"], self._owner)
        with self._topics.table.update(name_of(topic["TopicArn"])) as document:
            document[name] = value  # type: ignore[literal-required]
        return {}

    # --- subscriptions

    def subscribe(self, params: Params) -> Answer:
        """Subscribe: again with the same endpoint, it changes nothing."""
        protocol, endpoint = params["Protocol"], params.get("Endpoint", "")
        if params.get("Attributes"):
            raise unsupported(f"the attribute {next(iter(params['Attributes']))} of a subscription")
        _check_endpoint(protocol, endpoint)
        topic = self._topics.require(params["TopicArn"])
        with self._topics.subscriptions.lock:
            for one in self._topics.of(topic["TopicArn"]):
                if (one["Protocol"], one["Endpoint"]) == (protocol, endpoint):
                    return _subscribed(one, params)
            subscription: Subscription = {
                "SubscriptionArn": f"{topic['TopicArn']}:{uuid.uuid4()}",
                "TopicArn": topic["TopicArn"],
                "Protocol": protocol,
                "Endpoint": endpoint,
                "Confirmed": protocol not in _MAILS,
            }
            self._topics.subscriptions.put(subscription["SubscriptionArn"], subscription)
        return _subscribed(subscription, params)

    def unsubscribe(self, params: Params) -> Answer:
        """Unsubscribe: no error if there is no such subscription."""
        arn = params["SubscriptionArn"]
        check_arn(arn, "SubscriptionArn")
        with self._topics.table.lock, self._topics.subscriptions.lock, self.account.store.together():
            found = self._topics.subscriptions.get(arn)
            if found:
                self._topics.subscriptions.delete(arn)
                with self._topics.table.update(name_of(found["TopicArn"])) as topic:
                    topic["SubscriptionsDeleted"] += 1
        return {}

    def list_subscriptions(self, params: Params) -> Answer:
        """ListSubscriptions."""
        found = [summary(one, self._owner) for one in self._topics.subscriptions.values()]
        return _page("Subscriptions", found, params)

    def list_subscriptions_by_topic(self, params: Params) -> Answer:
        """ListSubscriptionsByTopic."""
        topic = self._topics.require(params["TopicArn"])
        found = [summary(one, self._owner) for one in self._topics.of(topic["TopicArn"])]
        return _page("Subscriptions", found, params)

    def get_subscription_attributes(self, params: Params) -> Answer:
        """GetSubscriptionAttributes."""
        arn = params["SubscriptionArn"]
        check_arn(arn, "SubscriptionArn")
        found = self._topics.subscriptions.get(arn)
        if found is None:
            raise ServiceError("NotFound", "Subscription does not exist", 404)
        return {
            "Attributes": {
                **{name: found[name] for name in ("SubscriptionArn", "TopicArn", "Protocol", "Endpoint")},
                "Owner": self._owner,
                "ConfirmationWasAuthenticated": str(found["Confirmed"]).lower(),
                "PendingConfirmation": str(not found["Confirmed"]).lower(),
                "RawMessageDelivery": "false",
            }
        }

    # --- messages

    def publish(self, params: Params) -> Answer:
        """Publish: every subscribed function is invoked asynchronously before this returns."""
        for member in ("PhoneNumber", "MessageGroupId", "MessageDeduplicationId"):
            if params.get(member):
                raise unsupported(member)
        member = "TopicArn" if params.get("TopicArn") else "TargetArn"
        if not params.get(member):
            raise invalid("TopicArn or TargetArn Reason: no value for required parameter")
        topic = self._topics.require(params[member], member)
        return {"MessageId": self._send(topic["TopicArn"], params)}

    def publish_batch(self, params: Params) -> Answer:
        """PublishBatch: up to ten messages; those that are refused are listed."""
        entries = params["PublishBatchRequestEntries"]
        if not entries:
            raise ServiceError("EmptyBatchRequest", "The batch request doesn't contain any entries.")
        if len(entries) > _BATCH:
            raise ServiceError(
                "TooManyEntriesInBatchRequest", "The batch request contains more entries than permissible."
            )
        if len({one["Id"] for one in entries}) < len(entries):
            raise ServiceError(
                "BatchEntryIdsNotDistinct", "Two or more batch entries in the request have the same Id."
            )
        topic = self._topics.require(params["TopicArn"])
        sent, failed = [], []
        for one in entries:
            try:
                sent.append({"Id": one["Id"], "MessageId": self._send(topic["TopicArn"], one)})
            except ServiceError as error:
                failed.append(
                    {"Id": one["Id"], "Code": error.code, "Message": error.message, "SenderFault": True}
                )
        return {"Successful": sent, "Failed": failed}

    def _send(self, topic_arn: str, params: Mapping[str, Any]) -> str:
        subject = params.get("Subject")
        if subject is not None and (not 0 < len(subject) <= _SUBJECT or "\n" in subject):
            raise invalid("Subject")
        message = Message(
            str(uuid.uuid4()), topic_arn, _text(params), subject, params.get("MessageAttributes", {})
        )
        for one in self._topics.of(topic_arn):
            if one["Protocol"] == "lambda":
                deliver(self.account, message, one)
        return message.id

    # --- tags

    def tag_resource(self, params: Params) -> Answer:
        """TagResource."""
        given = {one["Key"]: one["Value"] for one in params["Tags"]}
        with self._topics.table.update(self._named(params)) as topic:
            topic["Tags"] = limited({**topic["Tags"], **given}, "TagLimitExceeded")
        return {}

    def untag_resource(self, params: Params) -> Answer:
        """UntagResource."""
        with self._topics.table.update(self._named(params)) as topic:
            topic["Tags"] = {k: v for k, v in topic["Tags"].items() if k not in params["TagKeys"]}
        return {}

    def list_tags_for_resource(self, params: Params) -> Answer:
        """ListTagsForResource."""
        tags = self._topics.table.require(self._named(params))["Tags"]
        return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    def _named(self, params: Params) -> str:
        name = name_of(params["ResourceArn"])
        if self._topics.table.get(name) is None:
            raise ServiceError("ResourceNotFound", "Resource does not exist", 404)
        return name

    def _tagged(self) -> list[tuple[str, dict[str, str]]]:
        return [(one["TopicArn"], one["Tags"]) for one in self._topics.table.values()]

    @property
    def _owner(self) -> str:
        return self.account.config.account_id


def _text(params: Mapping[str, Any]) -> str:
    """Return the message for a function. Raises ServiceError InvalidParameter."""
    text: str = params.get("Message", "")
    if not text:
        raise invalid("Empty message")
    if len(text.encode()) > _BYTES:
        raise invalid("Message too long")
    structure = params.get("MessageStructure")
    if structure is None:
        return text
    if structure != "json":
        raise invalid("MessageStructure")
    try:
        by_protocol = json.loads(text)
    except ValueError:
        raise invalid("Message Structure - JSON message body failed to parse") from None
    if not isinstance(by_protocol, dict) or "default" not in by_protocol:
        raise invalid("Message Structure - No default entry in JSON message body")
    return str(by_protocol.get("lambda", by_protocol["default"]))


def _check(attribute: str, value: str) -> None:
    """Raise ServiceError for an attribute of a topic that cannot be set."""
    if attribute not in _SET:
        raise unsupported(f"the attribute {attribute} of a topic")
    if attribute == "Policy" and value:
        try:
            Policy.parse(value, "Policy")
        except PolicyError as error:
            raise invalid(f"Policy Error: {error}") from error


def _check_endpoint(protocol: str, endpoint: str) -> None:
    if protocol in _OTHERS:
        raise unsupported(f"the protocol {protocol}")
    if protocol not in ("lambda", *_MAILS):
        raise invalid(f"Amazon SNS does not support this protocol string: {protocol}")
    if protocol == "lambda" and not _FUNCTION.fullmatch(endpoint):
        raise invalid("Lambda endpoint ARN")
    if protocol in _MAILS and not _MAIL.fullmatch(endpoint):
        raise invalid("Email address")


def _subscribed(subscription: Subscription, params: Params) -> Answer:
    known = subscription["Confirmed"] or params.get("ReturnSubscriptionArn")
    return {"SubscriptionArn": subscription["SubscriptionArn"] if known else "pending confirmation"}


def _page(member: str, items: list[dict[str, Any]], params: Params) -> Answer:
    shown, token = page(items, params.get("NextToken"), _PAGE, "InvalidParameter")
    return {member: shown, "NextToken": token}
