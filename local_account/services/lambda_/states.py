"""Where a function is: Pending until it can be invoked, its update InProgress until it has taken effect.

The contract is "Lambda function states" of the Lambda Developer Guide, and what was recorded on AWS
(LocalStack's tests of the Lambda API): what may be asked when, and which members an answer has.

Differs from AWS: a function is Pending for a second, and an update as long; on AWS it is some seconds. While
an update is InProgress, invocations already run the new code, where AWS may still run the old.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Literal, cast

from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from local_account.services.lambda_.configuration import FunctionConfiguration

_REASON = "The function is being created."
_CODE: Literal["Creating"] = "Creating"
_MEMBERS = (
    *("State", "StateReason", "StateReasonCode"),
    *("LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode"),
)


def create(config: FunctionConfiguration) -> None:
    """Make a new function or version Pending."""
    for member in _MEMBERS:
        config.pop(member, None)  # type: ignore[misc]
    config |= {"State": "Pending", "StateReason": _REASON, "StateReasonCode": _CODE}


def update(config: FunctionConfiguration) -> None:
    """Make a changed function's update InProgress."""
    config |= {
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": _REASON,
        "LastUpdateStatusReasonCode": _CODE,
    }


def settle(config: FunctionConfiguration) -> None:
    """Make a function or version Active, and its update Successful; this is a revision of its own."""
    if not is_settled(config):
        activate(config)
        config["RevisionId"] = str(uuid.uuid4())


def activate(config: FunctionConfiguration) -> None:
    """Make a function or version Active in the revision that it is."""
    for member in _MEMBERS:
        config.pop(member, None)  # type: ignore[misc]
    config |= {"State": "Active", "LastUpdateStatus": "Successful"}


def is_settled(config: FunctionConfiguration) -> bool:
    """Return whether nothing is under way."""
    return config["State"] == "Active" and config.get("LastUpdateStatus") == "Successful"


def without_state(config: FunctionConfiguration) -> FunctionConfiguration:
    """Return a configuration as lists have it: they do not tell states."""
    kept = {member: value for member, value in config.items() if member not in _MEMBERS}
    return cast("FunctionConfiguration", kept)


def check_active(config: FunctionConfiguration) -> None:
    """Raise ServiceError ResourceConflictException unless a function or version can be invoked."""
    if config["State"] != "Active":
        raise _conflict(f"The function is currently in the following state: {config['State']}")


def check_settled(config: FunctionConfiguration) -> None:
    """Raise ServiceError ResourceConflictException unless a function can be changed or published."""
    check_active(config)
    if not is_settled(config):
        raise _conflict(f"An update is in progress for resource: {config['FunctionArn']}")


def _conflict(reason: str) -> ServiceError:
    message = f"The operation cannot be performed at this time. {reason}"
    return ServiceError("ResourceConflictException", message, status=409, Type="User")
