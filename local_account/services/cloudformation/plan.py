"""What an update would do: the changes of a change set, and whether there are any.

Contract: *DescribeChangeSet*, data type *ResourceChange*.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, Unpack

from local_account.foundation.acting import calling_role
from local_account.services.cloudformation import dynamic_references, outputs
from local_account.services.cloudformation.intrinsics import PendingError, Scope
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
    )

    from local_account.foundation.account import Account

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
        self._template = template
        resources = Recorded(self._records, self._pending)
        self._scope = make_scope(account, wanted, template, resources, Imports(stacks, planned=True))
        types.check(template, self._scope)
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
                for name, value in (resource.get("Properties") or {}).items():
                    with suppress(PendingError):  # any other error in a value is raised now
                        self._check(resource["Type"], {name: self._scope.value(value)})
                changes.append(_change("Add", logical_id, resource["Type"]))
            elif change := self._modification(self._scope, logical_id, resource, record):
                changes.append(change)
        for logical_id, record in self._records.items():
            if logical_id not in active:
                policy: PolicyActionType = (
                    "Delete" if record["DeletionPolicy"] in (None, "Delete") else "Retain"
                )
                physical_id = record["PhysicalResourceId"]
                changes.append(
                    _change("Remove", logical_id, record["Type"], physical_id, PolicyAction=policy)
                )
        return changes

    def _check(self, type_name: str, props: Mapping[str, Any]) -> None:
        dynamic_references.check(type_name, props, self._clients)

    def _modification(
        self, scope: Scope, logical_id: str, resource: Mapping[str, Any], record: Resource
    ) -> ChangeTypeDef | None:
        schema = self._types.schemas.get(resource["Type"])
        props, pending = {}, {}
        for name, value in (resource.get("Properties") or {}).items():
            try:
                props[name] = scope.value(value)
            except PendingError as error:
                pending[name] = error.causing_entity
        self._check(resource["Type"], props)
        # A property that evaluates to AWS::NoValue is left out.
        props = {name: value for name, value in props.items() if value is not None}
        old = record["Properties"]
        # Pending properties are compared as unchanged here, and reported as dynamic below.
        known = {**props, **{name: old[name] for name in pending if name in old}}
        new = self._types.completed(resource["Type"], known, self._tags)
        replacing = schema.replacing(old, new)
        changed = [name for name in dict.fromkeys([*old, *new]) if old.get(name) != new.get(name)]
        details = [
            _detail(name, "Static", "DirectModification", "Always" if name in replacing else "Never")
            for name in changed
            if name not in pending
        ]
        details += [
            _detail(
                name,
                "Dynamic",
                "ResourceAttribute" if "." in cause else "ResourceReference",
                "Conditionally" if schema.is_create_only(name) else "Never",
                cause,
            )
            for name, cause in pending.items()
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
        return _change(
            "Modify",
            logical_id,
            resource["Type"],
            record["PhysicalResourceId"],
            Replacement=replacement,
            Scope=scopes,
            Details=details,
        )


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


def _detail(
    name: str,
    evaluation: EvaluationTypeType,
    source: ChangeSourceType,
    recreation: RequiresRecreationType,
    cause: str = "",
) -> ResourceChangeDetailTypeDef:
    detail: ResourceChangeDetailTypeDef = {
        "Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation},
        "Evaluation": evaluation,
        "ChangeSource": source,
    }
    if cause:
        detail["CausingEntity"] = cause
    return detail
