"""What EventBridge keeps: rules, and the deliveries of events to their targets."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

if TYPE_CHECKING:
    from mypy_boto3_events.literals import RuleStateType
    from mypy_boto3_events.type_defs import TargetUnionTypeDef

# As "AWS service event metadata" in the EventBridge User Guide. Not a class: one name is not an identifier.
Event = TypedDict(
    "Event",
    {
        "version": str,
        "id": str,
        "detail-type": str,
        "source": str,
        "account": str,
        "time": str,
        "region": str,
        "resources": list[str],
        "detail": dict[str, Any],
    },
)


class RuleReference(TypedDict):
    """What the input of a target can tell of the rule that matched."""

    Name: str
    Arn: str


class Rule(RuleReference):
    """A rule: the members of DescribeRule under their names there, and our own in lower case."""

    EventPattern: NotRequired[str]
    ScheduleExpression: NotRequired[str]
    State: RuleStateType
    Description: NotRequired[str]
    RoleArn: NotRequired[str]
    origin: datetime
    """When its schedule was set; a rate counts from then."""
    enabled_at: datetime
    """When its state or schedule last changed; a schedule fires only after that."""
    targets: list[TargetUnionTypeDef]
    tags: dict[str, str]


class Delivery(TypedDict):
    """An accepted event on its way to one target."""

    id: str
    """The same for every attempt, so that a target can tell a repeated delivery."""
    rule: RuleReference
    target: TargetUnionTypeDef
    event: Event
    accepted: float
    """Seconds since 1970."""
    attempts: int
    """Those that failed."""
