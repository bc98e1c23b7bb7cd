"""Which of many event patterns match an event: an index leads to the few that can.

An event is read once, and only the fields that some pattern names. Each alternative of a pattern is filed
under the values of its rarest field, so that an event looks at those alternatives only that have a value in
common with it. What is not filed by a value (prefixes, numbers, absence) is filed by the field's name.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from local_account.services.events.pattern import Fields
from local_account.services.events.values import Key, Leaf, key_of

Owner = TypeVar("Owner")
Membership = tuple[tuple[int, int], ...]
"""In which element of which array of objects a value is: pairs of array and index."""
Found = dict[str, list[tuple[Key, Membership]]]
"""The values of an event by the dotted name of their field."""


@dataclass(frozen=True, slots=True)
class _Alternative:
    owner: int
    fields: tuple[tuple[str, Leaf], ...]
    """Sorted by name, which decides what a field can be absent from."""


class Matcher(Generic[Owner]):
    """Compiled patterns with their owners (rules), in order."""

    def __init__(self, patterns: Iterable[tuple[Owner, list[Fields]]]) -> None:
        self._owners: list[Owner] = []
        self._by_value: dict[str, dict[Key, list[_Alternative]]] = defaultdict(lambda: defaultdict(list))
        self._by_name: dict[str, list[_Alternative]] = defaultdict(list)
        self._always: list[_Alternative] = []
        alternatives: list[_Alternative] = []
        for owner, compiled in patterns:
            index = len(self._owners)
            self._owners.append(owner)
            alternatives += [_Alternative(index, tuple(sorted(fields.items()))) for fields in compiled]
        self._names = _beginnings(name for one in alternatives for name, _ in one.fields)
        common = Counter(
            entry for one in alternatives for name, leaf in one.fields for entry in _entries(name, leaf)
        )
        for one in alternatives:
            self._file(one, common)

    def _file(self, one: _Alternative, common: Mapping[tuple[str, Key], int]) -> None:
        by_value = [
            (sum(common[entry] for entry in _entries(name, leaf)), name, leaf)
            for name, leaf in one.fields
            if _entries(name, leaf)
        ]
        if by_value:
            _, name, leaf = min(by_value, key=lambda entry: entry[0])
            for key in leaf.keys:
                self._by_value[name][key].append(one)
            return
        present = [name for name, leaf in one.fields if not leaf.absent]
        if present:
            # The longest name: a field deep in the detail is rarer than one that every event has.
            self._by_name[max(present, key=lambda name: (name.count("."), name))].append(one)
        else:
            self._always.append(one)

    def match(self, event: Mapping[str, Any]) -> list[Owner]:
        """Return the owners of the patterns that match ``event``, as parsed by ``loads``, in order."""
        found: Found = {}
        grouped = _Reader(self._names, found).read(event)
        candidates = list(self._always)
        for name, values in found.items():
            if name in self._by_name:
                candidates += self._by_name[name]
            by_value = self._by_value.get(name)
            if by_value:
                for key, _ in values:
                    if key in by_value:
                        candidates += by_value[key]
        matched: set[int] = set()
        for one in candidates:
            if one.owner not in matched and _holds(one, found, grouped):
                matched.add(one.owner)
        return [self._owners[index] for index in sorted(matched)]


def _beginnings(names: Iterable[str]) -> frozenset[str]:
    """Return the names and what they begin with, at each dot: what is worth reading of an event."""
    found: set[str] = set()
    for name in names:
        found.add(name)
        position = name.find(".")
        while position >= 0:
            found.add(name[:position])
            position = name.find(".", position + 1)
    return frozenset(found)


def _entries(name: str, leaf: Leaf) -> list[tuple[str, Key]]:
    """Return where a field can be filed by value; nothing if something else can match as well."""
    return [] if leaf.tests or leaf.absent else [(name, key) for key in leaf.keys]


class _Reader:
    """Reads an event into its fields. A dot in a name joins levels, as the patterns' names do."""

    def __init__(self, names: frozenset[str], found: Found) -> None:
        self._names = names
        self._found = found
        self._arrays = 0

    def read(self, event: Mapping[str, Any]) -> bool:
        """Read all of it; return whether values have to be in the same elements of arrays."""
        self._object("", event, ())
        return any(where for values in self._found.values() for _, where in values)

    def _object(self, prefix: str, members: Mapping[str, Any], where: Membership) -> None:
        for step, value in members.items():
            name = prefix + step
            if name in self._names:
                self._value(name, value, where)

    def _value(self, name: str, value: Any, where: Membership) -> None:
        if isinstance(value, dict):
            self._object(f"{name}.", value, where)
        elif isinstance(value, list):
            self._arrays += 1
            array = self._arrays
            for index, item in enumerate(value):
                nested = isinstance(item, dict | list)
                self._value(name, item, (*where, (array, index)) if nested else where)
        else:
            self._found.setdefault(name, []).append((key_of(value), where))


def _holds(one: _Alternative, found: Found, grouped: bool) -> bool:
    if grouped:
        return _Arrays(one, found).hold(0, {})
    for name, leaf in one.fields:
        values = found.get(name)
        if values is None:
            if not leaf.absent:
                return False
        elif not any(leaf.accepts(key) for key, _ in values):
            return False
    return True


class _Arrays:
    """Fields in arrays of objects: those of one array have to match in the same element.

    Chooses a value for each field in turn. What failed is remembered by the elements that matter to the
    remaining fields, so that independent arrays do not multiply.
    """

    def __init__(self, one: _Alternative, found: Found) -> None:
        self._fields = [
            (
                leaf.absent,
                [where for _, where in found.get(name, ())],
                [where for key, where in found.get(name, ()) if leaf.accepts(key)],
            )
            for name, leaf in one.fields
        ]
        self._later: list[frozenset[int]] = [frozenset()]
        for _, all_of_them, _ in reversed(self._fields):
            self._later.append(self._later[-1] | {array for where in all_of_them for array, _ in where})
        self._later.reverse()
        self._failed: set[tuple[int, frozenset[tuple[int, int]]]] = set()

    def hold(self, position: int, chosen: dict[int, int]) -> bool:
        """Return whether the fields from ``position`` on match, with the elements chosen so far."""
        if position == len(self._fields):
            return True
        state = position, frozenset(pair for pair in chosen.items() if pair[0] in self._later[position])
        if state in self._failed:
            return False
        absent, all_of_them, accepted = self._fields[position]
        is_absent = absent and not any(_fits(where, chosen) for where in all_of_them)
        if is_absent and self.hold(position + 1, chosen):
            return True
        for where in accepted:
            if _fits(where, chosen) and self.hold(position + 1, chosen | dict(where)):
                return True
        self._failed.add(state)
        return False


def _fits(where: Membership, chosen: Mapping[int, int]) -> bool:
    return all(chosen.get(array, index) == index for array, index in where)
