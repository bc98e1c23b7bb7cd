"""A backend of moto in rows: saving costs what changed, and not what is there.

A backend is an object with dictionaries of objects (roles, users, policies) and a few other attributes. Each
entry of a `Collection` is a row; the other attributes are one row together, the rest. An object that has a
row is in other rows as a number, so it stays one object. To find what a request changed, `Rows.save` compares
keys, and pickles only the entries that the caller names. If the caller does not know, it pickles all of them,
and writes those that differ.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from local_account.moto_backend.database import BackendKey, Database, Stored
from local_account.moto_backend.pickling import dump, empty, fill

_REST, _BACKEND = 0, -1
_Where = tuple[str, ...]


@dataclass(frozen=True)
class Collection:
    """A dictionary of a backend."""

    attribute: str
    levels: int = 1
    """2 for a dictionary of dictionaries."""
    name: str = ""
    """The attribute by which requests name an entry; empty if it is the entry's (last) key."""


@dataclass(frozen=True)
class Named:
    """What a request names: an entry of a collection, which may not exist."""

    collection: str
    name: str


@dataclass(eq=False)
class _Row:
    number: int
    collection: str
    path: _Where
    value: Any
    digest: bytes = b""
    """Of the bytes in the file; empty until they are there."""
    references: frozenset[int] = field(default_factory=frozenset)


class Rows:
    """The rows of one backend. The caller lets nothing change the backend during a call."""

    def __init__(
        self, database: Database, key: BackendKey, backend: Any, collections: Iterable[Collection]
    ) -> None:
        self._database = database
        self._key = key
        self._backend = backend
        self._collections = {one.attribute: one for one in collections}
        self._rows: dict[str, dict[_Where, _Row]] = {name: {} for name in self._collections}
        self._paths: dict[str, dict[str, _Where]] = {name: {} for name in self._collections}
        self._numbers: dict[int, int] = {id(backend): _BACKEND}
        """By the `id` of the object, which its row keeps alive."""
        self._referring: dict[int, set[_Row]] = {}
        self._rest = _Row(_REST, "", (), None)
        self._seen: dict[str, dict[str, Any]] = {}
        """The collections as of the last save."""
        self._next = _REST + 1
        self._gone: set[int] = set()
        self.complete = False
        """Whether the file had everything after the last save; otherwise the next one compares all."""

    def load(self) -> None:
        """Replace the backend's content by that of the file."""
        stored = self._database.read(self._key)
        for name in self._collections:
            getattr(self._backend, name).clear()
        objects: dict[int, Any] = {_BACKEND: self._backend}
        objects |= {one.number: empty(one.value) for one in stored if one.number != _REST}
        for one in stored:
            if one.number == _REST:
                rest: dict[str, Any] = {}
                row, references = self._rest, fill(rest, one.value, objects)
                vars(self._backend).update(rest)
            else:
                row = _Row(one.number, one.collection, one.path, objects[one.number])
                references = fill(row.value, one.value, objects)
                self._enter(row)
                _put(getattr(self._backend, one.collection), row)
            self._saved(row, one.value, references)
        self._next = max((one.number for one in stored), default=_REST) + 1
        for name, collection in self._collections.items():
            self._seen[name] = _copy(getattr(self._backend, name), collection.levels)
        self.complete = True

    def save(self, named: Iterable[Named] | None, *, rest: bool = True) -> None:
        """Write what changed since the last save; durable when this returns.

        Parameters
        ----------
        named
            The entries that may have changed, besides new and removed ones; None: any.
        rest
            Whether what is in no collection may have changed.

        Raises sqlite3.Error if it could not be written; then the next save writes it.
        """
        known = list(named) if named is not None and self.complete else None
        self.complete = False
        candidates = self._removed_and_new(known)
        candidates.update(self._all() if known is None else self._named(known))
        if rest or known is None:
            candidates.add(self._rest)
        self._rest.value = {
            name: one for name, one in vars(self._backend).items() if name not in self._collections
        }
        dumped = [(row, *dump(row.value, self._number)) for row in candidates if row.number not in self._gone]
        changed = [(row, data, to) for row, data, to in dumped if _digest(data) != row.digest]
        if changed or self._gone:
            rows = (Stored(row.number, row.collection, row.path, data) for row, data, _ in changed)
            self._database.write(self._key, self._gone, rows)
        for row, data, references in changed:
            self._saved(row, data, references)
        self._gone.clear()
        self.complete = True

    # --- what a save looks at

    def _removed_and_new(self, named: Sequence[Named] | None) -> set[_Row]:
        """Drop removed entries, enter new ones; return the new ones, and those that refer to removed ones."""
        found: set[_Row] = set()
        for name, collection in self._collections.items():
            there = getattr(self._backend, name)
            # Comparing dictionaries compares identities first: some 15 ns an entry.
            if named is not None and there == self._seen[name] and not self._replaced(there, name, named):
                continue
            entries, rows = dict(_entries(there, collection.levels)), self._rows[name]
            for row in [row for path, row in rows.items() if entries.get(path) is not row.value]:
                found |= self._drop(row)
            for path in [path for path in entries if path not in rows]:
                found.add(self._enter(_Row(self._next, name, path, entries[path])))
                self._next += 1
            self._seen[name] = _copy(there, collection.levels)
        return found

    def _replaced(self, there: dict[str, Any], collection: str, named: Iterable[Named]) -> bool:
        rows = self._named([one for one in named if one.collection == collection])
        return any(_get(there, row.path) is not row.value for row in rows)

    def _named(self, named: Iterable[Named]) -> Iterator[_Row]:
        for one in named:
            path = self._paths[one.collection].get(one.name)
            if path is not None:
                yield self._rows[one.collection][path]

    def _all(self) -> Iterator[_Row]:
        for rows in self._rows.values():
            yield from rows.values()

    # --- the index of rows

    def _enter(self, row: _Row) -> _Row:
        self._rows[row.collection][row.path] = row
        self._paths[row.collection][self._name(row)] = row.path
        self._numbers[id(row.value)] = row.number
        return row

    def _drop(self, row: _Row) -> set[_Row]:
        """Forget a row; return the rows that refer to it: its value becomes part of them."""
        del self._rows[row.collection][row.path]
        self._paths[row.collection].pop(self._name(row), None)
        del self._numbers[id(row.value)]
        self._gone.add(row.number)
        for number in row.references:
            self._referring[number].discard(row)
        return self._referring.pop(row.number, set())

    def _saved(self, row: _Row, data: bytes, references: frozenset[int]) -> None:
        for number in row.references - references:
            self._referring.get(number, set()).discard(row)
        for number in references - row.references:
            self._referring.setdefault(number, set()).add(row)
        row.digest, row.references = _digest(data), references

    def _name(self, row: _Row) -> str:
        attribute = self._collections[row.collection].name
        return str(getattr(row.value, attribute)) if attribute else row.path[-1]

    def _number(self, value: object) -> int | None:
        return self._numbers.get(id(value))


def _entries(where: dict[str, Any], levels: int, path: _Where = ()) -> Iterator[tuple[_Where, Any]]:
    for key, value in where.items():
        if levels == 1:
            yield (*path, key), value
        else:
            yield from _entries(value, levels - 1, (*path, key))


def _copy(where: dict[str, Any], levels: int) -> dict[str, Any]:
    return {key: _copy(value, levels - 1) for key, value in where.items()} if levels > 1 else dict(where)


def _get(where: dict[str, Any], path: _Where) -> Any:
    found: Any = where
    for key in path:
        found = found.get(key, {})
    return found


def _put(where: dict[str, Any], row: _Row) -> None:
    for key in row.path[:-1]:
        where = where.setdefault(key, {})
    where[row.path[-1]] = row.value


def _digest(data: bytes) -> bytes:
    return hashlib.blake2b(data, digest_size=16).digest()
