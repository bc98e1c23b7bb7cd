"""The head of a request: its line and headers, as the client sent them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEY = "local_account.head"
"""Where a WSGI environment keeps the `Head` that it was made from."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a request.

    ``path`` and ``query`` are as on the request line: still percent-encoded, which is what a signature
    covers. ``headers`` have lower-case names (underscores and dashes as they came) and values without
    surrounding space; the values of a repeated header are joined with a comma.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]


def head_of(environ: Mapping[str, Any]) -> Head:
    """Return the head that the connection read; of another server's environment, as much as WSGI keeps."""
    found = environ.get(KEY)
    if isinstance(found, Head):
        return found
    path, _, query = str(environ.get("RAW_URI") or environ["PATH_INFO"]).partition("?")
    headers = {
        name[5:].lower().replace("_", "-"): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if environ.get(name):
            headers[name.lower().replace("_", "-")] = environ[name]
    return Head(environ["REQUEST_METHOD"], path, query or environ.get("QUERY_STRING", ""), headers)
