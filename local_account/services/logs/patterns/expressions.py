"""Conditions joined by ``&&``, ``||`` and parentheses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from local_account.services.logs.patterns.base import PatternError
from local_account.services.logs.patterns.scanner import Scanner

Condition = TypeVar("Condition")
Subject = TypeVar("Subject")
_MOST_DEPTH = 100


@dataclass(frozen=True)
class Expression(Generic[Condition]):
    """Alternatives, each a list of conditions or further expressions that must all hold."""

    alternatives: tuple[tuple[Condition | Expression[Condition], ...], ...]

    @classmethod
    def read(
        cls, scanner: Scanner, condition: Callable[[Scanner], Condition], depth: int = 0
    ) -> Expression[Condition]:
        """Read an expression: parentheses bind tighter than ``&&``, and that tighter than ``||``.

        Raises PatternError if it is malformed, or has too many parentheses in each other.
        """

        if depth > _MOST_DEPTH:
            raise PatternError("Invalid filter pattern: too many nested parentheses")

        def operand() -> Condition | Expression[Condition]:
            if scanner.take("("):
                inner = cls.read(scanner, condition, depth + 1)
                scanner.expect(")")
                return inner
            scanner.space()
            return condition(scanner)

        alternatives = []
        while True:
            conjunction = [operand()]
            while scanner.take("&&"):
                conjunction.append(operand())
            alternatives.append(tuple(conjunction))
            if not scanner.take("||"):
                return cls(tuple(alternatives))

    def holds(self, check: Callable[[Condition], bool]) -> bool:
        """Return whether the expression holds, given what holds for each condition."""
        return any(
            all(part.holds(check) if isinstance(part, Expression) else check(part) for part in conjunction)
            for conjunction in self.alternatives
        )

    def required(self) -> list[Condition]:
        """Return the conditions without which the expression cannot hold."""
        if len(self.alternatives) > 1:
            return []
        found: list[Condition] = []
        for part in self.alternatives[0]:
            found += part.required() if isinstance(part, Expression) else [part]
        return found
