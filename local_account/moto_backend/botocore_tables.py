"""botocore's data files in the account's process: read once, shared, and no more of them than is used.

botocore reads a service's model for each client, and moto reads it again. Both keep all of it, and use few of
its operations and shapes; most of it is documentation. Here the operations and shapes of a model, and the
services in the table of endpoints, stay text until they are used. The rules for endpoints repeat
themselves: equal parts are one object.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView
from functools import cache
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import msgspec
from botocore.loaders import JSONFileLoader, Loader

_MODEL, _RULES = "service-2", "endpoint-rule-set-1"
_MODIFIED = {"s3"}
"""Services whose models botocore modifies for each client."""
_TEXT = rb'"documentation"\s*:\s*"[^"\\]*(?:\\.[^"\\]*)*"'
# JSON has no name before a colon elsewhere, and no quotation mark within a text that is not escaped.
_DOCUMENTATION = re.compile(rb",\s*" + _TEXT + rb"|" + _TEXT + rb"\s*,?", re.DOTALL)


class Node(dict[str, Any]):
    """A JSON object that is forgotten when nobody uses it."""

    __slots__ = ("__weakref__",)


class Unread(dict[str, Any]):
    """A JSON object of objects, each of which is read when it is needed, and again if nobody kept it.

    Who changes one has to set it, too: then it stays.
    """

    def __init__(self, text: bytes | msgspec.Raw) -> None:
        super().__init__(msgspec.json.decode(text, type=dict[str, msgspec.Raw]))
        self._read: WeakValueDictionary[str, Node] = WeakValueDictionary()

    def __getitem__(self, name: str) -> Any:
        found = super().__getitem__(name)
        if type(found) is not msgspec.Raw:
            return found
        node = self._read.get(name)
        if node is None:
            self._read[name] = node = Node(msgspec.json.decode(found))
        return node

    def get(self, name: str, default: Any = None) -> Any:
        """Return an object, or the default."""
        return self[name] if name in self else default  # noqa: SIM401 - that is this method

    def __iter__(self) -> Iterator[str]:
        # Without this, CPython would copy what is unread.
        return super().__iter__()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """Return names and objects."""
        return ItemsView(self)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """Return the objects."""
        return ValuesView(self)


def share() -> None:
    """Make all sessions of this process share the files; calling it again does no harm."""
    read, search = JSONFileLoader.load_file, Loader.list_available_services
    if getattr(read, "shared", False):
        return
    once = cache(_read)

    def load_file(loader: JSONFileLoader, file_path: str) -> Any:
        path = Path(file_path)
        if path.name not in _READERS:
            return read(loader, file_path)
        if path.name != _MODEL:
            return once(file_path)
        if path.parent.parent.name in _MODIFIED:
            return _read(file_path)
        model = once(file_path)
        # Moto's facade sets the protocol in the metadata.
        return model and {**model, "metadata": dict(model["metadata"])}

    found: dict[tuple[str, ...], list[str]] = {}

    def list_available_services(loader: Loader, type_name: str) -> list[str]:
        key = (type_name, *loader.search_paths)
        if key not in found:  # scans 400 directories, 60 ms
            found[key] = search(loader, type_name)
        return found[key]

    load_file.shared = True  # type: ignore[attr-defined]
    JSONFileLoader.load_file = load_file  # type: ignore[method-assign, assignment]
    Loader.list_available_services = list_available_services  # type: ignore[method-assign, assignment]


def _read(file_path: str) -> Any:
    """Read a file with or without compression; None if there is none."""
    for ending, opened in ((".json", open), (".json.gz", gzip.open)):
        path = Path(file_path + ending)
        if path.is_file():
            with opened(path, "rb") as file:
                return _READERS[Path(file_path).name](file.read(), path.parent)
    return None


def _model(text: bytes, directory: Path) -> Any:
    """Return a service's model without documentation, operations and shapes unread."""
    lean = msgspec.json.format(_DOCUMENTATION.sub(b"", text), indent=-1)
    model: dict[str, Any] = {}
    for name, part in msgspec.json.decode(lean, type=dict[str, msgspec.Raw]).items():
        model[name] = Unread(part) if name in ("operations", "shapes") else msgspec.json.decode(part)
    for parameter in model.get("clientContextParams", {}).values():
        parameter["documentation"] = ""  # botocore requires it
    for kind, names in _extras(directory).items():
        for name in names if isinstance(model.get(kind), Unread) else ():
            if name in model[kind]:
                model[kind][name] = model[kind][name]
    return model


def _extras(directory: Path) -> Mapping[str, Any]:
    """Return what botocore will merge into a model."""
    path = directory / f"{_MODEL}.sdk-extras.json"
    merged: Mapping[str, Any] = msgspec.json.decode(path.read_bytes())["merge"] if path.is_file() else {}
    return merged


def _endpoints(text: bytes, _: Path) -> Any:
    """Return the table of endpoints, services unread."""
    table = msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    partitions = msgspec.json.decode(table["partitions"], type=list[dict[str, msgspec.Raw]])
    return {
        **{name: msgspec.json.decode(part) for name, part in table.items()},
        "partitions": [
            {
                name: Unread(msgspec.json.format(part, indent=-1)) if name == "services" else _decoded(part)
                for name, part in partition.items()
            }
            for partition in partitions
        ],
    }


def _decoded(text: bytes | msgspec.Raw, _: Path | None = None) -> Any:
    return msgspec.json.decode(text)


def _rules(text: bytes, _: Path) -> Any:
    """Return rules for endpoints: those of S3 would take 12 MB if equal parts were not one object."""
    known: dict[Any, Any] = {}

    def shared(value: Any) -> Any:
        key: Any
        if isinstance(value, dict):
            value = {name: shared(one) for name, one in value.items()}
            key = (dict, *((name, id(one)) for name, one in value.items()))
        elif isinstance(value, list):
            value = [shared(one) for one in value]
            key = (list, *(id(one) for one in value))
        else:
            key = (type(value), value)
        return known.setdefault(key, value)

    return shared(msgspec.json.decode(_DOCUMENTATION.sub(b"", text)))


_READERS: dict[str, Callable[[bytes, Path], Any]] = {
    _MODEL: _model,
    _RULES: _rules,
    "endpoints": _endpoints,
    "partitions": _decoded,
}
