"""AWS CloudFormation: the operations on change sets, as ``aws cloudformation deploy`` uses them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer, Service
from local_account.services.cloudformation import plan
from local_account.services.cloudformation.engine import UPDATABLE, Engine
from local_account.services.cloudformation.stacks import Stack, Stacks
from local_account.services.cloudformation.template import invalid

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_cloudformation.literals import (
        ChangeSetStatusType,
        ExecutionStatusType,
        OnStackFailureType,
    )
    from mypy_boto3_cloudformation.type_defs import (
        ChangeTypeDef,
        CreateChangeSetInputTypeDef,
        DeleteChangeSetInputTypeDef,
        DescribeChangeSetInputTypeDef,
        ExecuteChangeSetInputTypeDef,
        ListChangeSetsInputTypeDef,
    )

    from local_account.foundation.store import Table

NO_CHANGES = (
    "The submitted information didn't contain changes. Submit different information to create a change set."
)
"""CloudFormation's exact words: the AWS CLI looks for this sentence."""

_SUMMARY = (
    "StackId",
    "StackName",
    "ChangeSetId",
    "ChangeSetName",
    "ExecutionStatus",
    "Status",
    "StatusReason",
    "CreationTime",
    "Description",
)
_NOT_NESTED = {"IncludeNestedStacks": False}
_WANTED = ("TemplateBody", "Description", "Values", "Parameters", "Capabilities", "Tags", "RoleARN")


class WantedStack(TypedDict):
    """The members that a change set would change in its stack's document."""

    TemplateBody: str
    Description: str | None
    Values: dict[str, str]
    """Parameters as text, by name."""
    Parameters: list[dict[str, Any]]
    Capabilities: list[str]
    Tags: list[dict[str, str]]
    RoleARN: NotRequired[str]


class ChangeSet(TypedDict):
    """A change set: the members of *DescribeChangeSet*, and what the stack would become."""

    ChangeSetName: str
    ChangeSetId: str
    StackId: str
    StackName: str
    Description: str | None
    Parameters: list[dict[str, Any]]
    Capabilities: list[str]
    Tags: list[dict[str, str]]
    CreationTime: datetime
    OnStackFailure: OnStackFailureType | None
    Changes: list[ChangeTypeDef]
    Status: ChangeSetStatusType
    ExecutionStatus: ExecutionStatusType
    StatusReason: NotRequired[str]
    Wanted: WantedStack


class ChangeSetOperations(Service):
    """The operations of the service on change sets."""

    engine: Engine
    stacks: Stacks

    def create_change_set(self, params: CreateChangeSetInputTypeDef) -> Answer:
        """Plan the creation or update of a stack; the change set is FAILED if nothing would change."""
        with self.engine.lock:
            stack = self._stack_of_new(params)
            text = self.engine.template_text(params, stack.get("TemplateBody"))
            wanted, template = self.engine.wanted(stack, params, text)
            planned = self.engine.plan(wanted, template)
            empty = planned.is_empty() and wanted["Tags"] == stack["Tags"] and "StackStatus" in stack
            if stack.get("StackStatus") == "REVIEW_IN_PROGRESS":
                empty = False
            if "StackStatus" not in stack:
                self.stacks.add({**stack, "StackStatus": "REVIEW_IN_PROGRESS"})
                self.stacks.set_status(stack["StackId"], "REVIEW_IN_PROGRESS", "User Initiated")
            identity = self.account.arn(
                "cloudformation", f"changeSet/{params['ChangeSetName']}/{uuid.uuid4()}"
            )
            failure = {"Status": "FAILED", "ExecutionStatus": "UNAVAILABLE", "StatusReason": NO_CHANGES}
            change_set = {
                "ChangeSetName": params["ChangeSetName"],
                "ChangeSetId": identity,
                "StackId": stack["StackId"],
                "StackName": stack["StackName"],
                "Description": params.get("Description"),
                "Parameters": wanted["Parameters"],
                "Capabilities": wanted["Capabilities"],
                "Tags": wanted["Tags"],
                "CreationTime": self.account.now(),
                "OnStackFailure": params.get("OnStackFailure"),
                "Changes": planned.changes,
                **(failure if empty else {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE"}),
                "Wanted": {key: value for key, value in wanted.items() if key in _WANTED},
            }
            self._table.put(identity, cast("ChangeSet", change_set))
        return {"Id": identity, "StackId": stack["StackId"]}

    def describe_change_set(self, params: DescribeChangeSetInputTypeDef) -> Answer:
        """Describe a change set and what it would do."""
        change_set = self._change_set(params)
        # CloudFormation leaves out what is empty, except for these.
        shown = {
            key: value
            for key, value in change_set.items()
            if key != "Wanted" and (value != [] or key in ("Capabilities", "Changes"))
        }
        values = params.get("IncludePropertyValues", False)
        shown["Changes"] = [plan.shown(one, values=values) for one in change_set["Changes"]]
        return {**shown, **_NOT_NESTED, "NotificationARNs": [], "RollbackConfiguration": {}}

    def execute_change_set(self, params: ExecuteChangeSetInputTypeDef) -> Answer:
        """Begin to carry out a change set."""
        with self.engine.lock:
            change_set = self._change_set(params)
            if change_set["ExecutionStatus"] != "AVAILABLE":
                raise ServiceError(
                    "InvalidChangeSetStatus",
                    f"ChangeSet [{change_set['ChangeSetId']}] cannot be executed in its current status of "
                    f"[{change_set['Status']}]",
                )
            stack = self.stacks.require(change_set["StackId"])
            if stack["StackStatus"] not in {*UPDATABLE, "REVIEW_IN_PROGRESS"}:
                raise invalid(
                    f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."
                )
            self._begin(stack, change_set, params)
        self.engine.settle(stack["StackId"])
        return {}

    def delete_change_set(self, params: DeleteChangeSetInputTypeDef) -> Answer:
        """Delete a change set."""
        try:
            change_set = self._change_set(params)
        except ServiceError as error:
            if error.code == "ChangeSetNotFound":
                return {}
            raise
        self._table.delete(change_set["ChangeSetId"])
        return {}

    def list_change_sets(self, params: ListChangeSetsInputTypeDef) -> Answer:
        """List the active change sets of a stack: those that have been executed are only described."""
        stack = self.stacks.require_named(params["StackName"])
        return {
            "Summaries": [
                {**{key: each.get(key) for key in _SUMMARY}, **_NOT_NESTED}
                for each in self._table.where("StackId", stack["StackId"])
                if each["ExecutionStatus"] != "EXECUTE_COMPLETE"
            ]
        }

    def forget_change_sets(self, stack_id: str) -> None:
        """Delete the change sets of a stack together with the stack."""
        for change_set in self._table.where("StackId", stack_id):
            self._table.delete(change_set["ChangeSetId"])

    @property
    def _table(self) -> Table[ChangeSet]:
        return self.account.store.table("cloudformation.changesets", ChangeSet)

    def _begin(self, stack: Stack, change_set: ChangeSet, params: Mapping[str, Any]) -> None:
        failure = change_set["OnStackFailure"] or (
            "DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK"
        )
        wanted = cast(
            "Stack",
            {
                **stack,
                **change_set["Wanted"],
                "OnFailure": failure,
                "ChangeSetId": change_set["ChangeSetId"],
            },
        )
        wanted["RetainExceptOnCreate"] = params.get("RetainExceptOnCreate")
        token = params.get("ClientRequestToken")
        for other in self._table.where("StackId", stack["StackId"]):
            if other["ChangeSetId"] == change_set["ChangeSetId"]:
                with self._table.update(other["ChangeSetId"]) as document:
                    document["ExecutionStatus"] = "EXECUTE_COMPLETE"
            elif other["ExecutionStatus"] != "EXECUTE_COMPLETE":
                self._table.delete(other["ChangeSetId"])
        if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
            wanted["LastUpdatedTime"] = self.account.now()
            self.engine.create(wanted, token)
        else:
            self.engine.update(wanted, token)

    def _stack_of_new(self, params: Mapping[str, Any]) -> Stack:
        """Return the stack that a new change set is for; a new stack has no status."""
        name, kind = params["StackName"], params.get("ChangeSetType", "UPDATE")
        stack = self.stacks.find(name)
        if kind == "IMPORT":
            raise invalid("ChangeSetType IMPORT is not supported by the local account")
        if kind == "CREATE":
            if stack is None:
                self.engine.check_new(name)
                return self.engine.new_stack(name)
            if stack["StackStatus"] != "REVIEW_IN_PROGRESS":
                raise invalid(
                    f"Stack [{name}] already exists and cannot be created again with the changeSet "
                    f"[{params['ChangeSetName']}]."
                )
        elif stack is None:
            raise invalid(f"Stack [{name}] does not exist")
        elif stack["StackStatus"] not in UPDATABLE:
            raise invalid(
                f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."
            )
        for other in self._table.where("StackId", stack["StackId"]):
            if other["ChangeSetName"] == params["ChangeSetName"]:
                if other["ExecutionStatus"] == "EXECUTE_COMPLETE":
                    # ExecuteChangeSet "deletes all change sets associated with the stack": the name is free.
                    # (Two runs of `aws cloudformation deploy` within a second use the same one.)
                    self._table.delete(other["ChangeSetId"])
                    continue
                raise ServiceError(
                    "AlreadyExistsException", f"ChangeSet {params['ChangeSetName']} already exists"
                )
        return stack

    def _change_set(self, params: Mapping[str, Any]) -> ChangeSet:
        name = params["ChangeSetName"]
        if name.startswith("arn:"):
            found = self._table.get(name)
            if found is not None:
                return found
        else:
            if "StackName" not in params:
                raise invalid("StackName must be specified if ChangeSetName is not specified as an ARN.")
            stack = self.stacks.require_named(params["StackName"])
            for each in self._table.where("StackId", stack["StackId"]):
                if each["ChangeSetName"] == name:
                    return each
        raise ServiceError("ChangeSetNotFound", f"ChangeSet [{name}] does not exist", status=404)
