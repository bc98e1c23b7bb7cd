"""An instructor's request to a notebook instance, and its answer: two documents in the lab's bucket.

The API does not reach into a notebook instance. So its attendant (`lab_helpers.instance.attendant`) polls
for the request every two seconds, and at the start of the instance.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import asdict, dataclass
from typing import Any

SCHEMA = 1
TRIAL = "trial"


class RequestError(ValueError):
    """A document is not a valid request or answer."""


@dataclass(frozen=True)
class Request:
    """Restore the exercises and working copies to the start of notebook `to`.

    If `to` is TRIAL: check what the workshop assumes of an instance, and run the notebooks.
    """

    id: str
    to: str
    at: str
    """Time of the request, ISO 8601; names the folder for the learner's changes."""
    arguments: tuple[str, ...] = ()
    """Those of `lab_helpers run`, for a trial."""

    @classmethod
    def new(cls, to: str, at: str, arguments: tuple[str, ...] = ()) -> Request:
        """Return a request with a new id."""
        return cls(str(uuid.uuid4()), to, at, arguments)

    def to_json(self) -> bytes:
        """Return the document."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()

    @classmethod
    def from_json(cls, content: bytes) -> Request:
        """Read the document; raises RequestError."""
        found = _read(content)
        try:
            arguments = tuple(map(str, found.get("arguments", ())))
            return cls(str(found["id"]), str(found["to"]), str(found["at"]), arguments)
        except KeyError as error:
            raise RequestError(f"the request has no {error}") from error


@dataclass(frozen=True)
class Answer:
    """The outcome of a request; `error` is empty if it was carried out."""

    id: str
    error: str
    folder: str
    """Where the learner's changes are, relative to the workshop's home; empty if there were none."""
    kept: tuple[str, ...]
    """What that folder holds."""

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
        raise RequestError(f"it is not valid JSON: {error}") from error
    if not isinstance(found, dict) or found.get("schema") != SCHEMA:
        raise RequestError(
            f"it does not have the schema {SCHEMA}: use the same version of the workshop on both sides"
        )
    return found
