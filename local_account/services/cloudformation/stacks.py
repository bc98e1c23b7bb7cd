"""The records of stacks: what describes a stack, its template, its resources and its events.

Each of these is a document of its own (each resource and each event, too): a deployment writes what it
changed, and lists of stacks read no templates.
"""

from __future__ import annotations

import copy
import json
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, TypeVar, cast

from local_account.services.cloudformation.template import invalid

if TYPE_CHECKING:
    from local_account.foundation.account import Account

S = TypeVar("S")


class Resource(TypedDict):
    """A resource of a stack."""

    Type: str
    PhysicalResourceId: str
    """Empty until it is known."""
    Name: str
    """From the template, or generated."""
    Status: str
    StatusReason: str | None
    Timestamp: NotRequired[datetime]
    """When the status changed last."""
    Properties: dict[str, Any]
    """With every intrinsic function evaluated; dynamic references are as in the template."""
    References: NotRequired[dict[str, str]]
    """The values of dynamic references that the resource was made with."""
    Attributes: dict[str, Any]
    """For ``Fn::GetAtt``."""
    Dependencies: list[str]
    """Logical ids."""
    Metadata: NotRequired[Any]
    DeletionPolicy: str | None
    UpdateReplacePolicy: str | None


class Obsolete(Resource):
    """A physical resource that goes when the update has succeeded, unless it is to be kept."""

    LogicalResourceId: str
    Keep: bool


class Results(TypedDict):
    """What *DescribeStacks* shows of a template and a request."""

    Description: str | None
    Parameters: list[dict[str, Any]]
    Tags: list[dict[str, str]]
    Capabilities: list[str]
    Outputs: list[dict[str, str | None]]
    Exports: dict[str, str]
    """Values by the names of exports."""
    Imports: list[str]
    """Names of exports in use."""


class Snapshot(Results):
    """What a stack gets from a template and a request; an update keeps the old one for its rollback."""

    TemplateBody: str
    Values: dict[str, str]
    """Parameters as text, by name."""
    Resources: dict[str, Resource]
    """By logical id."""


class Head(Results):
    """A stack without template and resources: the members of *DescribeStacks*, and those of the engine."""

    StackId: str
    StackName: str
    StackStatus: NotRequired[str]
    """Missing while a new stack is only planned."""
    StackStatusReason: NotRequired[str | None]
    CreationTime: datetime
    LastUpdatedTime: NotRequired[datetime]
    DeletionTime: NotRequired[datetime]
    RoleARN: NotRequired[str]
    ChangeSetId: NotRequired[str]
    ParentId: NotRequired[str]
    RootId: NotRequired[str]
    TimeoutInMinutes: NotRequired[int]
    EnableTerminationProtection: NotRequired[bool]
    RequestToken: NotRequired[str | None]
    """ClientRequestToken of the request that began the last operation."""
    CallerRole: NotRequired[str | None]
    """Role of the caller that began the operation: without a RoleARN, CloudFormation acts with it."""
    Operations: int
    """The number of operations so far."""
    OnFailure: NotRequired[str]
    """``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``; this and what follows belong to the current operation."""
    DeletionMode: NotRequired[str | None]
    RetainExceptOnCreate: NotRequired[bool | None]
    RetainResources: NotRequired[list[str]]
    ResourcesToSkip: NotRequired[list[str]]


class Stack(Head, Snapshot):
    """A whole stack."""

    Obsolete: list[Obsolete]
    Previous: NotRequired[Snapshot]
    """What an update rolls back to."""


class Body(TypedDict):
    """What is kept apart from a stack's head, besides its resources."""

    TemplateBody: NotRequired[str]
    Values: NotRequired[dict[str, str]]
    Obsolete: NotRequired[list[Obsolete]]
    Previous: NotRequired[Snapshot]


_BODY = tuple(Body.__annotations__)
SNAPSHOT = (
    "TemplateBody",
    "Description",
    "Values",
    "Parameters",
    "Tags",
    "Capabilities",
    "Outputs",
    "Exports",
    "Imports",
    "Resources",
)
STACK_TYPE = "AWS::CloudFormation::Stack"


class Name(TypedDict):
    """The stack that a name refers to; a deleted stack has lost its name."""

    StackId: str


class Event(TypedDict):
    """An event of a stack: the members of *DescribeStackEvents*, which leaves out those that are None."""

    StackId: str
    StackName: str
    EventId: str
    LogicalResourceId: str
    PhysicalResourceId: str
    ResourceType: str
    ResourceStatus: str
    ResourceStatusReason: str | None
    ResourceProperties: str | None
    """JSON."""
    ClientRequestToken: str | None
    Timestamp: datetime


class Stacks:
    """All stacks of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._store = account.store
        self._stacks = account.store.table("cloudformation.stacks", Head)
        self._bodies = account.store.table("cloudformation.bodies", Body)
        self._resources = account.store.table("cloudformation.resources", Resource)
        self._names = account.store.table("cloudformation.names", Name)
        self._events = account.store.table("cloudformation.events", Event)
        # The heads of all stacks that are not deleted, to be read only: the lists and the exports.
        self._heads = {one["StackId"]: self._stacks.require(one["StackId"]) for one in self._names.values()}

    def all(self) -> list[Head]:
        """Return the head of every stack, including deleted ones, oldest first."""
        return self._stacks.values()

    def active(self) -> list[Head]:
        """Return the heads of the stacks that are not deleted, oldest first; do not change them."""
        return list(self._heads.values())

    def head(self, name_or_id: str) -> Head | None:
        """Return the head of a stack by name (never a deleted one) or by id; do not change it."""
        stack_id = self._id(name_or_id)
        return None if stack_id is None else self._heads.get(stack_id) or self._stacks.get(stack_id)

    def require_head(self, name_or_id: str) -> Head:
        """Return the head of a stack; raise ServiceError ValidationError if there is none."""
        return _existing(name_or_id, self.head(name_or_id))

    def require_named(self, name_or_id: str) -> Head:
        """Return the head of a stack; raise ServiceError ValidationError in the words of most operations."""
        if (head := self.head(name_or_id)) is None:
            raise invalid(f"Stack [{name_or_id}] does not exist")
        return head

    def find(self, name_or_id: str) -> Stack | None:
        """Return a stack by name (never a deleted one) or by id."""
        stack_id = self._id(name_or_id)
        if stack_id is None:
            return None
        with self._store.together():
            head = self._stacks.get(stack_id)
            body, resources = self._bodies.get(stack_id), self._resources.items(f"{stack_id}#")
        if head is None:
            return None
        by_name = {key.rpartition("#")[2]: resource for key, resource in resources}
        return cast("Stack", {**head, **(body or {}), "Resources": by_name})

    def require(self, name_or_id: str) -> Stack:
        """Return a stack; raise ServiceError ValidationError if there is none."""
        return _existing(name_or_id, self.find(name_or_id))

    def owner(self, physical_id: str) -> Stack | None:
        """Return the stack that has a physical resource."""
        for stack_id in list(self._heads):
            stack = self.require(stack_id)
            if any(one["PhysicalResourceId"] == physical_id for one in stack["Resources"].values()):
                return stack
        return None

    def add(self, stack: Stack) -> None:
        """Write a new stack, which takes its name from now on."""
        with self._store.together():
            head = self._write(stack)
            self._names.put(stack["StackName"], {"StackId": stack["StackId"]})
        self._remember(head)

    @contextmanager
    def update(self, stack_id: str) -> Iterator[Stack]:
        """Load a whole stack, let the caller change it, and save it; nothing if the block raises."""
        with self._stacks.lock:
            stack = self.require(stack_id)
            yield stack
            self._remember(self._write(stack))

    def set_status(
        self, stack_id: str, status: str, reason: str | None = None, token: str | None = None, **changes: Any
    ) -> None:
        """Set a stack's status and add its event; ``changes`` go into the same write."""
        kept = {key: value for key, value in changes.items() if key in _BODY}
        with self._head(stack_id) as head:
            head.update(cast("Head", {key: one for key, one in changes.items() if key not in _BODY}))
            head.update({"StackStatus": status, "StackStatusReason": reason})
            if status in ("DELETE_COMPLETE", "ROLLBACK_IN_PROGRESS"):
                head["DeletionTime"] = self._account.now()
            if kept:
                body = self._bodies.get(stack_id) or {}
                body.update(cast("Body", kept))
                self._bodies.put(stack_id, body)
            self._add_event(head, head["StackName"], STACK_TYPE, stack_id, status, reason, token)
            if status == "DELETE_COMPLETE":
                self._names.delete(head["StackName"])

    def adopt(self, stack_id: str, parent_id: str) -> None:
        """Record that a stack is a resource of another one."""
        parent = self.require_head(parent_id)
        with self._head(stack_id) as head:
            head.update({"ParentId": parent_id, "RootId": parent.get("RootId", parent_id)})

    def begin_operation(self, stack_id: str) -> None:
        """Start a new operation, to which the following events belong."""
        with self._head(stack_id) as head:
            head["Operations"] = head.get("Operations", 0) + 1

    def protect(self, stack_id: str, protected: bool) -> None:
        """Turn a stack's protection from deletion on or off."""
        with self._head(stack_id) as head:
            head["EnableTerminationProtection"] = protected

    def put_resource(
        self, stack_id: str, logical_id: str, resource: Resource, token: str | None, event: bool = True
    ) -> None:
        """Write the state of one resource, with its event."""
        resource["Timestamp"] = self._account.now()
        with self._store.together():
            self._resources.put(f"{stack_id}#{logical_id}", resource)
            if event:
                self.add_resource_event(stack_id, logical_id, resource, token)

    def add_resource_event(
        self, stack_id: str, logical_id: str, resource: Resource, token: str | None
    ) -> None:
        """Write the event for a resource's status and reason."""
        self._add_event(
            self.require_head(stack_id),
            logical_id,
            resource["Type"],
            resource.get("PhysicalResourceId") or "",
            resource["Status"],
            resource.get("StatusReason"),
            token,
            resource.get("Properties"),
        )

    def events(self, stack: Head) -> Iterable[Event]:
        """Return the events of a stack, newest first, as *DescribeStackEvents* shows them."""
        return reversed(self._events.values(f"{stack['StackId']}#"))

    def exports(self) -> dict[str, dict[str, str]]:
        """Return every export by name: Name, Value, ExportingStackId."""
        return {
            name: {"Name": name, "Value": value, "ExportingStackId": stack["StackId"]}
            for stack in self.active()
            for name, value in (stack.get("Exports") or {}).items()
        }

    def importers(self, name: str) -> list[str]:
        """Return the names of the stacks that import an export."""
        return [stack["StackName"] for stack in self.active() if name in (stack.get("Imports") or [])]

    def _id(self, name_or_id: str) -> str | None:
        if name_or_id.startswith("arn:"):
            return name_or_id
        entry = self._names.get(name_or_id)
        return entry["StackId"] if entry else None

    @contextmanager
    def _head(self, stack_id: str) -> Iterator[Head]:
        """Load a head, let the caller change it, and save it together with what else the block writes."""
        with self._stacks.lock:
            with self._store.together():
                head = self._stacks.require(stack_id)
                yield head
                self._stacks.put(stack_id, head)
            self._remember(head)

    def _remember(self, head: Head) -> None:
        if head["StackStatus"] == "DELETE_COMPLETE":
            self._heads.pop(head["StackId"], None)
        else:
            self._heads[head["StackId"]] = head

    def _write(self, stack: Stack) -> Head:
        """Write a whole stack; return a copy of its head."""
        stack_id, parts = stack["StackId"], {*_BODY, "Resources"}
        head = copy.deepcopy({key: value for key, value in stack.items() if key not in parts})
        body = {key: value for key, value in stack.items() if key in _BODY}
        with self._store.together():
            for key, _ in self._resources.items(f"{stack_id}#"):
                if key.rpartition("#")[2] not in stack["Resources"]:
                    self._resources.delete(key)
            for logical_id, resource in stack["Resources"].items():
                self._resources.put(f"{stack_id}#{logical_id}", resource)
            self._bodies.put(stack_id, cast("Body", body))
            self._stacks.put(stack_id, cast("Head", head))
        return cast("Head", head)

    def _add_event(  # noqa: PLR0917  (the columns of an event)
        self,
        stack: Head,
        logical_id: str,
        kind: str,
        physical_id: str,
        status: str,
        reason: str | None,
        token: str | None,
        properties: dict[str, Any] | None = None,
    ) -> None:
        event: Event = {
            "StackId": stack["StackId"],
            "StackName": stack["StackName"],
            "EventId": f"{logical_id}-{status}-{uuid.uuid4()}",
            "LogicalResourceId": logical_id,
            "PhysicalResourceId": physical_id,
            "ResourceType": kind,
            "ResourceStatus": status,
            "ResourceStatusReason": reason,
            "ResourceProperties": None if properties is None else json.dumps(properties, default=str),
            "ClientRequestToken": token,
            "Timestamp": self._account.now(),
        }
        self._events.put(f"{stack['StackId']}#{event['EventId']}", event)


def _existing(name_or_id: str, stack: S | None) -> S:
    if stack is None:
        raise invalid(f"Stack with id {name_or_id} does not exist")
    return stack
