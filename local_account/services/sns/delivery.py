"""What a subscribed function gets of a message.

Contract: SNS Developer Guide, "Fanout to Lambda functions"; Lambda Developer Guide, "Invoking Lambda
functions with Amazon SNS notifications".
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.authorization.resource_policies import allows

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.services.sns.records import Subscription

log = logging.getLogger(__name__)

PRINCIPAL = "sns.amazonaws.com"


@dataclass(frozen=True)
class Message:
    """What was published."""

    id: str
    topic_arn: str
    text: str
    subject: str | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """MessageAttributes of the request."""


def deliver(account: Account, message: Message, subscription: Subscription) -> None:
    """Invoke the subscribed function, if its policy allows it; a failure is logged, as nobody gets it."""
    function, client = subscription["Endpoint"], account.client("lambda")
    event = json.dumps({"Records": [_record(account, message, subscription)]})
    try:
        policy = json.loads(client.get_policy(FunctionName=function)["Policy"])
        if not allows(policy, PRINCIPAL, message.topic_arn, account.config.account_id):
            log.warning("the policy of %s does not let %s invoke it", function, message.topic_arn)
            return
        client.invoke(FunctionName=function, InvocationType="Event", Payload=event.encode())
    except ClientError as error:
        log.warning("%s could not be delivered to %s: %s", message.topic_arn, function, error)


def _record(account: Account, message: Message, subscription: Subscription) -> dict[str, Any]:
    now = account.now()
    host = f"https://sns.{account.config.region}.amazonaws.com"
    arn = subscription["SubscriptionArn"]
    return {
        "EventSource": "aws:sns",
        "EventVersion": "1.0",
        "EventSubscriptionArn": arn,
        "Sns": {
            "Type": "Notification",
            "MessageId": message.id,
            "TopicArn": message.topic_arn,
            "Subject": message.subject,
            "Message": message.text,
            "Timestamp": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03}Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLE",
            "SigningCertUrl": f"{host}/SimpleNotificationService-0000000000000000000000.pem",
            "UnsubscribeUrl": f"{host}/?Action=Unsubscribe&SubscriptionArn={arn}",
            "MessageAttributes": {
                name: {"Type": one["DataType"], "Value": _value(one)}
                for name, one in message.attributes.items()
            },
        },
    }


def _value(attribute: Mapping[str, Any]) -> str:
    if "BinaryValue" in attribute:
        return base64.b64encode(attribute["BinaryValue"]).decode()
    return str(attribute.get("StringValue", ""))
