"""botocore's data files in the account's process: read once, shared, and without what nobody reads here.

botocore reads a service's model for each client, and moto reads it again. Both keep it, with its
documentation, which is most of it. With 14 services, sharing the models and leaving out the documentation
saves 55 MB of memory.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

_TABLES = {"endpoints", "partitions"}
_MODEL = "service-2"
_MODIFIED = {"s3"}
"""Services whose models botocore modifies for each client."""


def share() -> None:
    """Make all sessions of this process share the files; calling it again does no harm."""
    read, search = JSONFileLoader.load_file, Loader.list_available_services
    if getattr(read, "shared", False):
        return
    once = cache(_read)

    def load_file(loader: JSONFileLoader, file_path: str) -> Any:
        path = Path(file_path)
        if path.name in _TABLES:
            return once(file_path)
        if path.name != _MODEL:
            return read(loader, file_path)
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
                document = json.loads(file.read(), object_pairs_hook=_lean())
            for parameter in document.get("clientContextParams", {}).values():
                parameter["documentation"] = ""  # botocore requires it
            return document
    return None


def _lean() -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return a hook for JSON objects: leaves out documentation, and shares references to shapes."""
    references: dict[str, dict[str, Any]] = {}

    def lean(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        # A shape may have a member of that name: that is an object, and not a text.
        kept = {name: value for name, value in pairs if name != "documentation" or type(value) is not str}
        if len(kept) == 1 and type(shape := kept.get("shape")) is str:
            return references.setdefault(shape, kept)
        return kept

    return lean
