"""The library that checks JSON documents against their schemas, loaded at its first use."""

from __future__ import annotations

import functools
import importlib
import sys
import threading
from typing import Any

_LOADING = threading.Lock()  # the first use may come while warm_up loads it


def jsonschema() -> Any:
    """Return the library, without the grammar that it would take two seconds to compile.

    The grammar is for an optional format checker that is not used here and is left out if it is missing.
    """
    with _LOADING:
        return _load()


@functools.cache
def _load() -> Any:
    absent = sys.modules.setdefault("rfc3987_syntax", None) is None  # type: ignore[arg-type]
    try:
        return importlib.import_module("jsonschema")
    finally:
        if absent:
            del sys.modules["rfc3987_syntax"]
