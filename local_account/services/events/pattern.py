"""Event patterns of EventBridge: check one, compile it, match events against it.

The contract is the EventBridge User Guide, "Creating event patterns" and "Comparison operators for use in
event patterns". (No well-maintained package on PyPI implements it: the only one has no build for current
Pythons.)
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

Match = Callable[[Any], bool]
"""Returns whether a value in an event (a scalar, an object, a list or MISSING) matches."""

MISSING = object()
_OPERATORS = frozenset(
    ("prefix", "suffix", "equals-ignore-case", "wildcard", "anything-but", "numeric", "exists", "cidr")
)
_COMPARISONS: dict[str, Callable[[Decimal, Decimal], bool]] = {
    "=": lambda value, bound: value == bound,
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
}


class PatternError(ValueError):
    """An event pattern that EventBridge would reject; the message is the reason."""


def loads(text: str) -> Any:
    """Parse JSON with numbers as Decimal, which keeps 300, 300.0 and 3.0e2 apart as EventBridge does."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def compile_pattern(text: str) -> Match:
    """Compile the JSON text of an event pattern.

    Returns a function from an event, as parsed by ``loads``, to whether it matches. Raises PatternError.
    """
    try:
        pattern = loads(text)
    except ValueError as error:
        raise PatternError(f"The pattern is not valid JSON: {error}") from error
    if not isinstance(pattern, dict):
        raise PatternError("Filter is not an object")
    return _object(pattern, inside_or=False)


def _object(pattern: dict[str, Any], inside_or: bool) -> Match:
    if not pattern:
        raise PatternError("Empty objects are not allowed")
    fields: list[tuple[str, Match]] = []
    alternatives: list[list[Match]] = []
    for name, value in pattern.items():
        if name == "$or":
            alternatives.append(_or(value))
        elif inside_or and name in _OPERATORS:
            raise PatternError(f"{name} is Ruler reserved fieldName which cannot be used inside $or.")
        elif isinstance(value, dict):
            fields.append((name, _object(value, inside_or)))
        elif isinstance(value, list):
            fields.append((name, _leaf(value)))
        else:
            raise PatternError(f'"{name}" must be an object or an array')

    def match_one(event: Any) -> bool:
        members: dict[str, Any] = event if isinstance(event, dict) else {}
        return all(match(members.get(name, MISSING)) for name, match in fields) and all(
            any(match(event) for match in branches) for branches in alternatives
        )

    def match(event: Any) -> bool:
        # An array of objects matches when one of its elements matches as a whole.
        elements = [item for item in _flat(event) if isinstance(item, dict)]
        return any(match_one(item) for item in elements) if elements else match_one(event)

    return match


def _or(value: Any) -> list[Match]:
    if not isinstance(value, list):
        raise PatternError("It must be an Array followed with $or.")
    if not all(isinstance(item, dict) for item in value):
        raise PatternError("Only JSON object is allowed in array of $or relationship.")
    if len(value) < 2:
        raise PatternError("There must have at least 2 Objects in $or relationship.")
    return [_object(item, inside_or=True) for item in value]


def _leaf(values: list[Any]) -> Match:
    if not values:
        raise PatternError("Empty arrays are not allowed")
    absence = any(value == {"exists": False} for value in values)
    tests = [_test(value) for value in values if value != {"exists": False}]

    def match(event: Any) -> bool:
        # Operators apply to leaf nodes only: an object in the event has no leaf of this name.
        leaves = [item for item in _flat(event) if item is not MISSING and not isinstance(item, dict)]
        if not leaves:
            return absence
        return any(test(item) for test in tests for item in leaves)

    return match


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def _test(value: Any) -> Match:
    if isinstance(value, dict):
        return _operator(value)
    if isinstance(value, list):
        raise PatternError("Match value must be String, number, true, false, or null")
    return _equals(value)


def _equals(expected: Any) -> Match:
    if isinstance(expected, Decimal):
        digits = expected.as_tuple()
        return lambda item: isinstance(item, Decimal) and item.as_tuple() == digits
    return lambda item: type(item) is type(expected) and item == expected


def _operator(expression: dict[str, Any]) -> Match:
    if not expression:
        raise PatternError("Match expression name not found")
    if len(expression) > 1:
        raise PatternError("Only one key allowed in match expression")
    [(name, operand)] = expression.items()
    match name:
        case "exists":
            if not isinstance(operand, bool):
                raise PatternError("exists match pattern must be either true or false.")
            return lambda _item: True
        case "numeric":
            return _numeric(operand)
        case "anything-but":
            return _anything_but(operand)
        case "cidr":
            return _cidr(operand)
        case "prefix" | "suffix" | "equals-ignore-case" | "wildcard":
            return _string(name, operand)
    raise PatternError(f"Unrecognized match type {name}")


def _string(name: str, operand: Any) -> Match:
    fold = False
    if name in ("prefix", "suffix") and isinstance(operand, dict) and list(operand) == ["equals-ignore-case"]:
        operand, fold = operand["equals-ignore-case"], True
    if not isinstance(operand, str):
        raise PatternError(f"{name} match pattern must be a string")
    if name == "wildcard":
        expression = _wildcard(operand)
        return lambda item: isinstance(item, str) and expression.fullmatch(item) is not None
    if name == "equals-ignore-case":
        wanted = operand.lower()
        return lambda item: isinstance(item, str) and item.lower() == wanted
    wanted = operand.lower() if fold else operand
    method = str.startswith if name == "prefix" else str.endswith
    return lambda item: isinstance(item, str) and method(item.lower() if fold else item, wanted)


def _wildcard(text: str) -> re.Pattern[str]:
    r"""Compile a wildcard: ``*`` matches any run of characters, ``\*`` and ``\\`` are literal."""
    parts: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        if character == "\\":
            position += 1
            if text[position : position + 1] not in ("*", "\\"):
                raise PatternError(f"Invalid escape character at pos {position - 1}")
            parts.append(re.escape(text[position]))
        elif character == "*":
            if parts and parts[-1] == ".*":
                raise PatternError(f"Consecutive wildcard characters at pos {position - 1}")
            parts.append(".*")
        else:
            parts.append(re.escape(character))
        position += 1
    return re.compile("".join(parts), re.DOTALL)


def _anything_but(operand: Any) -> Match:
    if isinstance(operand, dict):
        if len(operand) != 1:
            raise PatternError("Only one key allowed in match expression")
        [(name, values)] = operand.items()
        if name not in ("prefix", "suffix", "equals-ignore-case", "wildcard"):
            raise PatternError(f"Unsupported anything-but pattern: {name}")
        values = values if isinstance(values, list) else [values]
        if not values or not all(isinstance(value, str) for value in values):
            raise PatternError(f"{name} match pattern must be a string")
        if name in ("prefix", "suffix") and "" in values:
            raise PatternError("Null prefix/suffix not allowed")
        refused = [_string(name, value) for value in values]
        return lambda item: not any(test(item) for test in refused)
    values = operand if isinstance(operand, list) else [operand]
    for kind in (str, Decimal):
        if values and all(isinstance(value, kind) for value in values):
            return lambda item: not (isinstance(item, kind) and item in values)
    if isinstance(operand, list):
        raise PatternError(
            "Inside anything but list, either all values are number or string, mixed type is not supported"
        )
    raise PatternError("Value of anything-but must be an array or single string/number value.")


def _numeric(operand: Any) -> Match:
    if not isinstance(operand, list):
        raise PatternError("Value of numeric must be an array.")
    if not operand or len(operand) % 2:
        raise PatternError("Bad value in numeric range: an operator and a number are required")
    terms = list(zip(operand[::2], operand[1::2], strict=True))
    for operator, bound in terms:
        if not isinstance(operator, str) or operator not in _COMPARISONS:
            raise PatternError(f"Unrecognized numeric range operator: {operator}")
        if not isinstance(bound, Decimal):
            raise PatternError(f"Value of {'equals' if operator == '=' else operator} must be numeric")
    if len(terms) > 1:
        (low, bottom), (high, top), *further = terms
        if further or low not in (">", ">=") or high not in ("<", "<="):
            raise PatternError("Too many elements in numeric expression")
        if bottom >= top:
            raise PatternError("Bottom must be less than top")
    return lambda item: (
        isinstance(item, Decimal) and all(_COMPARISONS[operator](item, bound) for operator, bound in terms)
    )


def _cidr(operand: Any) -> Match:
    if not isinstance(operand, str):
        raise PatternError("cidr match pattern must be a string")
    try:
        if "/" not in operand:
            raise ValueError("an address block needs a slash")  # noqa: TRY301
        network = ipaddress.ip_network(operand, strict=False)
    except ValueError as error:
        raise PatternError(f"Malformed CIDR, one '/' required: {error}") from error

    def match(item: Any) -> bool:
        try:
            return isinstance(item, str) and ipaddress.ip_address(item) in network
        except ValueError:
            return False

    return match
