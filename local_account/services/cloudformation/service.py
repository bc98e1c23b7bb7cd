"""AWS CloudFormation: the operations on stacks and templates.

Contract: *AWS CloudFormation API Reference*.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from werkzeug.wrappers import Request, Response

from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.service import Answer
from local_account.services.cloudformation import parameters, responses
from local_account.services.cloudformation.change_sets import ChangeSetOperations
from local_account.services.cloudformation.engine import UPDATABLE, Engine
from local_account.services.cloudformation.intrinsics import PendingError
from local_account.services.cloudformation.responses import Responses
from local_account.services.cloudformation.scope import Imports, Recorded, make_scope
from local_account.services.cloudformation.stacks import Head, Resource, Stack
from local_account.services.cloudformation.template import Template, invalid

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import (
        CancelUpdateStackInputTypeDef,
        ContinueUpdateRollbackInputTypeDef,
        CreateStackInputTypeDef,
        DeleteStackInputTypeDef,
        DescribeStackEventsInputTypeDef,
        DescribeStackResourceInputTypeDef,
        DescribeStackResourcesInputTypeDef,
        DescribeStacksInputTypeDef,
        GetTemplateInputTypeDef,
        GetTemplateSummaryInputTypeDef,
        ListExportsInputTypeDef,
        ListImportsInputTypeDef,
        ListStackResourcesInputTypeDef,
        ListStacksInputTypeDef,
        RollbackStackInputTypeDef,
        UpdateStackInputTypeDef,
        UpdateTerminationProtectionInputTypeDef,
        ValidateTemplateInputTypeDef,
    )

    from local_account.foundation.account import Account

T = TypeVar("T")
PAGE = 100
_SUMMARY = (
    "StackId",
    "StackName",
    "CreationTime",
    "LastUpdatedTime",
    "DeletionTime",
    "StackStatus",
    "StackStatusReason",
    "ParentId",
    "RootId",
)
_SHOWN = (
    "StackId",
    "StackName",
    "ChangeSetId",
    "Description",
    "Parameters",
    "CreationTime",
    "DeletionTime",
    "LastUpdatedTime",
    "StackStatus",
    "StackStatusReason",
    "TimeoutInMinutes",
    "Capabilities",
    "Outputs",
    "RoleARN",
    "Tags",
    "ParentId",
    "RootId",
    "RetainExceptOnCreate",
    "DeletionMode",
)


class CloudFormation(ChangeSetOperations):
    """CloudFormation with its own engine, which creates each resource through the account's own APIs.

    Lacks: `CreateStackSet`, `DetectStackDrift`, `RegisterType`, `SetStackPolicy`, `SignalResource`,
    `CreateGeneratedTemplate`, `EstimateTemplateCost`, `DescribeType`, `ListTypes`.
    """

    name = "cloudformation"
    validation_error = "ValidationError"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.engine = Engine(account)
        self.stacks = self.engine.stacks
        self._table.index("StackId")

    def paths(self) -> Mapping[str, Callable[[Request], Response]]:
        """The functions of custom resources answer below a path."""
        return {responses.PATH: Responses(self.account).respond}

    def start(self) -> None:
        """Finish the operations that an earlier run of the account left unfinished."""
        self.engine.resume()

    def stop(self) -> None:
        """Let the operations in progress reach a point from which the next start can continue."""
        self.engine.stop()

    # Stacks

    def create_stack(self, params: CreateStackInputTypeDef) -> Answer:
        """Begin to create a stack."""
        name = params["StackName"]
        with self.engine.lock:
            if repeated := self._repeated(params):
                return repeated
            self.engine.check_new(name)
            if "OnFailure" in params and "DisableRollback" in params:
                raise invalid("You must specify either OnFailure or DisableRollback, but not both.")
            stack = self.stacks.find(name) or self.engine.new_stack(name)  # there in review: taken over
            wanted, template = self.engine.wanted(stack, params, self.engine.template_text(params))
            self.engine.plan(wanted, template)
            wanted["OnFailure"] = params.get("OnFailure") or on_failure(params)
            for key in ("TimeoutInMinutes", "EnableTerminationProtection"):
                if key in params:
                    wanted[key] = params[key]
            wanted["RetainExceptOnCreate"] = params.get("RetainExceptOnCreate")
            wanted["RequestToken"] = params.get("ClientRequestToken")
            self.forget_change_sets(stack["StackId"])
            self.engine.create(wanted, params.get("ClientRequestToken"))
        self.engine.settle(stack["StackId"])
        return {"StackId": stack["StackId"]}

    def update_stack(self, params: UpdateStackInputTypeDef) -> Answer:
        """Begin to change a stack; ValidationError if nothing would change."""
        with self.engine.lock:
            if repeated := self._repeated(params):
                return repeated
            stack = self._updatable(params["StackName"])
            text = self.engine.template_text(params, stack["TemplateBody"])
            wanted, template = self.engine.wanted(stack, params, text)
            if self.engine.plan(wanted, template).is_empty() and wanted["Tags"] == stack["Tags"]:
                raise invalid("No updates are to be performed.")
            wanted["OnFailure"] = on_failure(params)
            wanted["RetainExceptOnCreate"] = params.get("RetainExceptOnCreate")
            wanted["RequestToken"] = params.get("ClientRequestToken")
            self.engine.update(wanted, params.get("ClientRequestToken"))
        self.engine.settle(stack["StackId"])
        return {"StackId": stack["StackId"]}

    def _repeated(self, params: CreateStackInputTypeDef | UpdateStackInputTypeDef) -> Answer | None:
        """Return the answer to a request that is repeated with the same ClientRequestToken."""
        token, stack = params.get("ClientRequestToken"), self.stacks.head(params["StackName"])
        return (
            {"StackId": stack["StackId"]} if token and stack and stack.get("RequestToken") == token else None
        )

    def delete_stack(self, params: DeleteStackInputTypeDef) -> Answer:
        """Begin to delete a stack; deleting one that does not exist is not an error."""
        with self.engine.lock:
            stack = self.stacks.find(params["StackName"])
            if stack is None or stack["StackStatus"] in ("DELETE_COMPLETE", "DELETE_IN_PROGRESS"):
                return {}
            status = stack["StackStatus"]
            if stack.get("EnableTerminationProtection"):
                raise invalid(
                    f"Stack [{stack['StackName']}] cannot be deleted while TerminationProtection is enabled"
                )
            if status.startswith("UPDATE") and status.endswith("IN_PROGRESS"):
                raise invalid(f"Stack [{stack['StackId']}] cannot be deleted while in status {status}")
            retained = params.get("RetainResources") or []
            if retained and status != "DELETE_FAILED":
                raise invalid(
                    "Invalid operation on stack: RetainResources is for stacks in DELETE_FAILED status"
                )
            if role := params.get("RoleARN") or stack.get("RoleARN"):
                self.engine.check_role(role)
            self.engine.delete(
                stack,
                params.get("ClientRequestToken"),
                RetainResources=retained,
                DeletionMode=params.get("DeletionMode"),
            )
            self.forget_change_sets(stack["StackId"])
        self.engine.settle(stack["StackId"])
        return {}

    def cancel_update_stack(self, params: CancelUpdateStackInputTypeDef) -> Answer:
        """Cancel an update and roll it back."""
        with self.engine.lock:
            stack = self.stacks.require_named(params["StackName"])
            if stack["StackStatus"] != "UPDATE_IN_PROGRESS":
                raise invalid("CancelUpdateStack cannot be called from current stack status")
            self.engine.cancel(stack["StackId"], "User Initiated")
        return {}

    def continue_update_rollback(self, params: ContinueUpdateRollbackInputTypeDef) -> Answer:
        """Try again to roll back an update.

        Refuses (ContinueUpdateRollback): `ForceRollback`; name what to skip in `ResourcesToSkip`.
        """
        if params.get("ForceRollback"):
            raise invalid(
                "ForceRollback is not supported by the local account: name the resources in ResourcesToSkip"
            )
        with self.engine.lock:
            stack = self.stacks.require(self.stacks.require_named(params["StackName"])["StackId"])
            if stack["StackStatus"] != "UPDATE_ROLLBACK_FAILED":
                raise invalid(
                    f"Stack [{stack['StackId']}] is in {stack['StackStatus']} state and can not be continued"
                )
            skip = params.get("ResourcesToSkip") or []
            if unknown := [name for name in skip if name not in stack["Previous"]["Resources"]]:
                raise invalid(f"Resources to skip do not exist in the stack: [{', '.join(unknown)}]")
            self.engine.roll_back(stack, params.get("ClientRequestToken"), ResourcesToSkip=skip)
        self.engine.settle(stack["StackId"])
        return {}

    def rollback_stack(self, params: RollbackStackInputTypeDef) -> Answer:
        """Roll back a failed stack whose rollback was disabled."""
        with self.engine.lock:
            stack = self.stacks.require(self.stacks.require_named(params["StackName"])["StackId"])
            if stack["StackStatus"] not in ("CREATE_FAILED", "UPDATE_FAILED"):
                status = stack["StackStatus"]
                raise invalid(f"Stack [{stack['StackId']}] is in {status} state and can not be rolled back")
            self.engine.roll_back(
                stack,
                params.get("ClientRequestToken"),
                RetainExceptOnCreate=params.get("RetainExceptOnCreate", stack.get("RetainExceptOnCreate")),
            )
        self.engine.settle(stack["StackId"])
        return {"StackId": stack["StackId"]}

    def update_termination_protection(self, params: UpdateTerminationProtectionInputTypeDef) -> Answer:
        """Turn a stack's protection from deletion on or off."""
        stack = self.stacks.require_named(params["StackName"])
        self.stacks.protect(stack["StackId"], params["EnableTerminationProtection"])
        return {"StackId": stack["StackId"]}

    def describe_stacks(self, params: DescribeStacksInputTypeDef) -> Answer:
        """Describe one stack, or all that are not deleted."""
        name = params.get("StackName")
        stacks = [self.stacks.require_head(name)] if name else list(reversed(self.stacks.active()))
        chosen, token = page(stacks, params)
        return {"Stacks": [_shown(stack) for stack in chosen], "NextToken": token}

    def list_stacks(self, params: ListStacksInputTypeDef) -> Answer:
        """List stacks by status, including deleted ones."""
        wanted = params.get("StackStatusFilter") or []
        deleted = not wanted or "DELETE_COMPLETE" in wanted
        heads = self.stacks.all() if deleted else self.stacks.active()
        stacks = [s for s in reversed(heads) if not wanted or s["StackStatus"] in wanted]
        chosen, token = page(stacks, params)
        summaries = [
            {
                **{key: stack.get(key) for key in _SUMMARY},
                "TemplateDescription": stack.get("Description"),
                "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
            }
            for stack in chosen
        ]
        return {"StackSummaries": [_present(summary) for summary in summaries], "NextToken": token}

    def describe_stack_events(self, params: DescribeStackEventsInputTypeDef) -> Answer:
        """List the events of a stack, newest first."""
        stack = self.stacks.require_named(params["StackName"])
        events, token = page(self.stacks.events(stack), params)
        return {"StackEvents": [_present(event) for event in events], "NextToken": token}

    # Resources of stacks

    def describe_stack_resources(self, params: DescribeStackResourcesInputTypeDef) -> Answer:
        """Describe the resources of one stack, or of the stack that has a given physical resource."""
        wanted, physical_id = params.get("LogicalResourceId"), params.get("PhysicalResourceId")
        if ("StackName" in params) == (physical_id is not None):
            raise invalid("You must specify either StackName or PhysicalResourceId, but not both.")
        if physical_id is not None:
            stack = self._owner(physical_id)
        else:
            stack = self.stacks.require(params["StackName"])
        return {
            "StackResources": [
                {**_resource(stack, name, record), "Timestamp": record["Timestamp"]}
                for name, record in sorted(stack["Resources"].items())
                if wanted in (None, name)
            ]
        }

    def describe_stack_resource(self, params: DescribeStackResourceInputTypeDef) -> Answer:
        """Describe one resource of a stack."""
        stack = self.stacks.find(params["StackName"])
        if stack is None:
            raise invalid(f"Stack '{params['StackName']}' does not exist")
        name = params["LogicalResourceId"]
        record = stack["Resources"].get(name)
        if record is None:
            raise invalid(f"Resource {name} does not exist for stack {stack['StackName']}")
        metadata = {"Metadata": _json(self._metadata(stack, record))} if record.get("Metadata") else {}
        detail = {**_resource(stack, name, record), "LastUpdatedTimestamp": record["Timestamp"], **metadata}
        return {"StackResourceDetail": detail}

    def _metadata(self, stack: Stack, record: Resource) -> Any:
        """Return a resource's metadata with its functions evaluated, as far as their values are known."""
        template = self.engine.template(stack["TemplateBody"])
        recorded, imports = Recorded(stack["Resources"]), Imports(self.stacks)
        scope = make_scope(self.account, stack, template, recorded, imports)
        try:
            return scope.value(record["Metadata"])
        except (PendingError, ServiceError):
            return record["Metadata"]

    def list_stack_resources(self, params: ListStackResourcesInputTypeDef) -> Answer:
        """List the resources of a stack."""
        stack = self.stacks.require(params["StackName"])
        chosen, token = page(sorted(stack["Resources"].items()), params)
        left_out = ("StackName", "StackId")
        summaries = [
            {
                **{k: v for k, v in _resource(stack, name, record).items() if k not in left_out},
                "LastUpdatedTimestamp": record["Timestamp"],
            }
            for name, record in chosen
        ]
        return {"StackResourceSummaries": summaries, "NextToken": token}

    # Templates

    def get_template(self, params: GetTemplateInputTypeDef) -> Answer:
        """Return the template of a stack, or of one of its change sets."""
        if "ChangeSetName" in params:
            text = self._change_set(params)["Wanted"]["TemplateBody"]
        elif "StackName" in params:
            text = self.stacks.require(params["StackName"]).get("TemplateBody", "")
        else:
            raise invalid("StackName is required if ChangeSetName is not specified.")
        return {"TemplateBody": text, "StagesAvailable": ["Original", "Processed"]}

    def get_template_summary(self, params: GetTemplateSummaryInputTypeDef) -> Answer:
        """Describe what a template declares."""
        if "StackSetName" in params:
            raise invalid("StackSetName is not supported by the local account")
        if "StackName" in params:
            stack = self.stacks.require(params["StackName"])
            if stack["StackStatus"] == "REVIEW_IN_PROGRESS":
                raise invalid("GetTemplateSummary cannot be called on REVIEW_IN_PROGRESS stacks.")
            text = stack["TemplateBody"]
        else:
            text = self.engine.template_text(params)
        template = self.engine.template(text)
        identifiers = [
            {
                "ResourceType": kind,
                "LogicalResourceIds": [n for n, r in template.resources.items() if r["Type"] == kind],
                "ResourceIdentifiers": self.engine.types.schemas.get(kind).identifiers,
            }
            for kind in template.types()
        ]
        return {
            **_declared(template),
            "Parameters": [
                _parameter(key, declaration, full=True) for key, declaration in template.parameters.items()
            ],
            "ResourceTypes": template.types(),
            "Version": str(template.body.get("AWSTemplateFormatVersion", "2010-09-09")),
            **({"Metadata": _json(template.body["Metadata"])} if "Metadata" in template.body else {}),
            "ResourceIdentifierSummaries": identifiers,
        }

    def validate_template(self, params: ValidateTemplateInputTypeDef) -> Answer:
        """Check a template."""
        template = self.engine.template(self.engine.template_text(params))
        declared = [_parameter(key, declaration) for key, declaration in template.parameters.items()]
        return {**_declared(template), "Parameters": declared}

    # Exports

    def list_exports(self, params: ListExportsInputTypeDef) -> Answer:
        """List the exports of all stacks."""
        exports, token = page(sorted(self.stacks.exports().values(), key=lambda each: each["Name"]), params)
        return {"Exports": exports, "NextToken": token}

    def list_imports(self, params: ListImportsInputTypeDef) -> Answer:
        """List the stacks that import an export."""
        name = params["ExportName"]
        users = self.stacks.importers(name)
        if not users:
            raise invalid(f"Export '{name}' is not imported by any stack.")
        chosen, token = page(users, params)
        return {"Imports": chosen, "NextToken": token}

    # Checks

    def _updatable(self, name: str) -> Stack:
        stack = self.stacks.require(self.stacks.require_named(name)["StackId"])
        if stack["StackStatus"] not in UPDATABLE:
            raise invalid(
                f"Stack:{stack['StackId']} is in {stack['StackStatus']} state and can not be updated."
            )
        return stack

    def _owner(self, physical_id: str) -> Stack:
        if stack := self.stacks.owner(physical_id):
            return stack
        raise invalid(f"Stack for {physical_id} does not exist")


def on_failure(params: Mapping[str, Any]) -> str:
    """Return the request's OnFailure, or its equivalent if the request only has DisableRollback."""
    return "DO_NOTHING" if params.get("DisableRollback") else "ROLLBACK"


def page(items: Iterable[T], params: Mapping[str, Any]) -> tuple[list[T], str | None]:
    """Return one page of a list, and the token of the next one if there is more."""
    token = params.get("NextToken") or "0"
    if not token.isdigit():
        raise invalid(f"NextToken {token} is not valid")
    start = int(token)
    everything = list(items)
    more = str(start + PAGE) if len(everything) > start + PAGE else None
    return everything[start : start + PAGE], more


def _present(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


def _shown(stack: Head) -> Params:
    shown = _present({key: stack.get(key) for key in _SHOWN})
    if outputs := [_present(output) for output in shown.get("Outputs", [])]:
        shown["Outputs"] = outputs
    # CloudFormation leaves out what is empty, except for these.
    shown = {key: value for key, value in shown.items() if value != [] or key == "Tags"}
    if "DeletionTime" in shown:
        shown.pop("ChangeSetId", None)
    if stack["StackStatus"] != "DELETE_COMPLETE":
        shown["EnableTerminationProtection"] = stack.get("EnableTerminationProtection", False)
    return {
        **shown,
        "DisableRollback": stack.get("OnFailure") == "DO_NOTHING",
        "NotificationARNs": [],
        "RollbackConfiguration": {},
        "DriftInformation": {"StackDriftStatus": "NOT_CHECKED"},
    }


def _resource(stack: Stack, name: str, record: Resource) -> Params:
    return _present(
        {
            "StackName": stack["StackName"],
            "StackId": stack["StackId"],
            "LogicalResourceId": name,
            "PhysicalResourceId": record["PhysicalResourceId"] or None,
            "ResourceType": record["Type"],
            "ResourceStatus": record["Status"],
            "ResourceStatusReason": record.get("StatusReason"),
            "DriftInformation": {"StackResourceDriftStatus": "NOT_CHECKED"},
        }
    )


def _declared(template: Template) -> Params:
    capabilities, reason = template.required_capabilities()
    return _present(
        {
            "Description": template.description,
            "Capabilities": capabilities or None,
            "CapabilitiesReason": reason,
        }
    )


def _parameter(key: str, declaration: dict[str, Any], full: bool = False) -> Params:
    default = declaration.get("Default")
    shown = {
        "ParameterKey": key,
        "DefaultValue": None if default is None else parameters.text_of(default),
        "NoEcho": parameters.no_echo(declaration),
        "Description": declaration.get("Description"),
    }
    if full:
        allowed = declaration.get("AllowedValues")
        shown["ParameterType"] = declaration.get("Type")
        shown["ParameterConstraints"] = (
            {"AllowedValues": [parameters.text_of(value) for value in allowed]} if allowed else {}
        )
    return _present(shown)


def _json(value: Any) -> str:
    return json.dumps(value, default=str)
