"""Values in events, and what patterns ask of them.

A value of an event is looked up by its key: text as it is, a number as the float that equals it, so that
``300`` and ``3.0e2`` are the same (as on AWS, against its User Guide), and objects of their own for true,
false, and numbers that no float equals, which are compared by their digits.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any


class PatternError(ValueError):
    """An event pattern that EventBridge would reject; the message is the reason."""


@dataclass(frozen=True)
class Literal:
    """A value that equals nothing but the same text."""

    text: str


Key = str | float | Literal | None
Test = Callable[[Key], bool]
_TRUE, _FALSE = Literal("true"), Literal("false")
_SAFE = 2**53
"""Integers below it are floats exactly."""
_ACTIVE_STATES = 11
"""How many beginnings of wildcards may match one text at once. EventBridge does not tell its limit; the
User Guide's example of a rule that is too complex, ``*:*:*:*:*:event-bus/*``, has this many."""
_IPV4 = re.compile(r"(\d+)\.(\d+)\.(\d+)\.(\d+)", re.ASCII)
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*")


def parse_number(text: str) -> float | Literal:
    """Return a JSON number with a fraction or an exponent; a Literal if no float equals it."""
    value = float(text)
    try:
        same = Decimal(repr(value)) == Decimal(text)
    except ArithmeticError:
        same = False
    return value if same and abs(value) != float("inf") else Literal(text)


def key_of(value: Any) -> Key:
    """Return the key of a scalar in an event or a pattern."""
    if type(value) is str or value is None or type(value) is float:
        return value
    if value is True:
        return _TRUE
    if value is False:
        return _FALSE
    if isinstance(value, int):
        return float(value) if -_SAFE < value < _SAFE else _large(value)
    if isinstance(value, Literal):
        return value
    raise TypeError(f"an event cannot hold a {type(value).__name__}")


def _large(value: int) -> Key:
    try:
        number = float(value)
    except OverflowError:
        return Literal(str(value))
    return number if Decimal(repr(number)) == value else Literal(str(value))


@dataclass
class Leaf:
    """What a pattern asks of one field: a key of ``keys``, or one of the ``tests``, or that it is absent."""

    keys: set[Key] = field(default_factory=set)
    tests: list[Test] = field(default_factory=list)
    absent: bool = False
    wildcards: list[str] = field(default_factory=list)

    def add(self, alternative: Key | Test) -> None:
        """Accept a key, or what passes a test."""
        if callable(alternative):
            self.tests.append(alternative)
        else:
            self.keys.add(alternative)

    def accepts(self, key: Key) -> bool:
        """Return whether a value that is present matches."""
        return key in self.keys or any(test(key) for test in self.tests)

    def check_complexity(self) -> None:
        """Raise PatternError if the wildcards may match too many ways at once."""
        if self.wildcards and _most_active(self.wildcards) >= _ACTIVE_STATES:
            raise PatternError(
                "Rule is too complex - try using fewer wildcard characters or fewer repeating character "
                "sequences after a wildcard character"
            )


def exact(value: Any) -> Key | Test:
    """Return what matches a scalar of a pattern: its key; for an IP address, all ways to write it."""
    address = _address(value) if isinstance(value, str) else None
    if address is None:
        return key_of(value)
    return lambda key: isinstance(key, str) and _address(key) == address


def anything_but(refused: set[Key]) -> Test:
    """Return the test for anything but these."""
    return lambda key: key not in refused


def numeric(operator: str, bound: float) -> Test:
    """Return the test for a number on one side of a bound."""
    match operator:
        case "=":
            return lambda key: isinstance(key, float) and key == bound
        case "<":
            return lambda key: isinstance(key, float) and key < bound
        case "<=":
            return lambda key: isinstance(key, float) and key <= bound
        case ">":
            return lambda key: isinstance(key, float) and key > bound
        case _:
            return lambda key: isinstance(key, float) and key >= bound


def string_test(name: str, wanted: str, fold: bool) -> Test:
    """Return the test for ``prefix``, ``suffix`` or ``equals-ignore-case``."""
    if fold:
        text = "".join(_either_case(character) for character in wanted)
        before, after = (".*" if name == "suffix" else ""), (".*" if name == "prefix" else "")
        expression = re.compile(f"{before}{text}{after}", re.DOTALL)
        return lambda key: isinstance(key, str) and expression.fullmatch(key) is not None
    if name == "prefix":
        return lambda key: isinstance(key, str) and key.startswith(wanted)
    return lambda key: isinstance(key, str) and key.endswith(wanted)


def _either_case(character: str) -> str:
    ways = sorted({re.escape(character.lower()), re.escape(character.upper())})
    return ways[0] if len(ways) == 1 else f"(?:{'|'.join(ways)})"


def wildcard_test(text: str) -> Test:
    r"""Return the test for a wildcard: ``*`` is any run of characters, ``\*`` and ``\\`` are literal."""
    parts = [".*" if token is None else re.escape(token) for token in _tokens(text)]
    expression = re.compile("".join(parts), re.DOTALL)
    return lambda key: isinstance(key, str) and expression.fullmatch(key) is not None


def _tokens(text: str) -> list[str | None]:
    """Return the characters of a wildcard, None for ``*``; positions in errors count the quotation mark."""
    tokens: list[str | None] = []
    position = 0
    while position < len(text):
        character = text[position]
        shown = len(text[:position].encode()) + 1
        if character == "*":
            if text[position + 1 : position + 2] == "*":
                raise PatternError(f"Consecutive wildcard characters at pos {shown}")
            tokens.append(None)
        elif character == "\\":
            position += 1
            if text[position : position + 1] not in ("*", "\\"):
                raise PatternError(f"Invalid escape character at pos {shown}")
            tokens.append(text[position])
        else:
            tokens.append(character)
        position += 1
    return tokens


def _most_active(wildcards: list[str]) -> int:
    """Return how many beginnings of the wildcards match the worst text, up to the limit.

    It follows all texts at once: a state is the set of the places in the wildcards that a text can have
    led to. Wildcards that make thousands of them are too complex as well.
    """
    tokens = [_tokens(text) for text in wildcards if "*" in text]
    begin = _closure(frozenset((one, 0) for one in range(len(tokens))), tokens)
    waiting, seen, most = [begin], {begin}, len(begin)
    while waiting and most < _ACTIVE_STATES:
        places = waiting.pop()
        ahead = {tokens[one][at] for one, at in places if at < len(tokens[one])} - {None}
        for character in [*ahead, ""]:  # "" stands for all others
            stay = {(one, at) for one, at in places if at and tokens[one][at - 1] is None}
            go = {(one, at + 1) for one, at in places if tokens[one][at : at + 1] == [character]}
            following = _closure(frozenset(stay | go), tokens)
            most = max(most, len(following))
            if following not in seen:
                seen.add(following)
                waiting.append(following)
        if len(seen) > 4096:
            return _ACTIVE_STATES
    return most


def _closure(
    places: frozenset[tuple[int, int]], tokens: list[list[str | None]]
) -> frozenset[tuple[int, int]]:
    """Add the places behind a ``*``, which may stand for nothing."""
    behind = {(one, at + 1) for one, at in places if tokens[one][at : at + 1] == [None]}
    return places | behind


def cidr(text: str) -> Test:
    """Return the test for an IP address in a block, such as ``10.0.0.0/24``."""
    parts = text.rstrip("/").split("/")
    if len(parts) != 2:
        raise PatternError("Malformed CIDR, one '/' required")
    if not re.fullmatch(r"[+-]?\d+", parts[1], re.ASCII):
        raise PatternError("Malformed CIDR, mask bits must be an integer")
    if int(parts[1]) < 0:
        raise PatternError("Malformed CIDR, mask bits must not be negative")
    address = _address(parts[0])
    if address is None:
        raise PatternError(f"Nonstandard IP address: {parts[0]}")
    size = len(address) * 8
    if int(parts[1]) >= size:
        raise PatternError(f"IPv{4 if size == 32 else 6} mask bits must be < {size}")
    shift = size - int(parts[1])
    block = int.from_bytes(address) >> shift

    def test(key: Key) -> bool:
        found = _address(key) if isinstance(key, str) else None
        if found is None or shift == size:
            return found is not None  # /0 is every address, of the other version too, as in AWS's matcher
        return len(found) * 8 == size and int.from_bytes(found) >> shift == block

    return test


@functools.lru_cache(maxsize=1024)
def _address(text: str) -> bytes | None:
    """Return the bytes of an IP address; None if the text is not one."""
    if found := _IPV4.fullmatch(text):
        octets = [int(octet) for octet in found.groups()]
        return bytes(octets) if max(octets) < 256 else None
    if not _IPV6.fullmatch(text):
        return None
    try:
        address = ipaddress.IPv6Address(text)
    except ValueError:
        return None
    return (address.ipv4_mapped or address).packed
