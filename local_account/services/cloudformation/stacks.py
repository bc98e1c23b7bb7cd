"""The records of stacks: one document per stack, and the events of each operation on it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from local_account.services.cloudformation.template import invalid

if TYPE_CHECKING:
    from local_account.foundation.account import Account


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
    """With every intrinsic function evaluated."""
    Attributes: dict[str, Any]
    """For ``Fn::GetAtt``."""
    Dependencies: list[str]
    """Logical ids."""
    Metadata: NotRequired[Any]
    DeletionPolicy: str
    UpdateReplacePolicy: str


class Obsolete(Resource):
    """A physical resource that goes when the update has succeeded, unless it is to be kept."""

    LogicalResourceId: str
    Keep: bool


class Snapshot(TypedDict):
    """What a stack gets from a template and a request; an update keeps the old one for its rollback."""

    TemplateBody: str
    Description: str | None
    Values: dict[str, str]
    """Parameters as text, by name."""
    Parameters: list[dict[str, Any]]
    Tags: list[dict[str, str]]
    Capabilities: list[str]
    Outputs: list[dict[str, str | None]]
    Exports: dict[str, str]
    """Values by the names of exports."""
    Imports: list[str]
    """Names of exports in use."""
    Resources: dict[str, Resource]
    """By logical id."""


class Stack(Snapshot):
    """A stack: the members of *DescribeStacks* under their names there, and what the engine has to know."""

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
    Obsolete: list[Obsolete]
    Previous: NotRequired[Snapshot]
    """What an update rolls back to."""
    Operations: int
    """The number of operations so far."""
    OnFailure: NotRequired[str]
    """``ROLLBACK``, ``DELETE`` or ``DO_NOTHING``; this and what follows belong to the current operation."""
    DeletionMode: NotRequired[str | None]
    RetainExceptOnCreate: NotRequired[bool]
    RetainResources: NotRequired[list[str]]
    ResourcesToSkip: NotRequired[list[str]]


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


class OperationEvents(TypedDict):
    """The events of one operation on a stack, oldest first."""

    Events: list[Event]


class Stacks:
    """All stacks of the account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._stacks = account.store.table("cloudformation.stacks", Stack)
        self._names = account.store.table("cloudformation.names", Name)
        self._events = account.store.table("cloudformation.events", OperationEvents)

    def all(self) -> list[Stack]:
        """Return every stack, including deleted ones, oldest first."""
        return self._stacks.values()

    def active(self) -> list[Stack]:
        """Return the stacks that are not deleted, oldest first."""
        return [self._stacks.require(document["StackId"]) for document in self._names.values()]

    def find(self, name_or_id: str) -> Stack | None:
        """Return a stack by name (never a deleted one) or by id."""
        if name_or_id.startswith("arn:"):
            return self._stacks.get(name_or_id)
        entry = self._names.get(name_or_id)
        return self._stacks.get(entry["StackId"]) if entry else None

    def require(self, name_or_id: str) -> Stack:
        """Return a stack; raise ServiceError ValidationError if there is none."""
        stack = self.find(name_or_id)
        if stack is None:
            raise invalid(f"Stack with id {name_or_id} does not exist")
        return stack

    def add(self, stack: Stack) -> None:
        """Write a new stack, which takes its name from now on."""
        self._stacks.put(stack["StackId"], stack)
        self._names.put(stack["StackName"], {"StackId": stack["StackId"]})

    def update(self, stack_id: str) -> AbstractContextManager[Stack]:
        """Load a stack, let the caller change it, and save it."""
        return self._stacks.update(stack_id)

    def set_status(
        self, stack_id: str, status: str, reason: str | None = None, token: str | None = None, **changes: Any
    ) -> None:
        """Set a stack's status and add its event; ``changes`` go into the same write."""
        with self.update(stack_id) as stack:
            stack.update(cast("Stack", changes))
            stack.update({"StackStatus": status, "StackStatusReason": reason})
            if status == "DELETE_COMPLETE":
                stack["DeletionTime"] = self._account.now()
        self._add_event(stack, stack["StackName"], STACK_TYPE, stack_id, status, reason, token)
        if status == "DELETE_COMPLETE":
            self._names.delete(stack["StackName"])

    def adopt(self, stack_id: str, parent_id: str) -> None:
        """Record that a stack is a resource of another one."""
        parent = self.require(parent_id)
        with self.update(stack_id) as stack:
            stack.update({"ParentId": parent_id, "RootId": parent.get("RootId", parent_id)})

    def begin_operation(self, stack_id: str) -> None:
        """Start a new operation, to which the following events belong."""
        with self.update(stack_id) as stack:
            stack["Operations"] = stack.get("Operations", 0) + 1

    def put_resource(
        self, stack_id: str, logical_id: str, resource: Resource, token: str | None, event: bool = True
    ) -> None:
        """Write the state of one resource, with its event."""
        resource["Timestamp"] = self._account.now()
        with self.update(stack_id) as stack:
            stack["Resources"][logical_id] = resource
        if event:
            self.add_resource_event(stack, logical_id, resource, token)

    def add_resource_event(
        self, stack: Stack, logical_id: str, resource: Resource, token: str | None
    ) -> None:
        """Write the event for a resource's status and reason."""
        self._add_event(
            stack,
            logical_id,
            resource["Type"],
            resource.get("PhysicalResourceId") or "",
            resource["Status"],
            resource.get("StatusReason"),
            token,
            resource.get("Properties"),
        )

    def drop_resource(self, stack_id: str, logical_id: str) -> None:
        """Remove the record of a resource."""
        with self.update(stack_id) as stack:
            stack["Resources"].pop(logical_id, None)

    def events(self, stack: Stack) -> Iterable[Event]:
        """Yield the events of a stack, newest first, as *DescribeStackEvents* shows them."""
        for number in range(stack.get("Operations", 0), -1, -1):
            page = self._events.get(f"{stack['StackId']}#{number}")
            yield from reversed(page["Events"] if page else [])

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

    def _add_event(  # noqa: PLR0917  (the columns of an event)
        self,
        stack: Stack,
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
        key = f"{stack['StackId']}#{stack.get('Operations', 0)}"
        with self._events.lock:
            page = self._events.get(key) or {"Events": []}
            page["Events"].append(event)
            self._events.put(key, page)
