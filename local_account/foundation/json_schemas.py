"""The library that checks JSON documents against their schemas, loaded at its first use."""

from __future__ import annotations

import functools
import importlib
import threading
from typing import Any

from local_account.foundation.libraries import absent

_LOADING = threading.Lock()  # the first use may come while warm_up loads it
_FORMATS = (
    *("fqdn", "isoduration", "jsonpointer", "rfc3339_validator", "rfc3987", "rfc3987_syntax"),
    *("uri_template", "webcolors"),
)
"""Of optional checks of formats, which are not used here. One would compile a grammar for two seconds; the
others take 3 MB."""


def jsonschema() -> Any:
    """Return the library, without what only its optional checks of formats need."""
    with _LOADING:
        return _load()


@functools.cache
def _load() -> Any:
    with absent(*_FORMATS):
        return importlib.import_module("jsonschema")
