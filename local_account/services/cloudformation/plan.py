"""What an update would do: the changes of a change set, and whether there are any.

Contract: *DescribeChangeSet*, data type *ResourceChange*.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, Unpack, cast

from local_account.foundation.acting import calling_role
from local_account.services.cloudformation import dynamic_references, outputs, parameters
from local_account.services.cloudformation.intrinsics import PendingError
from local_account.services.cloudformation.providers.base import Properties
from local_account.services.cloudformation.scope import Imports, Recorded, Types, make_scope
from local_account.services.cloudformation.stacks import Resource, Stack, Stacks
from local_account.services.cloudformation.template import Template
from local_account.services.cloudformation.walk import ordered

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.literals import (
        ChangeActionType,
        ChangeSourceType,
        EvaluationTypeType,
        PolicyActionType,
        ReplacementType,
        RequiresRecreationType,
        ResourceAttributeType,
    )
    from mypy_boto3_cloudformation.type_defs import (
        ChangeTypeDef,
        ResourceChangeDetailTypeDef,
        ResourceChangeTypeDef,
        ResourceTargetDefinitionTypeDef,
    )

    from local_account.foundation.account import Account

UNKNOWN = "{{changeSet:KNOWN_AFTER_APPLY}}"
"""CloudFormation's word for a value that only the execution brings."""
_POLICIES: tuple[Literal["DeletionPolicy", "UpdateReplacePolicy"], ...] = (
    "DeletionPolicy",
    "UpdateReplacePolicy",
)


class Plan:
    """Compares a stack as it would be (``wanted``: a stack's document with new template, values and tags)
    with its current resources and outputs."""

    def __init__(
        self, account: Account, stacks: Stacks, types: Types, wanted: Stack, template: Template
    ) -> None:
        self._types = types
        role = wanted.get("RoleARN") or calling_role()
        self._clients = lambda service: account.client(service, role)
        self._tags = wanted["Tags"]
        self._records: dict[str, Resource] = {
            name: record
            for name, record in wanted["Resources"].items()
            if record["Status"] != "DELETE_COMPLETE"
        }
        self._pending: set[str] = set()
        before = stacks.find(wanted["StackId"])
        values = before["Values"] if before and "Values" in before else {}
        self._changed = {
            name for name, value in wanted["Values"].items() if name in values and values[name] != value
        }
        self._template = template
        resources = Recorded(self._records, self._pending)
        self._scope = make_scope(account, wanted, template, resources, Imports(stacks, planned=True))
        types.check(template, self._scope)
        outputs.check(template, self._scope)
        self.changes = self._changes()
        self._outputs = wanted.get("Outputs") or []

    def is_empty(self) -> bool:
        """Return whether nothing would change, including outputs."""
        if self.changes:
            return False
        try:
            return self._outputs == outputs.evaluated(self._scope)
        except PendingError:  # an output imports what is not exported: the update will say so
            return False

    def _changes(self) -> list[ChangeTypeDef]:
        active = self._scope.active()
        changes = []
        for logical_id in ordered(self._scope.dependencies()):
            record = self._records.get(logical_id)
            resource = active[logical_id]
            if record is None:
                self._pending.add(logical_id)
                props, pending = self._values(resource)
                after = {**props, **dict.fromkeys(pending, UNKNOWN), **self._masked(resource)}
                changes.append(_change("Add", logical_id, resource["Type"], AfterContext=_context(after)))
            elif change := self._modification(logical_id, resource, record):
                changes.append(change)
        for logical_id, record in self._records.items():
            if logical_id not in active:
                policy: PolicyActionType = (
                    "Delete" if record["DeletionPolicy"] in (None, "Delete") else "Retain"
                )
                more: ResourceChangeTypeDef = {
                    "PolicyAction": policy,
                    "BeforeContext": _context(record["Properties"]),
                }
                changes.append(
                    _change("Remove", logical_id, record["Type"], record["PhysicalResourceId"], **more)
                )
        return changes

    def _values(self, resource: Mapping[str, Any]) -> tuple[Properties, dict[str, str]]:
        """Return the properties whose values are known, and of the others what they wait for."""
        props: Properties = {}
        pending = {}
        for name, value in (resource.get("Properties") or {}).items():
            try:
                props[name] = self._scope.value(value)
            except PendingError as error:
                pending[name] = error.causing_entity
        self._check(resource["Type"], props)
        # A property that evaluates to AWS::NoValue is left out.
        return {name: value for name, value in props.items() if value is not None}, pending

    def _check(self, type_name: str, props: Mapping[str, Any]) -> None:
        dynamic_references.check(type_name, props, self._clients)

    def _modification(
        self, logical_id: str, resource: Mapping[str, Any], record: Resource
    ) -> ChangeTypeDef | None:
        schema = self._types.schemas.get(resource["Type"])
        props, pending = self._values(resource)
        old = record["Properties"]
        # Pending properties are compared as unchanged here, and reported as dynamic below.
        known = {**props, **{name: old[name] for name in pending if name in old}}
        new = self._types.completed(resource["Type"], known, self._tags)
        replacing = schema.replacing(old, new)
        masked = self._masked(resource)
        before = {name: masked.get(name, value) for name, value in old.items()}
        after = {
            name: masked.get(name, value)
            for name, value in {**new, **dict.fromkeys(pending, UNKNOWN)}.items()
        }
        details: list[ResourceChangeDetailTypeDef] = []
        for name in dict.fromkeys([*old, *new]):
            if name in pending or old.get(name) == new.get(name):
                continue
            target = _target(name, "Always" if name in replacing else "Never", before, after)
            causes = self._parameters((resource.get("Properties") or {}).get(name))
            details += [_detail(target, "Static", "ParameterReference", cause) for cause in causes]
            details.append(_detail(target, "Dynamic" if causes else "Static", "DirectModification"))
        for name, cause in pending.items():
            target = _target(name, "Conditionally" if schema.is_create_only(name) else "Never", before, after)
            kind: ChangeSourceType = "ResourceAttribute" if "." in cause else "ResourceReference"
            details += [
                _detail(target, "Static", kind, cause),
                _detail(target, "Dynamic", "DirectModification"),
            ]
        scopes: list[ResourceAttributeType] = []
        if details:
            scopes.append("Properties")
        if record.get("Metadata") != resource.get("Metadata"):
            scopes.append("Metadata")
        scopes += [policy for policy in _POLICIES if record[policy] != resource.get(policy)]
        # What a creation without rollback left behind is created again.
        failed = record["Status"] in ("CREATE_FAILED", "UPDATE_FAILED")
        if not scopes and not failed:
            return None
        replacement: ReplacementType = "True" if replacing else "False"
        if not replacing and any(schema.is_create_only(name) for name in pending):
            replacement = "Conditional"
        if replacing or record["Status"] == "CREATE_FAILED":
            self._pending.add(logical_id)
        more: ResourceChangeTypeDef = {
            "Replacement": replacement,
            "Scope": scopes,
            "Details": details,
            "BeforeContext": _context(before),
            "AfterContext": _context(after),
        }
        if replacing:
            kept = resource.get("UpdateReplacePolicy") in ("Retain", "RetainExceptOnCreate")
            more["PolicyAction"] = "ReplaceAndRetain" if kept else "ReplaceAndDelete"
        return _change("Modify", logical_id, resource["Type"], record["PhysicalResourceId"], **more)

    def _masked(self, resource: Mapping[str, Any]) -> dict[str, str]:
        """Return stars for the properties that refer to a parameter with NoEcho."""
        return {
            name: parameters.MASK
            for name, value in (resource.get("Properties") or {}).items()
            if any(
                parameters.no_echo(self._template.parameters.get(named, {}))
                for named, _ in self._scope.references([value])
            )
        }

    def _parameters(self, value: Any) -> list[str]:
        """Return the parameters in a property whose values change."""
        named = [name for name, attribute in self._scope.references([value]) if attribute is None]
        return [name for name in dict.fromkeys(named) if name in self._changed]


def changed_types(template: Template, records: Mapping[str, Resource]) -> list[str]:
    """Return the logical ids whose type the template changes, which no update can do."""
    return [
        name
        for name, resource in template.resources.items()
        if name in records
        and records[name]["Type"] != resource["Type"]
        and records[name]["Status"] != "DELETE_COMPLETE"
    ]


def _change(
    action: ChangeActionType,
    logical_id: str,
    kind: str,
    physical_id: str = "",
    **more: Unpack[ResourceChangeTypeDef],
) -> ChangeTypeDef:
    change: ResourceChangeTypeDef = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "ResourceType": kind,
        "Scope": [],
        "Details": [],
        **more,
    }
    if physical_id:
        change["PhysicalResourceId"] = physical_id
    return {"Type": "Resource", "ResourceChange": change}


def shown(change: ChangeTypeDef, *, values: bool) -> ChangeTypeDef:
    """Return a change as *DescribeChangeSet* shows it: the values only with IncludePropertyValues."""
    if values or "ResourceChange" not in change:
        return change
    whole = cast("dict[str, Any]", change["ResourceChange"])
    details = [{**one, "Target": _plain(one["Target"])} for one in whole["Details"]]
    left = {key: value for key, value in whole.items() if key not in ("BeforeContext", "AfterContext")}
    return cast("ChangeTypeDef", {**change, "ResourceChange": {**left, "Details": details}})


def _plain(target: Mapping[str, Any]) -> dict[str, Any]:
    return {key: target[key] for key in ("Attribute", "Name", "RequiresRecreation")}


def _context(props: Mapping[str, Any]) -> str:
    return json.dumps({"Properties": props}, separators=(",", ":"), default=str)


def _target(
    name: str, recreation: RequiresRecreationType, old: Mapping[str, Any], after: Mapping[str, Any]
) -> ResourceTargetDefinitionTypeDef:
    target: ResourceTargetDefinitionTypeDef = {
        "Attribute": "Properties",
        "Name": name,
        "RequiresRecreation": recreation,
        "Path": f"/Properties/{name}",
        "AttributeChangeType": "Add" if name not in old else "Modify" if name in after else "Remove",
    }
    if name in old:
        target["BeforeValue"] = _text(old[name])
    if name in after:
        target["AfterValue"] = _text(after[name])
    return target


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)


def _detail(
    target: ResourceTargetDefinitionTypeDef,
    evaluation: EvaluationTypeType,
    source: ChangeSourceType,
    cause: str = "",
) -> ResourceChangeDetailTypeDef:
    detail: ResourceChangeDetailTypeDef = {
        "Target": target,
        "Evaluation": evaluation,
        "ChangeSource": source,
    }
    if cause:
        detail["CausingEntity"] = cause
    return detail
