"""What an instructor asks of a notebook instance, and what it answers: two documents in the lab's bucket.

Nobody can reach a notebook instance through the API. Its attendant (`lab_helpers.instance.attendant`) looks
for the request every other second, and at the start of the instance.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1


class RequestError(ValueError):
    """A document that is none of these."""


@dataclass(frozen=True)
class Request:
    """Put the exercises and working copies back to the state at the start of notebook `to`."""

    id: str
    to: str
    at: str
    """When it was asked, ISO 8601; names the folder that the learner's changes go to."""

    @classmethod
    def new(cls, to: str, at: str) -> Request:
        """Return a request with an id of its own."""
        return cls(str(uuid.uuid4()), to, at)

    def to_json(self) -> bytes:
        """Return the document."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Request:
        """Read the document; raises RequestError."""
        found = _read(content)
        try:
            return cls(str(found["id"]), str(found["to"]), str(found["at"]))
        except KeyError as error:
            raise RequestError(f"the request has no {error}") from error


@dataclass(frozen=True)
class Answer:
    """What became of a request: `error` is empty when it was carried out."""

    id: str
    error: str
    folder: str
    """Where the learner's changes are, relative to the home of the workshop; empty when there were none."""
    kept: tuple[str, ...]
    """What is in there."""

    def to_json(self) -> bytes:
        """Return the document."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Answer:
        """Read the document; raises RequestError."""
        found = _read(content)
        try:
            return cls(found["id"], found["error"], found["folder"], tuple(found["kept"]))
        except KeyError as error:
            raise RequestError(f"the answer has no {error}") from error


def _read(content: bytes) -> dict[str, Any]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise RequestError(f"no JSON: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise RequestError(f"schema {SCHEMA} is expected")
    return found
