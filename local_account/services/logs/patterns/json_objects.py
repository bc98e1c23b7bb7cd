"""Patterns for events in JSON: ``{ $.latency > 50 && $.users[0].name = "a*" }``."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from local_account.services.logs.patterns.base import Pattern, PatternError
from local_account.services.logs.patterns.comparisons import Comparison, Scalar, text_of
from local_account.services.logs.patterns.expressions import Expression
from local_account.services.logs.patterns.scanner import Scanner

_MOST_WILDCARDS = 3
_BARE = re.compile(r"[\w.*+\-]+")
_STEP = re.compile(
    r"\.(?P<name>[\w-]+)|\.(?P<any>\*)|\[(?P<index>\d+)\]|\[(?P<each>\*)\]|\.?\['(?P<quoted>[^']+)'\]"
)
_KEYWORD = re.compile(r"[A-Z]+\b")
_CONSTANTS = {"NULL": None, "TRUE": True, "FALSE": False}

_ANY = object()
Step = str | int | object
"""A property's name, an array's index, or _ANY for each of them."""


@dataclass(frozen=True)
class Selector:
    """What a property selector (``$.users[0].name``) points to."""

    steps: tuple[Step, ...]

    @classmethod
    def read(cls, scanner: Scanner) -> Selector:
        """Read a selector. Raises PatternError if it is malformed or has more than one wildcard."""
        if not scanner.take("$"):
            raise scanner.unexpected()
        steps: list[Step] = []
        while found := _STEP.match(scanner.text, scanner.at):
            scanner.at = found.end()
            name = found["name"] or found["quoted"]
            steps.append(name if name else int(found["index"]) if found["index"] else _ANY)
        if not steps:
            raise scanner.unexpected()
        if steps.count(_ANY) > 1:
            raise PatternError("")
        return cls(tuple(steps))

    def find(self, document: object) -> list[object]:
        """Return the nodes of a document that the selector points to."""
        nodes = [document]
        for step in self.steps:
            nodes = [child for node in nodes for child in _children(node, step)]
        return nodes


def _children(node: object, step: Step) -> Iterator[object]:
    if step is _ANY:
        if isinstance(node, dict):
            yield from node.values()
        elif isinstance(node, list):
            yield from node
    elif isinstance(node, dict):
        if step in node:
            yield node[step]
    elif isinstance(node, list) and isinstance(step, int) and step < len(node):
        yield node[step]


@dataclass(frozen=True)
class _Condition:
    """A comparison; or ``IS`` with a constant, or ``NOT EXISTS``, if there is none."""

    selector: Selector
    comparison: Comparison | None
    keyword: str = ""

    @classmethod
    def read(cls, scanner: Scanner) -> _Condition:
        selector = Selector.read(scanner)
        scanner.space()
        keyword = scanner.match(_KEYWORD)
        if keyword is None:
            return cls(selector, Comparison.read(scanner, _BARE))
        scanner.space()
        operand = scanner.match(_KEYWORD)
        if (keyword == "IS" and operand in _CONSTANTS) or (keyword == "NOT" and operand == "EXISTS"):
            return cls(selector, None, operand or "")
        # "The variables IS NOT and EXISTS currently aren't supported."
        raise PatternError("")

    def holds(self, document: object) -> bool:
        nodes = self.selector.find(document)
        if self.keyword == "EXISTS":
            return not nodes
        if self.comparison is None:
            return any(node is _CONSTANTS[self.keyword] for node in nodes)
        return any(isinstance(node, Scalar) and self.comparison.holds(node) for node in nodes)


class JsonPattern(Pattern):
    """An expression in braces about the properties of an object; other messages do not match."""

    names_values = True

    def __init__(self, text: str) -> None:
        scanner = Scanner(text)
        scanner.expect("{")
        self._expression: Expression[_Condition] = Expression.read(scanner, _Condition.read)
        scanner.expect("}")
        scanner.end()
        self.regexes = scanner.regexes
        if _wildcards(self._expression) > _MOST_WILDCARDS:
            raise PatternError("")

    def matches(self, message: str) -> bool:
        """Return whether the message is an object for which the expression holds."""
        document = _document(message)
        return document is not None and self._expression.holds(lambda one: one.holds(document))

    def has_value(self, selector: str) -> bool:
        """Return whether the selector is well-formed."""
        scanner = Scanner(selector)
        try:
            Selector.read(scanner)
            scanner.end()
        except PatternError:
            return False
        return True

    def value(self, message: str, selector: str) -> str | None:
        """Return the text of the value that a selector points to."""
        nodes = Selector.read(Scanner(selector)).find(_document(message))
        return next((text_of(node) for node in nodes if isinstance(node, Scalar)), None)


def _document(message: str) -> object:
    if not message.lstrip().startswith(("{", "[")):
        return None
    try:
        return msgspec.json.decode(message)
    except (msgspec.DecodeError, RecursionError):
        return None


def _wildcards(expression: Expression[_Condition]) -> int:
    return sum(
        _wildcards(part) if isinstance(part, Expression) else part.selector.steps.count(_ANY)
        for conjunction in expression.alternatives
        for part in conjunction
    )
