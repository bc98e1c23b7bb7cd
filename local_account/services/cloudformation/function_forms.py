"""The form of intrinsic functions: what is wrong with them whatever their arguments evaluate to.

CloudFormation refuses such a template at once, before anything is created. Contract: *Intrinsic function
reference* in the CloudFormation User Guide; the messages are CloudFormation's own, where users report them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from local_account.foundation.errors import ServiceError

_BOOLEAN = {"Fn::And", "Fn::Equals", "Fn::Not", "Fn::Or"}
_ONLY_ELSEWHERE = {"Fn::GetAtt", "Fn::ImportValue", "Fn::GetAZs", "Fn::Cidr", "Fn::Base64"}
"""What conditions cannot contain: their values are known before there are resources."""
JOIN = (
    "every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be "
    "joined or a function that returns a list of strings (such as Fn::GetAZs) to be joined."
)
SPLIT = (
    "every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split or "
    "a function that returns a string to be split."
)
SELECT = "Fn::Select requires a list argument with two elements: an integer index and a list"
FIND_IN_MAP = (
    "every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for "
    "return value"
)
SUB = (
    "One or more Fn::Sub intrinsic functions don't specify expected arguments. Specify a string as first "
    "argument, and an optional second argument to specify a mapping of values to replace in the string"
)
_VARIABLES = (
    "variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and "
    "colons"
)
GET_ATT = (
    "every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"
)
EQUALS = "every Fn::Equals object requires a list of 2 string parameters."
_LENGTHS = "every {} object requires a list of at least 2 and at most 10 boolean parameters."
_LEAST, _MOST, _CIDRS = 2, 10, 256
_VARIABLE = re.compile(r"\$\{(?!!)([^}]*)\}")
_VARIABLE_NAME = re.compile(r"[A-Za-z0-9_.:]+")


def check(body: Mapping[str, Any]) -> None:
    """Raise ServiceError ValidationError for a function that cannot be evaluated."""
    conditions = body.get("Conditions") or {}
    for name, condition in conditions.items():
        _check_condition(str(name), condition, body)
    _check_cycles(conditions)
    for resource in body["Resources"].values():
        _check(resource.get("Properties"), conditions)
    for output in (body.get("Outputs") or {}).values():
        _check(output, conditions)


def _check_cycles(conditions: Mapping[str, Any]) -> None:
    """Refuse conditions that need each other, even if nothing uses them."""
    left = {name: _conditions_in(node) for name, node in conditions.items()}
    while ready := [name for name, needed in left.items() if not needed & left.keys()]:
        for name in ready:
            del left[name]
    if left:
        raise fault(f"Found circular condition dependency: {', '.join(left)}")


def _conditions_in(node: Any) -> set[str]:
    if isinstance(node, list):
        return {name for item in node for name in _conditions_in(item)}
    if not isinstance(node, dict):
        return set()
    if _name(node) == "Condition":
        return {str(node["Condition"])}
    return {name for item in node.values() for name in _conditions_in(item)}


def fault(message: str) -> ServiceError:
    """Return the error for what is wrong with a function."""
    return ServiceError("ValidationError", f"Template error: {message}")


def _check_condition(name: str, condition: Any, body: Mapping[str, Any]) -> None:
    function = _name(condition)
    if function not in {*_BOOLEAN, "Condition"}:
        raise ServiceError(
            "ValidationError",
            "Template format error: Conditions can only be boolean operations on parameters and other "
            "conditions",
        )
    known = {*(body.get("Parameters") or {}), *(body.get("Mappings") or {})}
    _check_inside(name, condition, body["Conditions"], {*body["Resources"]} - known)


def _check_inside(where: str, node: Any, conditions: Mapping[str, Any], resources: set[str]) -> None:
    if isinstance(node, list):
        for item in node:
            _check_inside(where, item, conditions, resources)
        return
    name = _name(node)
    if name is None:
        return
    argument = node[name]
    if name in _ONLY_ELSEWHERE:
        raise fault(f"Cannot use {name} in Conditions.")
    if name == "Ref" and argument in resources:
        raise ServiceError(
            "ValidationError",
            f"Template format error: Unresolved dependencies [{argument}]. Cannot reference resources in the "
            "Conditions block of the template",
        )
    if name == "Condition" and argument not in conditions:
        raise ServiceError(
            "ValidationError",
            f"Template format error: Unresolved condition dependency {argument} in condition {where}",
        )
    _FORMS.get(name, _accept)(name, argument, conditions)
    _check_inside(where, argument, conditions, resources)


def _check(node: Any, conditions: Mapping[str, Any]) -> None:
    if isinstance(node, list):
        for item in node:
            _check(item, conditions)
    elif isinstance(node, dict):
        name = _name(node)
        if name in _BOOLEAN:
            raise fault(f"{name} cannot be partially collapsed")
        if name is not None:
            _FORMS.get(name, _accept)(name, node[name], conditions)
        for item in node.values():
            _check(item, conditions)


def is_function(node: Any) -> bool:
    """Return whether a node is a function such as ``{"Fn::If": […]}``."""
    return _name(node) is not None


def _name(node: Any) -> str | None:
    """Return the name of the function that a node is."""
    if not isinstance(node, dict) or len(node) != 1:
        return None
    name = next(iter(node))
    return name if isinstance(name, str) and (name in {"Ref", "Condition"} or name[:4] == "Fn::") else None


def _is_list(node: Any, length: int) -> bool:
    return isinstance(node, list) and len(node) == length


def _is_text(node: Any) -> bool:
    """Return whether a node is a scalar, or a function that may give one."""
    return not isinstance(node, (dict, list)) or _name(node) is not None


def _accept(_name: str, _argument: Any, _conditions: Mapping[str, Any]) -> None:
    """Accept what the account says it lacks when it is evaluated."""


def _ref(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not isinstance(argument, str):
        raise ServiceError("ValidationError", "Template format error: Every Ref value must be a string.")


def _get_att(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not isinstance(parts, list) or len(parts) < _LEAST or not all(parts) or not isinstance(parts[0], str):
        raise fault(GET_ATT)


def _join(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    # "For the Fn::Join delimiter, you can't use any functions."
    if not _is_list(argument, 2) or isinstance(argument[0], (dict, list)):
        raise fault(JOIN)
    items = argument[1]
    if not (all(map(_is_text, items)) if isinstance(items, list) else _name(items)):
        raise fault(JOIN)


def _split(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not _is_list(argument, 2) or isinstance(argument[0], (dict, list)) or not _is_text(argument[1]):
        raise fault(SPLIT)


def _select(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not _is_list(argument, 2) or not (isinstance(argument[1], list) or _name(argument[1])):
        raise fault(SELECT)
    index = argument[0]
    if not (_name(index) or re.fullmatch(r"-?\d+", str(index))):
        raise fault(SELECT)


def _find_in_map(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if isinstance(argument, list) and len(argument) > 3:
        raise fault("the default value of Fn::FindInMap needs the transform AWS::LanguageExtensions")
    if not _is_list(argument, 3) or not all(map(_is_text, argument)):
        raise fault(FIND_IN_MAP)


def _sub(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    text, variables = argument if _is_list(argument, 2) else (argument, None)
    if not isinstance(text, str) or (
        variables is not None and not (isinstance(variables, dict) and variables)
    ):
        raise fault(SUB)
    if not all(_VARIABLE_NAME.fullmatch(name) for name in _VARIABLE.findall(text)):
        raise fault(_VARIABLES)


def _text(name: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not _is_text(argument):
        raise fault(f"every {name} object must have a String-typed value.")


def _if(_: str, argument: Any, conditions: Mapping[str, Any]) -> None:
    if not _is_list(argument, 3) or isinstance(argument[0], (dict, list)):
        raise fault("Fn::If requires a list argument with three elements")
    if argument[0] not in conditions:
        raise fault(f"unresolved condition dependency {argument[0]} in Fn::If")


def _equals(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not _is_list(argument, 2) or not all(map(_is_text, argument)):
        raise fault(EQUALS)


def _several(name: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if (
        not isinstance(argument, list)
        or not _LEAST <= len(argument) <= _MOST
        or not all(map(_name, argument))
    ):
        raise fault(_LENGTHS.format(name))


def _not(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not _is_list(argument, 1) or _name(argument[0]) is None:
        raise fault("every Fn::Not object requires a list with exactly 1 boolean parameter.")


def _cidr(_: str, argument: Any, _conditions: Mapping[str, Any]) -> None:
    if not isinstance(argument, list) or len(argument) not in {2, 3} or not all(map(_is_text, argument)):
        raise fault("Fn::Cidr requires a list of an IP block, a count and the number of subnet bits")
    if str(argument[1]).isdecimal() and not 1 <= int(argument[1]) <= _CIDRS:
        raise fault(f"the count of Fn::Cidr must be from 1 to {_CIDRS}, not {argument[1]}")


_FORMS: dict[str, Callable[[str, Any, Mapping[str, Any]], None]] = {
    "Ref": _ref,
    "Fn::And": _several,
    "Fn::Base64": _text,
    "Fn::Cidr": _cidr,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAZs": _text,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::ImportValue": _text,
    "Fn::Join": _join,
    "Fn::Not": _not,
    "Fn::Or": _several,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}
