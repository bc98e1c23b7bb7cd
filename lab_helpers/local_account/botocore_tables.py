"""botocore's tables of partitions and endpoints, read once: each of moto's many sessions would read them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from botocore.loaders import JSONFileLoader

# Service models are not among them: botocore changes those of S3 for each client.
TABLES = {"endpoints", "partitions"}


def share() -> None:
    """Let all sessions of this process read the tables once; harmless when done before."""
    read = JSONFileLoader.load_file
    if getattr(read, "shared", False):
        return
    once = cache(lambda path: read(JSONFileLoader(), path))

    def load_file(loader: JSONFileLoader, file_path: str) -> Any:
        return once(file_path) if Path(file_path).name in TABLES else read(loader, file_path)

    load_file.shared = True  # type: ignore[attr-defined]
    JSONFileLoader.load_file = load_file  # type: ignore[method-assign, assignment]
