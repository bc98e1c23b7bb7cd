"""Comparisons of a value with text (with wildcards), a number or a regular expression."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass

from local_account.services.logs.patterns.base import PatternError
from local_account.services.logs.patterns.matchers import Matcher, wildcards
from local_account.services.logs.patterns.scanner import Scanner

Scalar = str | int | float | bool
_OPERATORS = ("!=", ">=", "<=", "=", ">", "<")
_ORDERS: dict[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    "<": operator.lt,
    ">=": operator.ge,
    "<=": operator.le,
}
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Comparison:
    """An operator and what a value is compared with."""

    sign: str
    text: str
    number: float | None
    matcher: Matcher | None
    """A regular expression, or the one of a text with wildcards."""

    @classmethod
    def read(cls, scanner: Scanner, bare: re.Pattern[str]) -> Comparison:
        """Read an operator and an operand; ``bare`` is what an operand without quotation marks may look like.

        Raises PatternError if there is none, or for an order (``<``) of something that is not a number.
        """
        sign = scanner.take(*_OPERATORS)
        if not sign:
            raise scanner.unexpected()
        scanner.space()
        regex = scanner.regex()
        quoted = None if regex else scanner.quoted()
        text = "" if regex else quoted if quoted is not None else scanner.match(bare)
        if text is None:
            raise scanner.unexpected()
        number = as_number(text) if quoted is None else None
        if sign in _ORDERS and number is None:
            raise PatternError("")
        return cls(sign, text, number, regex or (wildcards(text) if "*" in text else None))

    @property
    def literal(self) -> str:
        """The text that an equal value has, if it is a text without wildcards; else ""."""
        plain = self.sign == "=" and self.number is None and self.matcher is None
        return self.text if plain else ""

    def holds(self, value: Scalar) -> bool:
        """Return whether the comparison holds for a value."""
        order = _ORDERS.get(self.sign)
        if order is not None:
            number = as_number(value)
            return number is not None and self.number is not None and order(number, self.number)
        return self._equals(value) == (self.sign == "=")

    def _equals(self, value: Scalar) -> bool:
        if self.number is not None:
            return as_number(value) == self.number
        text = text_of(value)
        return self.matcher(text) if self.matcher else text == self.text


def text_of(value: Scalar) -> str:
    """Return a value as it is written in JSON."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def as_number(value: Scalar) -> float | None:
    """Return the number that a value is, or that a text is in full; None if it is none."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    try:
        return float(value)
    except OverflowError:  # an integer of more than 308 digits
        return math.copysign(math.inf, value > 0 or -1)
