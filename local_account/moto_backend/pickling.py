"""One object of moto as bytes; objects that have bytes of their own are in it as numbers.

The class comes first, then the content: all objects can be created before any content is read, so objects may
refer to each other in a circle.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any


class _Pickler(pickle.Pickler):
    def __init__(self, stream: io.BytesIO, root: object, number: Callable[[object], int | None]) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self._root = root
        self._number = number
        self.references: set[int] = set()

    def persistent_id(self, value: object) -> int | None:
        """Return the number of an object that is pickled elsewhere."""
        if value is self._root:
            return None
        number = self._number(value)
        if number is not None:
            self.references.add(number)
        return number


class _Unpickler(pickle.Unpickler):
    def __init__(self, stream: io.BytesIO, objects: Mapping[int, object]) -> None:
        super().__init__(stream)
        self._objects = objects
        self.references: set[int] = set()

    def persistent_load(self, number: int) -> object:
        """Return the object that a number stands for."""
        self.references.add(number)
        return self._objects[number]


def content(value: Any) -> dict[Any, Any]:
    """Return what makes up an object: its attributes, or a dictionary itself."""
    found: dict[Any, Any] = value if isinstance(value, dict) else vars(value)
    return found


def dump(value: object, number: Callable[[object], int | None]) -> tuple[bytes, frozenset[int]]:
    """Return an object's bytes, and the numbers of the objects that it refers to."""
    stream = io.BytesIO()
    pickle.dump(type(value), stream, pickle.HIGHEST_PROTOCOL)
    inside = content(value)
    pickler = _Pickler(stream, inside, number)
    pickler.dump(inside)
    return stream.getvalue(), frozenset(pickler.references)


def empty(data: bytes) -> Any:
    """Return a new object of the class that the bytes name, without content."""
    kind: type[object] = pickle.load(io.BytesIO(data))  # noqa: S301 - our own file, mode 600
    return object.__new__(kind) if kind is not dict else {}


def fill(value: object, data: bytes, objects: Mapping[int, object]) -> frozenset[int]:
    """Put the content in the bytes into an object; return the numbers of those that it refers to."""
    stream = io.BytesIO(data)
    pickle.load(stream)  # noqa: S301 - our own file, mode 600
    unpickler = _Unpickler(stream, objects)
    content(value).update(unpickler.load())
    return frozenset(unpickler.references)
