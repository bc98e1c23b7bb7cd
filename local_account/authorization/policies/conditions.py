"""The Condition element of a statement.

Contract: IAM User Guide, "IAM JSON policy elements: Condition operators" and "Set operators for multivalued
context keys".
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from local_account.authorization.policies.patterns import Context, arn_matches, matches, substitute

Test = Callable[[str, str, Context | None], bool]
"""Compares a value in the request with one in the policy; without a context, variables are literal."""


class ConditionError(ValueError):
    """A condition that does not exist in IAM, or is not supported here."""


def _text(compare: Callable[[str, str], bool]) -> Test:
    def test(value: str, expected: str, context: Context | None) -> bool:
        resolved = expected if context is None else substitute(expected, context)
        return resolved is not None and compare(value, resolved)

    return test


def _number(compare: Callable[[Decimal, Decimal], bool]) -> Test:
    def test(value: str, expected: str, _: Context | None) -> bool:
        try:
            return compare(Decimal(value), Decimal(expected))
        except InvalidOperation:
            return False

    return test


def _moment(text: str) -> datetime:
    if text.isdecimal():
        return datetime.fromtimestamp(int(text), UTC)
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _date(compare: Callable[[datetime, datetime], bool]) -> Test:
    def test(value: str, expected: str, _: Context | None) -> bool:
        try:
            return compare(_moment(value), _moment(expected))
        except (ValueError, OverflowError, OSError):
            return False

    return test


def _address(value: str, expected: str, _: Context | None) -> bool:
    try:
        return ipaddress.ip_address(value) in ipaddress.ip_network(expected, strict=False)
    except ValueError:
        return False


TESTS: dict[str, Test] = {
    "StringEquals": _text(lambda value, expected: value == expected),
    "StringEqualsIgnoreCase": _text(lambda value, expected: value.lower() == expected.lower()),
    "StringLike": lambda value, expected, context: matches(expected, value, context=context),
    "ArnEquals": lambda value, expected, context: arn_matches(expected, value, context),
    "ArnLike": lambda value, expected, context: arn_matches(expected, value, context),
    "NumericEquals": _number(lambda value, expected: value == expected),
    "NumericLessThan": _number(lambda value, expected: value < expected),
    "NumericLessThanEquals": _number(lambda value, expected: value <= expected),
    "NumericGreaterThan": _number(lambda value, expected: value > expected),
    "NumericGreaterThanEquals": _number(lambda value, expected: value >= expected),
    "DateEquals": _date(lambda value, expected: value == expected),
    "DateLessThan": _date(lambda value, expected: value < expected),
    "DateLessThanEquals": _date(lambda value, expected: value <= expected),
    "DateGreaterThan": _date(lambda value, expected: value > expected),
    "DateGreaterThanEquals": _date(lambda value, expected: value >= expected),
    "Bool": lambda value, expected, _: value.lower() == expected.lower(),
    "BinaryEquals": lambda value, expected, _: value == expected,
    "IpAddress": _address,
}
NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_IF_EXISTS = "IfExists"
_OPERATORS = {name.lower(): name for name in (*TESTS, *NEGATED, "Null")}
_SETS = {"forallvalues": all, "foranyvalue": any}


def holds(
    condition: Mapping[str, Mapping[str, Any]], context: Context, *, has_variables: bool = True
) -> bool:
    """Return whether all operators hold for all their keys. Raises ConditionError for an unknown operator.

    Without ``has_variables`` (policies of version 2008-10-17), ``${aws:username}`` is text.
    """
    return all(
        _holds(operator, key.lower(), _texts(expected), context, context if has_variables else None)
        for operator, keys in condition.items()
        for key, expected in keys.items()
    )


def check(condition: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ConditionError for an operator that cannot be evaluated."""
    for operator in condition:
        _parse(operator)


def _texts(value: Any) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [str(one).lower() if isinstance(one, bool) else str(one) for one in values]


def _parse(operator: str) -> tuple[str, str, bool]:
    """Return the set operator (may be empty), the operator as documented, and whether it ends in IfExists."""
    quantifier, colon, bare = operator.rpartition(":")
    if_exists = bare.endswith(_IF_EXISTS)
    name = _OPERATORS.get(bare.removesuffix(_IF_EXISTS).lower())
    if name is None or (colon and quantifier.lower() not in _SETS):
        raise ConditionError(f"the condition operator {operator} is unknown or not supported")
    return quantifier.lower(), name, if_exists


def _holds(operator: str, key: str, expected: list[str], context: Context, variables: Context | None) -> bool:
    quantifier, name, if_exists = _parse(operator)
    values = context.get(key)
    if name == "Null":
        return any((not values) == (one.lower() == "true") for one in expected)
    negated = name in NEGATED
    if not values:
        # Without the key ForAnyValue is false, even with IfExists.
        return quantifier == "forallvalues" if quantifier else if_exists or negated
    test = TESTS[NEGATED.get(name, name)]
    over = _SETS.get(quantifier, all if negated else any)
    return over(any(test(value, one, variables) for one in expected) != negated for value in values)
