"""What an update would do: the changes of a change set, and whether there are any.

Contract: *DescribeChangeSet*, data type *ResourceChange*.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from local_account.services.cloudformation import outputs
from local_account.services.cloudformation.intrinsics import PendingError, Scope
from local_account.services.cloudformation.scope import Imports, Recorded, Types, make_scope
from local_account.services.cloudformation.stacks import Resource, Stack, Stacks
from local_account.services.cloudformation.template import Template
from local_account.services.cloudformation.walk import ordered

if TYPE_CHECKING:
    from local_account.foundation.account import Account

Change = dict[str, Any]


class Plan:
    """Compares a stack as it would be (``wanted``: a stack's document with new template, values and tags)
    with its current resources and outputs."""

    def __init__(
        self, account: Account, stacks: Stacks, types: Types, wanted: Stack, template: Template
    ) -> None:
        self._types = types
        self._tags = wanted["Tags"]
        self._records: dict[str, Resource] = {
            name: record
            for name, record in wanted["Resources"].items()
            if record["Status"] != "DELETE_COMPLETE"
        }
        self._pending: set[str] = set()
        self._template = template
        resources = Recorded(self._records, self._pending)
        self._scope = make_scope(account, wanted, template, resources, Imports(stacks))
        types.check(template, self._scope)
        self.changes = self._changes()
        self._outputs = wanted.get("Outputs") or []

    def is_empty(self) -> bool:
        """Return whether nothing would change, including outputs."""
        if self.changes:
            return False
        return self._outputs == outputs.evaluated(self._scope)

    def _changes(self) -> list[Change]:
        active = self._scope.active()
        changes = []
        for logical_id in ordered(self._scope.dependencies()):
            record = self._records.get(logical_id)
            resource = active[logical_id]
            if record is None:
                self._pending.add(logical_id)
                with suppress(PendingError):  # any other error in a value is raised now
                    self._scope.value(resource.get("Properties"))
                changes.append(_change("Add", logical_id, resource["Type"]))
            elif change := self._modification(self._scope, logical_id, resource, record):
                changes.append(change)
        for logical_id, record in self._records.items():
            if logical_id not in active:
                policy = {"PolicyAction": "Delete" if record["DeletionPolicy"] == "Delete" else "Retain"}
                changes.append(
                    _change("Remove", logical_id, record["Type"], record["PhysicalResourceId"], **policy)
                )
        return changes

    def _modification(
        self, scope: Scope, logical_id: str, resource: Mapping[str, Any], record: Resource
    ) -> Change | None:
        schema = self._types.schemas.get(resource["Type"])
        props, pending = {}, {}
        for name, value in (resource.get("Properties") or {}).items():
            try:
                props[name] = scope.value(value)
            except PendingError as error:
                pending[name] = error.causing_entity
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
        scopes = ["Properties"] * bool(details)
        scopes += ["Metadata"] * (record.get("Metadata") != resource.get("Metadata"))
        scopes += [
            policy
            for policy in ("DeletionPolicy", "UpdateReplacePolicy")
            if record[policy] != resource.get(policy, "Delete")
        ]
        # What a creation without rollback left behind is created again.
        failed = record["Status"] in ("CREATE_FAILED", "UPDATE_FAILED")
        if not scopes and not failed:
            return None
        replacement = "True" if replacing else "False"
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


def _change(action: str, logical_id: str, kind: str, physical_id: str | None = None, **more: Any) -> Change:
    change = {
        "Action": action,
        "LogicalResourceId": logical_id,
        "PhysicalResourceId": physical_id or None,
        "ResourceType": kind,
        "Scope": [],
        "Details": [],
        **more,
    }
    return {"Type": "Resource", "ResourceChange": change}


def _detail(
    name: str, evaluation: str, source: str, recreation: str, cause: str | None = None
) -> dict[str, Any]:
    return {
        "Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation},
        "Evaluation": evaluation,
        "ChangeSource": source,
        "CausingEntity": cause,
    }
