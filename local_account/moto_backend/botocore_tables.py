"""botocore's tables of partitions, endpoints and services, read once instead of by each of moto's loaders."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader, Loader

# Service models are not included: botocore modifies those of S3 for each client.
TABLES = {"endpoints", "partitions"}


def share() -> None:
    """Make all sessions of this process share the tables; calling it again does no harm."""
    read, search = JSONFileLoader.load_file, Loader.list_available_services
    if getattr(read, "shared", False):
        return
    once = cache(lambda path: read(JSONFileLoader(), path))

    def load_file(loader: JSONFileLoader, file_path: str) -> Any:
        return once(file_path) if Path(file_path).name in TABLES else read(loader, file_path)

    found: dict[tuple[str, ...], list[str]] = {}

    def list_available_services(loader: Loader, type_name: str) -> list[str]:
        key = (type_name, *loader.search_paths)
        if key not in found:  # scans 400 directories, 60 ms
            found[key] = search(loader, type_name)
        return found[key]

    load_file.shared = True  # type: ignore[attr-defined]
    JSONFileLoader.load_file = load_file  # type: ignore[method-assign, assignment]
    Loader.list_available_services = list_available_services  # type: ignore[method-assign, assignment]
