"""One CloudFormation stack: create or update it, follow its events, report why it failed.

The calls are the same on AWS and in the local account. API names in docstrings are boto3's.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NotRequired, TypedDict

from botocore.exceptions import ClientError

from lab_helpers.errors import WorkshopError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import CapabilityType
    from mypy_boto3_cloudformation.type_defs import (
        ParameterTypeDef,
        StackEventTypeDef,
        StackTypeDef,
        TagTypeDef,
    )

READY_SECONDS = 1800
STARTS_OVER = {
    "ROLLBACK_COMPLETE",
    "ROLLBACK_FAILED",
    "CREATE_FAILED",
    "DELETE_FAILED",
    "REVIEW_IN_PROGRESS",
}
"""States of a stack that is beyond repair: it is deleted and created again."""
GOOD = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}


class StackRequest(TypedDict):
    """What CreateStack and UpdateStack have in common; the template is given by URL or as text."""

    StackName: str
    ClientRequestToken: str
    Capabilities: list[CapabilityType]
    Parameters: list[ParameterTypeDef]
    Tags: list[TagTypeDef]
    TemplateURL: NotRequired[str]
    TemplateBody: NotRequired[str]


class DeployError(WorkshopError, RuntimeError):
    """A stack or instance could not be deployed; the message has the service's own reason."""


@dataclass(frozen=True)
class StackEvent:
    """One event of a stack (CloudFormation DescribeStackEvents)."""

    stack: str
    resource: str
    type: str
    status: str
    reason: str

    @property
    def failed(self) -> bool:
        """Whether this event is a failure, not a cancellation caused by another failure."""
        return self.status.endswith("_FAILED") and "cancelled" not in self.reason.lower()


Watcher = Callable[[StackEvent], None]


def find_stack(cloudformation: CloudFormationClient, name: str) -> StackTypeDef | None:
    """Return the record of a stack (DescribeStacks), or None if there is no such stack."""
    try:
        return cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in error.response["Error"]["Message"]:
            return None
        raise


class Events:
    """Passes every event of some stacks to a watcher once, oldest first.

    Without a watcher, events are read only when an operation has ended, for the reasons of a failure.
    """

    def __init__(self, cloudformation: CloudFormationClient, watch: Watcher | None) -> None:
        self._cloudformation, self._watch = cloudformation, watch
        self._seen: set[str] = set()

    def skip(self, stack: str) -> None:
        """Mark all events so far as seen."""
        self._seen |= {event["EventId"] for event in self._read(stack)}

    def show(self, stack: str, ended: bool = False) -> list[StackEvent]:
        """Pass new events to the watcher and return them."""
        new: list[StackEvent] = []
        if self._watch is None and not ended:
            return new
        for event in reversed(self._read(stack)):
            self._seen.add(event["EventId"])
            new.append(
                StackEvent(
                    event["StackName"],
                    event.get("LogicalResourceId", ""),
                    event.get("ResourceType", ""),
                    event.get("ResourceStatus", ""),
                    event.get("ResourceStatusReason", ""),
                )
            )
            if self._watch:
                self._watch(new[-1])
        return new

    def _read(self, stack: str) -> list[StackEventTypeDef]:
        """Return the unseen events, newest first, as in DescribeStackEvents."""
        new: list[StackEventTypeDef] = []
        try:
            for page in self._cloudformation.get_paginator("describe_stack_events").paginate(StackName=stack):
                for event in page["StackEvents"]:
                    if event["EventId"] in self._seen:
                        return new
                    new.append(event)
        except ClientError as error:
            if "does not exist" not in error.response["Error"]["Message"]:
                raise
        return new


def deploy_stack(
    cloudformation: CloudFormationClient,
    name: str,
    template: str,
    *,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
    watch: Watcher | None = None,
) -> str:
    """Create or update a stack and wait for the outcome; return ``created``, ``updated`` or ``unchanged``.

    `template` is its URL in S3 (https://…) or its text.
    A running operation (of an interrupted run) is waited for first; a stack whose creation failed is deleted
    and created again. Parameters and tags that are not given keep their values.

    Raises
    ------
    DeployError : the stack failed; the message has the first failed resource's reason.
    """
    events = Events(cloudformation, watch)
    stack = find_stack(cloudformation, name)
    if stack is not None:
        events.skip(name)
        stack = _settled(cloudformation, events, stack)
    if stack is not None and stack["StackStatus"] in STARTS_OVER:
        cloudformation.delete_stack(StackName=name)
        stack = _settled(cloudformation, events, find_stack(cloudformation, name))
        if stack is not None:
            raise DeployError(f"stack {name} could not be deleted: {stack['StackStatus']}")
    done = submit_stack(cloudformation, name, template, stack, parameters=parameters, tags=tags)
    if done == "unchanged":
        return done
    failures: list[StackEvent] = []
    stack = _settled(cloudformation, events, find_stack(cloudformation, name), failures)
    if stack is None or stack["StackStatus"] not in GOOD:
        raise DeployError(failure(name, stack, failures))
    return done


def submit_stack(
    cloudformation: CloudFormationClient,
    name: str,
    template: str,
    stack: StackTypeDef | None,
    *,
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> str:
    """Request a stack or its update; return ``created``, ``updated`` or ``unchanged`` without waiting.

    `stack` is the record of the existing stack (DescribeStacks). Parameters and tags that are not given keep
    their values.
    """
    kept = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", [])} if stack else {}
    wanted: list[ParameterTypeDef] = [
        {"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()
    ]
    request: StackRequest = {
        "StackName": name,
        # botocore repeats a request whose response is lost; the token prevents a second stack.
        "ClientRequestToken": f"workshop-{uuid.uuid4()}",
        "Capabilities": ["CAPABILITY_NAMED_IAM"],
        "Parameters": wanted,
        "Tags": [{"Key": key, "Value": value} for key, value in {**kept, **tags}.items()],
    }
    if template.startswith("https://"):
        request["TemplateURL"] = template
    else:
        request["TemplateBody"] = template
    if stack is None:
        cloudformation.create_stack(**request, OnFailure="ROLLBACK")
    else:
        wanted += [
            {"ParameterKey": one["ParameterKey"], "UsePreviousValue": True}
            for one in stack.get("Parameters", [])
            if one["ParameterKey"] not in parameters
        ]
        try:
            cloudformation.update_stack(**request)
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return "unchanged"
            raise
        return "updated"
    return "created"


def _settled(
    cloudformation: CloudFormationClient,
    events: Events,
    stack: StackTypeDef | None,
    failures: list[StackEvent] | None = None,
) -> StackTypeDef | None:
    """Wait until no operation is running; return the stack, or None if it is gone."""
    pause = Pause()
    # By id: a deleted stack can be described only by its id.
    while stack is not None:
        status = stack["StackStatus"]
        ended = not status.endswith("_IN_PROGRESS") or status == "REVIEW_IN_PROGRESS"
        new = events.show(stack["StackId"], ended)
        if failures is not None:
            failures += [event for event in new if event.failed]
        if status == "DELETE_COMPLETE":
            return None
        if ended:
            return stack
        pause(bool(new))
        stack = find_stack(cloudformation, stack["StackId"])
    return None


def failure(name: str, stack: StackTypeDef | None, failures: list[StackEvent]) -> str:
    """Return why a stack failed: its status, and the reasons of the first resources that failed."""
    status = stack["StackStatus"] if stack else "gone"
    reasons = [f"{event.resource} ({event.type}): {event.reason}" for event in failures]
    if not reasons and stack and stack.get("StackStatusReason"):
        reasons = [stack["StackStatusReason"]]
    return f"stack {name} is {status}. " + ("\n  ".join(["What failed:", *reasons[:5]]) if reasons else "")


class Pause:
    """Pauses that grow while nothing happens: quick for short operations, gentle on quotas for long ones."""

    def __init__(self, shortest: float = 0.2, longest: float = 3.0) -> None:
        self._shortest, self._longest, self._next = shortest, longest, shortest

    def __call__(self, news: bool = False) -> None:
        """Wait; after `news`, only for the shortest time."""
        self._next = self._shortest if news else min(self._next * 1.3, self._longest)
        time.sleep(self._next)
