"""The head of a request: its line and headers, as the client sent them.

Contract: RFC 9112, sections 2 to 5. http.server reads heads with the parser for e-mail, which costs more than
all the rest of a small request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

KEY = "local_account.head"
"""Where a WSGI environment keeps the `Head` that it was made from."""
MAX_BYTES = 65_536
MAX_HEADERS = 100  # as http.client
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class MalformedHeadError(ValueError):
    """The bytes are not the head of a request that may be answered; ``status`` is the answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


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
    version: str = "HTTP/1.1"


def parse(raw: bytes) -> Head:
    """Return the head in ``raw``, which ends before the empty line. Raises MalformedHeadError."""
    lines = raw.decode("latin-1").split("\r\n")
    breaks = len(lines) - 1
    if breaks > MAX_HEADERS:
        raise MalformedHeadError(431, f"there are more than {MAX_HEADERS} headers")
    if raw.count(b"\n") != breaks or raw.count(b"\r") != breaks or b"\0" in raw:
        raise MalformedHeadError(400, "a line contains a line break or a null character")
    try:
        method, target, version = lines[0].split(" ")
    except ValueError:
        raise MalformedHeadError(400, "the request line is not METHOD TARGET VERSION") from None
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise MalformedHeadError(505, "only HTTP/1.1 and HTTP/1.0 are supported")
    if not _TOKEN.fullmatch(method):
        raise MalformedHeadError(400, "the method is not a token")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        known = _lower(name)
        if not colon:
            raise MalformedHeadError(400, "a header has no colon")
        value = value.strip(" \t")
        headers[known] = f"{headers[known]},{value}" if known in headers else value
    if not target.startswith("/"):
        target = _origin_form(target, headers)
    path, _, query = target.partition("?")
    return Head(method, path, query, headers, version)


@lru_cache(1024)
def _lower(name: str) -> str:
    # Also refuses a line that continues the header before it: it begins with a space.
    if not _TOKEN.fullmatch(name):
        raise MalformedHeadError(400, "the name of a header is not a token")
    return name.lower()


def _origin_form(target: str, headers: dict[str, str]) -> str:
    """Return path and query of an absolute URL, whose host replaces the header (RFC 9112, section 3.2.2)."""
    scheme, found, rest = target.partition("://")
    if target == "*":
        return target
    if not found or scheme.lower() not in ("http", "https"):
        raise MalformedHeadError(400, "the target is not a path")
    host, slash, path = rest.partition("/")
    headers["host"] = host
    return slash + path or "/"


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
