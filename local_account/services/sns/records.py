"""Topics and subscriptions as they are kept, and how they are named in requests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypedDict

from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

PENDING = "PendingConfirmation"
_ACTIONS = (
    "GetTopicAttributes", "SetTopicAttributes", "AddPermission", "RemovePermission", "DeleteTopic",
    "Subscribe", "ListSubscriptionsByTopic", "Publish",
)  # fmt: skip
_ARN_PARTS = 6


class Topic(TypedDict):
    """A topic; its key is its name."""

    TopicArn: str
    DisplayName: str
    Policy: str
    """JSON."""
    Tags: dict[str, str]
    SubscriptionsDeleted: int


class Subscription(TypedDict):
    """A subscription; its key is its ARN."""

    SubscriptionArn: str
    TopicArn: str
    Protocol: str
    Endpoint: str
    Confirmed: bool


class Topics:
    """The topics and subscriptions of an account."""

    def __init__(self, account: Account) -> None:
        self._account = account

    @property
    def table(self) -> Table[Topic]:
        """The topics by name."""
        return self._account.store.table("sns.topics", Topic)

    @property
    def subscriptions(self) -> Table[Subscription]:
        """The subscriptions by ARN, in order of creation."""
        return self._account.store.table("sns.subscriptions", Subscription)

    def require(self, arn: str, member: str = "TopicArn") -> Topic:
        """Return a topic by its ARN. Raises ServiceError InvalidParameter or NotFound."""
        check_arn(arn, member)
        topic = self.table.get(name_of(arn))
        if topic is None or topic["TopicArn"] != arn:
            raise ServiceError("NotFound", "Topic does not exist", 404)
        return topic

    def of(self, topic_arn: str) -> list[Subscription]:
        """Return the subscriptions of a topic."""
        return [one for one in self.subscriptions.values() if one["TopicArn"] == topic_arn]


def name_of(arn: str) -> str:
    """Return the name of a topic, from its ARN."""
    return arn.rpartition(":")[2]


def check_arn(arn: str, member: str) -> None:
    """Raise ServiceError InvalidParameter for what is not an ARN, in SNS's words."""
    if not arn.startswith("arn:"):
        raise invalid(f"{member} Reason: {arn} does not start with arn")
    if (number := len(arn.split(":"))) < _ARN_PARTS:
        raise invalid(f"{member} Reason: An ARN must have at least {_ARN_PARTS} elements, not {number}")


def default_policy(arn: str, account_id: str) -> str:
    """Return the policy of a topic that was given none: the owner of the account may do everything."""
    statement = {
        "Sid": "__default_statement_ID",
        "Effect": "Allow",
        "Principal": {"AWS": "*"},
        "Action": [f"SNS:{action}" for action in _ACTIONS],
        "Resource": arn,
        "Condition": {"StringEquals": {"AWS:SourceOwner": account_id}},
    }
    return json.dumps({"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]})


def invalid(what: str) -> ServiceError:
    """Return SNS's error for a parameter."""
    return ServiceError("InvalidParameter", f"Invalid parameter: {what}")


def unsupported(what: str) -> ServiceError:
    """Return the error for a documented feature that the local account lacks."""
    return ServiceError("InvalidParameter", f"sns: {what} is not supported by the local account")


def summary(subscription: Mapping[str, Any], owner: str) -> dict[str, Any]:
    """Return a subscription as lists show it."""
    shown = subscription["SubscriptionArn"] if subscription["Confirmed"] else PENDING
    members = {name: subscription[name] for name in ("TopicArn", "Protocol", "Endpoint")}
    return {**members, "SubscriptionArn": shown, "Owner": owner}
