"""Requests against the constraints of a service's model, in AWS's words.

botocore's models have the constraints that AWS enforces: members that are required, lengths of text, lists
and maps, values of numbers, enumerations, patterns. The words are those of AWS's services, as recorded by
others (LocalStack's snapshots): names begin with a lower-case letter, values are printed as Java does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

import regex

_PAIRS = r"\uD800\uDC00-\uDBFF\uDFFF"
"""How Java's patterns write all characters above U+FFFF."""
_NOT_NULL = "Member must not be null"
_ELSEWHERE = frozenset(("Runtime",))
"""Shapes that the service checks itself: Lambda answers InvalidParameterValueException to other runtimes."""

_WIDER = frozenset(("MetricNamespace",))
"""Shapes of which the service takes more than the pattern says: PutMetricFilter takes a colon, as is recorded
(LocalStack's test_put_metric_filter_with_special_namespace), and as CloudWatch documents of namespaces."""


def faults(shape: Any, params: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a request; values of a wrong type break no constraint."""
    return list(_structure(shape, params, ""))


def _structure(shape: Any, value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, Mapping):
        return
    prefix = f"{where}." if where else ""
    members = shape.members
    for name in shape.required_members:
        if value.get(name) is None:
            yield _fault("null", prefix + _lower(name), _NOT_NULL)
    for name, item in value.items():
        if item is not None and name in members:
            yield from _member(members[name], item, prefix + _lower(name))


def _member(shape: Any, value: Any, where: str) -> Iterator[str]:
    match shape.type_name:
        case "structure":
            yield from _structure(shape, value, where)
        case "list" if isinstance(value, list):
            yield from _list(shape, value, where)
        case "map" if isinstance(value, Mapping):
            yield from _map(shape, value, where)
        case "blob":
            if isinstance(value, bytes):
                yield from (_fault("", where, rule) for rule in _broken(shape, value))
        case _:
            yield from (_fault(_quoted(shape, value), where, rule) for rule in _broken(shape, value))


def _list(shape: Any, value: list[Any], where: str) -> Iterator[str]:
    yield from _container(shape, value, where)
    if not _is_simple(shape.member):
        for number, item in enumerate(value, 1):
            yield from _member(shape.member, item, f"{where}.{number}.member")
    elif any(_broken(shape.member, item) for item in value):
        yield _fault(_quoted(shape, value), where, _every("Member", shape.member))


def _map(shape: Any, value: Mapping[str, Any], where: str) -> Iterator[str]:
    yield from _container(shape, value, where)
    if any(_broken(shape.key, key) for key in value):
        yield _fault(_quoted(shape, value), where, _every("Map keys", shape.key, null=False))
    if not _is_simple(shape.value):
        for key, item in value.items():
            yield from _member(shape.value, item, f"{where}.{key}.member")
    elif any(_broken(shape.value, item) for item in value.values()):
        yield _fault(_quoted(shape, value), where, _every("Map value", shape.value))


def _container(shape: Any, value: Any, where: str) -> Iterator[str]:
    yield from (_fault(_quoted(shape, value), where, rule) for rule in _broken(shape, value))


def _fault(value: str, where: str, rule: str) -> str:
    shown = f"Value {value} at" if value else "Value at"
    return f"{shown} '{where}' failed to satisfy constraint: {rule}"


def _is_simple(shape: Any) -> bool:
    return shape.type_name not in ("structure", "list", "map")


def _every(what: str, shape: Any, null: bool = True) -> str:
    """Return the rule of a container whose members break theirs: it lists all that they have."""
    rules = [rule for rule, _ in _rules(shape)] + ([_NOT_NULL] if null else [])
    return f"{what} must satisfy constraint: [{', '.join(rules)}]"


def _broken(shape: Any, value: Any) -> list[str]:
    """Return the rules that a value which is no container breaks: what does not match is told first."""
    found = [rule for rule, holds in _rules(shape) if not holds(value)]
    return found if len(found) < 2 else sorted(found, key=lambda rule: "regular expression" not in rule)


@cache
def _rules(shape: Any) -> list[tuple[str, Callable[[Any], bool]]]:
    """Return what a value has to satisfy, each in words and as a test; a wrong type passes."""
    given = shape.metadata
    match shape.type_name:
        case "string":
            if shape.name in _ELSEWHERE:
                return []
            if given.get("enum"):
                allowed = given["enum"]
                rule = f"Member must satisfy enum value set: [{', '.join(allowed)}]"
                return [(rule, lambda value: not isinstance(value, str) or value in allowed)]
            bounds = _bounds("length", given, _text_length)
            return bounds if shape.name in _WIDER else [*bounds, *_pattern(given)]
        case "integer" | "long" | "float" | "double":
            return _bounds("value", given, _number)
        case "blob" | "list" | "map":
            return _bounds("length", given, len)
    return []


def _text_length(value: Any) -> int | None:
    return len(value) if isinstance(value, str) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _bounds(
    what: str, given: Mapping[str, Any], measured: Callable[[Any], float | None]
) -> list[tuple[str, Callable[[Any], bool]]]:
    def at_most(value: Any) -> bool:
        return (size := measured(value)) is None or size <= given["max"]

    def at_least(value: Any) -> bool:
        return (size := measured(value)) is None or size >= given["min"]

    found: list[tuple[str, Callable[[Any], bool]]] = []
    if "max" in given:
        found.append((f"Member must have {what} less than or equal to {given['max']}", at_most))
    if "min" in given:
        found.append((f"Member must have {what} greater than or equal to {given['min']}", at_least))
    return found


def _pattern(given: Mapping[str, Any]) -> list[tuple[str, Callable[[Any], bool]]]:
    expression = _compiled(given["pattern"]) if "pattern" in given else None
    if expression is None:
        return []
    matches = expression.fullmatch
    rule = f"Member must satisfy regular expression pattern: {given['pattern']}"
    return [(rule, lambda value: not isinstance(value, str) or matches(value) is not None)]


@cache
def _compiled(pattern: str) -> Any:
    """Return a pattern of Java's; None for one that does not even compile there."""
    try:
        return re.compile(pattern, re.DOTALL | re.ASCII)
    except re.error:
        pass
    try:  # Unicode's properties, which `re` lacks
        flags = regex.DOTALL if r"\p" in pattern else regex.DOTALL | regex.ASCII
        return regex.compile(pattern.replace(_PAIRS, r"\U00010000-\U0010FFFF"), flags)
    except regex.error:
        return None


def _lower(name: str) -> str:
    return name[:1].lower() + name[1:]


def _quoted(shape: Any, value: Any) -> str:
    return f"'{_shown(shape, value)}'"


def _shown(shape: Any, value: Any) -> str:
    """Return a value as Java prints it."""
    match shape.type_name:
        case "list" if isinstance(value, list):
            return f"[{', '.join(_shown(shape.member, item) for item in value)}]"
        case "map" if isinstance(value, Mapping):
            return f"{{{', '.join(f'{key}={_shown(shape.value, item)}' for key, item in value.items())}}}"
        case "structure" if isinstance(value, Mapping):
            members = (
                f"{_lower(name)}={_shown(member, value.get(name))}" for name, member in shape.members.items()
            )
            return f"{shape.name}({', '.join(members)})"
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)
