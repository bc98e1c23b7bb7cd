"""Event patterns of EventBridge: check one, and compile it into alternatives of fields.

The contract is the EventBridge User Guide, "Creating event patterns" and "Comparison operators for use in
event patterns"; where the guide is silent or wrong (dots in names, numbers), what EventBridge was seen to do,
which is what its open-source matcher does (github.com/aws/event-ruler).
"""

from __future__ import annotations

import json
from typing import Any

from local_account.services.events.values import (
    Leaf,
    Literal,
    PatternError,
    Test,
    anything_but,
    cidr,
    exact,
    key_of,
    numeric,
    parse_number,
    string_test,
    wildcard_test,
)

Fields = dict[str, Leaf]
"""What a pattern, or one alternative of its ``$or``, asks of each field, by the field's dotted name."""
_OPERATORS = frozenset(
    (
        *("exactly", "equals-ignore-case", "prefix", "suffix", "anything-but"),
        *("exists", "wildcard", "numeric", "cidr"),
    )
)
_NOT_IN_OR = _OPERATORS | frozenset(
    (
        *("=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case"),
        *("date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range"),
        *("ip-address-in-range", "ip-address-not-in-range"),
    )
)
_COMBINATIONS = 1000


class _Object(list[tuple[str, Any]]):
    """A JSON object as its members: a name that occurs twice is no error, and the later one counts."""


def loads(text: str) -> Any:
    """Parse the JSON text of an event; numbers that a float cannot hold keep their digits.

    Raises ValueError, also for ``NaN`` and ``Infinity``, which Python would accept.
    """
    return json.loads(text, parse_float=parse_number, parse_constant=_refuse)


def compile_pattern(text: str) -> list[Fields]:
    """Return the alternatives of an event pattern: an event matches if all fields of one of them do.

    Raises PatternError.
    """
    try:
        pattern = json.loads(
            text, parse_float=parse_number, parse_constant=_refuse, object_pairs_hook=_Object
        )
    except (ValueError, RecursionError) as error:
        raise PatternError(f"The pattern is not valid JSON: {error}") from error
    if not isinstance(pattern, _Object):
        raise PatternError("Filter is not an object")
    return _object([], (), pattern, inside_or=False)


def _refuse(constant: str) -> object:
    raise ValueError(f"{constant} is not JSON")


def _object(
    alternatives: list[Fields], path: tuple[str, ...], members: _Object, inside_or: bool
) -> list[Fields]:
    if not members:
        raise PatternError("Empty objects are not allowed")
    for name, value in members:
        if name == "$or":
            alternatives = _or(alternatives, path, value)
        elif inside_or and name in _NOT_IN_OR:
            raise PatternError(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        elif isinstance(value, _Object):
            alternatives = _object(alternatives, (*path, name), value, inside_or)
        elif isinstance(value, list):
            leaf = _leaf(value)
            alternatives = alternatives or [{}]
            for fields in alternatives:
                fields[".".join((*path, name))] = leaf
        else:
            raise PatternError(f'"{name}" must be an object or an array')
    return alternatives


def _or(alternatives: list[Fields], path: tuple[str, ...], value: Any) -> list[Fields]:
    if not isinstance(value, list) or isinstance(value, _Object):
        raise PatternError("It must be an Array followed with $or.")
    found: list[Fields] = []
    for item in value:
        if not isinstance(item, _Object):
            raise PatternError("Only JSON object is allowed in array of $or relationship.")
        found += _object([fields.copy() for fields in alternatives] or [{}], path, item, inside_or=True)
        if len(found) > _COMBINATIONS:
            raise PatternError(f"$or has more than {_COMBINATIONS} combinations")
    if len(value) < 2:
        raise PatternError("There must have at least 2 Objects in $or relationship.")
    return found


def _leaf(values: list[Any]) -> Leaf:
    if not values:
        raise PatternError("Empty arrays are not allowed")
    leaf = Leaf()
    for value in values:
        if isinstance(value, _Object):
            _add_operator(leaf, value)
        elif isinstance(value, list):
            raise PatternError("Match value must be String, number, true, false, or null")
        else:
            leaf.add(exact(value))
    leaf.check_complexity()
    return leaf


def _add_operator(leaf: Leaf, expression: _Object) -> None:
    if not expression:
        raise PatternError("Match expression name not found")
    name, operand = expression[0]
    match name:
        case "exists":
            _add_existence(leaf, operand)
        case "exactly":
            leaf.keys.add(_text(operand, "exact"))
        case "numeric":
            leaf.add(_numeric(operand))
        case "anything-but":
            _add_anything_but(leaf, operand)
        case "cidr":
            leaf.tests.append(cidr(_text(operand, "prefix")))
        case "prefix" | "suffix" | "equals-ignore-case":
            leaf.tests.append(_string(name, operand))
        case "wildcard":
            leaf.wildcards.append(_text(operand, name))
            leaf.tests.append(wildcard_test(operand))
        case _:
            raise PatternError(f"Unrecognized match type {name}")
    if len(expression) > 1:
        many = name in ("numeric", "anything-but")
        raise PatternError(
            "Too many elements in numeric expression" if many else "Only one key allowed in match expression"
        )


def _add_existence(leaf: Leaf, operand: Any) -> None:
    if not isinstance(operand, bool):
        raise PatternError("exists match pattern must be either true or false.")
    if operand:
        leaf.tests.append(lambda _key: True)
    else:
        leaf.absent = True


def _text(operand: Any, name: str) -> str:
    if not isinstance(operand, str):
        raise PatternError(f"{name} match pattern must be a string")
    return operand


def _string(name: str, operand: Any) -> Test:
    if name != "equals-ignore-case" and isinstance(operand, _Object):
        if not operand:
            raise PatternError(f"{name.capitalize()} expression name not found")
        if operand[0][0] != "equals-ignore-case":
            raise PatternError(f"Unsupported {name} pattern: {operand[0][0]}")
        [(_, folded), *further] = operand
        wanted = _text(folded, "equals-ignore-case")
        if further:
            raise PatternError("Only one key allowed in match expression")
        return string_test(name, wanted, fold=True)
    return string_test(name, _text(operand, name), fold=name == "equals-ignore-case")


def _add_anything_but(leaf: Leaf, operand: Any) -> None:
    if isinstance(operand, _Object):
        _add_anything_but_kind(leaf, operand)
        return
    values = operand if isinstance(operand, list) else [operand]
    kinds = {str if isinstance(value, str) else float for value in values if _is_scalar(value)}
    if not isinstance(operand, list) and not kinds:
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    if not all(_is_scalar(value) for value in values):
        raise PatternError("Inside anything but list, start|null|boolean is not supported.")
    if len(kinds) != 1:
        raise PatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    leaf.tests.append(anything_but({_comparable(value) for value in values}))


def _add_anything_but_kind(leaf: Leaf, expression: _Object) -> None:
    if not expression:
        raise PatternError("Anything-But expression name not found")
    name, operand = expression[0]
    if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
        raise PatternError(f"Unsupported anything-but pattern: {name}")
    if isinstance(operand, _Object) or not (isinstance(operand, list) or _is_scalar(operand)):
        raise PatternError("Value of anything-but must be an array or single string/number value.")
    values = operand if isinstance(operand, list) else [operand]
    for value in values:
        if not isinstance(value, str):
            raise PatternError(_NOT_STRINGS[name])
        if name in ("prefix", "suffix") and not value:
            raise PatternError("Null prefix/suffix not allowed")
    if len(expression) > 1:
        raise PatternError("Too many elements in numeric expression")
    if name == "wildcard":
        leaf.wildcards += values
        refused = [wildcard_test(value) for value in values]
    else:
        refused = [string_test(name, value, fold=name == "equals-ignore-case") for value in values]
    leaf.tests.append(lambda key: not any(test(key) for test in refused))


_NOT_STRINGS = {
    "prefix": "prefix/suffix match pattern must be a string",
    "suffix": "prefix/suffix match pattern must be a string",
    "wildcard": "wildcard match pattern must be a string",
    "equals-ignore-case": (
        "Inside anything-but/equals-ignore-case list, number|start|null|boolean is not supported."
    ),
}


def _is_scalar(value: Any) -> bool:
    """Return whether anything-but takes a value: text or a number."""
    return value is not None and not isinstance(value, bool | list)


def _comparable(value: Any) -> Any:
    key = key_of(value)
    if isinstance(key, Literal):
        raise PatternError(f"Cannot compare number : {key.text}")
    return key


def _numeric(operand: Any) -> Any:
    if not isinstance(operand, list) or isinstance(operand, _Object):
        raise PatternError("Value of numeric must be an array.")
    operator = operand[0] if operand else "]"
    if not operand or not isinstance(operator, str):
        raise PatternError(f"Invalid member in numeric match: {operator}")
    if operator not in ("=", "<", "<=", ">", ">="):
        raise PatternError(f"Unrecognized numeric range operator: {operator}")
    bound = _bound(operand, 1, "equals" if operator == "=" else operator)
    if len(operand) == 2:
        return numeric(operator, _comparable(bound))
    if operator not in (">", ">="):
        raise PatternError("Too many elements in numeric expression")
    second = operand[2]
    if not isinstance(second, str):
        raise PatternError(f"Bad value in numeric range: {second}")
    if second not in ("<", "<="):
        raise PatternError(f"Bad numeric range operator: {second}")
    top = _bound(operand, 3, second)
    if len(operand) > 4:
        raise PatternError("Too many terms in numeric range expression")
    low, high = _comparable(bound), _comparable(top)
    if low >= high:
        raise PatternError("Bottom must be less than top")
    above, below = numeric(operator, low), numeric(second, high)
    return lambda key: above(key) and below(key)


def _bound(operand: list[Any], index: int, operator: str) -> Any:
    value = operand[index] if index < len(operand) else None
    if not _is_scalar(value) or isinstance(value, str):
        raise PatternError(f"Value of {operator} must be numeric")
    return value
