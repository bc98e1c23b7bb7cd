"""Outputs of stacks, and the exports that other stacks import.

Contract: *CloudFormation template Outputs syntax*, *Get exported outputs from a deployed stack*.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from local_account.services.cloudformation.intrinsics import PendingError, Scope
from local_account.services.cloudformation.scope import Imports
from local_account.services.cloudformation.stacks import Stacks
from local_account.services.cloudformation.template import Template, invalid

Output = dict[str, str | None]


def evaluated(scope: Scope) -> list[Output]:
    """Return the outputs as *DescribeStacks* shows them; raise ServiceError if a value is not a string."""
    return [
        {
            "OutputKey": name,
            "OutputValue": scope.plain(_text(output["Value"])),
            "Description": output.get("Description"),
            "ExportName": (output.get("Export") or {}).get("Name"),
        }
        for name, output in scope.outputs().items()
    ]


def results(stacks: Stacks, stack_id: str, scope: Scope, imports: Imports) -> dict[str, Any]:
    """Return the members Outputs, Exports and Imports of the stack's document.

    Raises ServiceError ValidationError if an export is not possible: another stack has the name, or stacks
    import a value that would change.
    """
    outputs = evaluated(scope)
    exports = {output["ExportName"]: output["OutputValue"] for output in outputs if output["ExportName"]}
    if len(exports) < sum(1 for output in outputs if output["ExportName"]):
        raise invalid("Template format error: the names of exports must be unique in a stack")
    others = stacks.exports()
    for export in exports:
        owner = others.get(str(export), {}).get("ExportingStackId", stack_id)
        if owner != stack_id:
            name = stacks.require_head(owner)["StackName"]
            raise invalid(f"Export with name {export} is already exported by stack {name}.")
    for export, value in (stacks.require_head(stack_id).get("Exports") or {}).items():
        if exports.get(export) != value and (users := stacks.importers(export)):
            act = "updated" if export in exports else "deleted"
            raise invalid(f"Export {export} cannot be {act} as it is in use by {' and '.join(users)}")
    return {"Outputs": outputs, "Exports": exports, "Imports": sorted(imports.names)}


def check(template: Template, scope: Scope) -> None:
    """Raise ServiceError ValidationError for an output that is no string, as far as that is known."""
    for output in template.outputs.values():
        if "Condition" not in output or scope.condition(output["Condition"]):
            with suppress(PendingError):
                _text(scope.value(output["Value"]), output["Value"])


def _text(value: Any, node: Any = None) -> str:
    """Return the value of an output as text; ``node`` is what the template has."""
    if isinstance(value, (dict, list)) or value is None:
        is_list = isinstance(node, list) or (isinstance(node, dict) and "Fn::FindInMap" in node)
        kind = " and not a Map" if isinstance(value, dict) else " and not a List" if is_list else ""
        raise invalid(
            f"Template format error: The Value field of every Outputs member must evaluate to a String{kind}."
        )
    return str(value).lower() if isinstance(value, bool) else str(value)
