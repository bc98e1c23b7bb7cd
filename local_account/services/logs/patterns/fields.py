"""Patterns for space-delimited events: ``[ip, ..., status = 4*, bytes > 1000]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from local_account.services.logs.patterns.base import Pattern, PatternError
from local_account.services.logs.patterns.comparisons import Comparison
from local_account.services.logs.patterns.expressions import Expression
from local_account.services.logs.patterns.scanner import Scanner

_NAME = re.compile(r"[A-Za-z_]\w*(?:-\w+)*")
_BARE = re.compile(r"[^\s,\]&|()\"=<>!%]+")
_FIELD = re.compile(r'\[([^\]]*)\]|"((?:[^"\\]|\\.)*)"|(\S+)')
_UNBRACKETED = re.compile(r'()"((?:[^"\\]|\\.)*)"|(\S+)')
"""*Characters between brackets and double quotation marks are considered single fields.*"""
_ELLIPSIS = "..."


@dataclass(frozen=True)
class _Condition:
    name: str
    comparison: Comparison

    @classmethod
    def read(cls, scanner: Scanner) -> _Condition:
        name = scanner.match(_NAME)
        if name is None:
            raise scanner.unexpected()
        return cls(name, Comparison.read(scanner, _BARE))


@dataclass(frozen=True)
class _Field:
    name: str
    """Empty for a field without one."""
    expression: Expression[_Condition] | None = None


class FieldsPattern(Pattern):
    """Fields in order, with conditions; ``...`` stands for any number of them.

    Without an ellipsis, the last field takes the rest of the event, so that ``[w1=ERROR, w2]`` matches
    events that begin with ERROR (*Match terms in order*).
    """

    names_values = True

    def __init__(self, text: str) -> None:
        scanner = Scanner(text)
        scanner.expect("[")
        fields: list[_Field | None] = []
        while True:
            fields.append(_field(scanner))
            if not scanner.take(","):
                break
        scanner.expect("]")
        scanner.end()
        if fields.count(None) > 1:
            raise PatternError("")
        names = [one.name for one in fields if one and one.name]
        if len(names) != len(set(names)):
            raise PatternError("")
        gap = fields.index(None) if None in fields else None
        self._open = gap is not None
        self._before = [one for one in fields[:gap] if one]
        self._after = [] if gap is None else [one for one in fields[gap + 1 :] if one]
        self._needed = len(self._before) + len(self._after)
        self._conditions = [
            (index, one.expression)
            for index, one in (*enumerate(self._before), *enumerate(self._after, -len(self._after)))
            if one.expression
        ]
        self.regexes = scanner.regexes
        self.needles = tuple(
            condition.comparison.literal.encode()
            for _, expression in self._conditions
            for condition in expression.required()
            if condition.comparison.literal
        )

    def matches(self, message: str) -> bool:
        """Return whether the message has the fields, and they meet the conditions."""
        return self._texts(message) is not None

    def extracted(self, message: str) -> Mapping[str, str]:
        """Return ``$name`` of the named fields, and ``$1`` for those without a name."""
        texts = self._texts(message)
        if texts is None:
            return {}
        gap = len(texts) - self._needed
        fields = (*self._before, *[_Field("")] * gap, *self._after)
        return {
            f"${field.name or number}": text
            for number, (field, text) in enumerate(zip(fields, texts, strict=True), 1)
        }

    def has_value(self, selector: str) -> bool:
        """Return whether the pattern has a field of the name, or the selector is a field's number."""
        name = selector.removeprefix("$")
        return name.isdecimal() or any(name and one.name == name for one in (*self._before, *self._after))

    def value(self, message: str, selector: str) -> str | None:
        """Return the field that a selector such as ``$bytes`` names."""
        return self.extracted(message).get(selector)

    def _texts(self, message: str) -> list[str] | None:
        """Return the fields of a matching message; None if it does not match."""
        texts = _split(message)
        if len(texts) < self._needed:
            return None
        if not self._open and len(texts) > self._needed:
            last = next(islice(_found(message), self._needed - 1, None))
            texts[self._needed - 1 :] = [message[last.start() :].rstrip()]
        for index, expression in self._conditions:
            text = texts[index]
            if not expression.holds(lambda one: one.comparison.holds(text)):  # noqa: B023 - called at once
                return None
        return texts


def _split(message: str) -> list[str]:
    if "[" in message or '"' in message:
        return [one[one.lastindex or 0] for one in _found(message)]
    return message.split()


def _found(message: str) -> Iterator[re.Match[str]]:
    # After the last closing bracket, each opening one would be a search to the end of the message.
    brackets_end, at = message.rfind("]"), 0
    while found := (_FIELD if at <= brackets_end else _UNBRACKETED).search(message, at):
        yield found
        at = found.end()


def _field(scanner: Scanner) -> _Field | None:
    """Read one field; None for an ellipsis."""
    if scanner.take(_ELLIPSIS):
        return None
    scanner.space()
    start = scanner.at
    bracketed = scanner.text.startswith("(", start)
    name = None if bracketed else scanner.match(_NAME)
    if name is None and not bracketed:
        return _Field("")
    scanner.space()
    if scanner.text.startswith((",", "]"), scanner.at):
        return _Field(name or "")
    scanner.at = start
    expression: Expression[_Condition] = Expression.read(scanner, _Condition.read)
    names = _names(expression)
    if len(names) != 1:
        raise PatternError("")
    return _Field(names.pop(), expression)


def _names(expression: Expression[_Condition]) -> set[str]:
    return {
        name
        for conjunction in expression.alternatives
        for part in conjunction
        for name in (_names(part) if isinstance(part, Expression) else {part.name})
    }
