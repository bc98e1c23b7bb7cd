"""The base class of every service of the local account."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from local_account.foundation.account import Account

Answer = Mapping[str, object]
"""What an operation answers, by botocore's names; members that are None are left out."""


@dataclass(frozen=True)
class Encoded:
    """An answer that is JSON already: with thousands of records, serializing would take most of the time."""

    body: bytes

    @classmethod
    def of(cls, answer: Answer) -> Encoded:
        """Encode an answer that has nothing but what JSON has, and no member that is None."""
        return cls(msgspec.json.encode(answer))


def moment(value: object) -> datetime:
    """Return a time of a request, which the gateway has parsed."""
    if not isinstance(value, datetime):
        raise TypeError(f"a time should have been parsed, but is {value!r}")
    return value


def blob(value: object) -> bytes:
    """Return a blob of a request, which the gateway has read."""
    if not isinstance(value, bytes):
        raise TypeError(f"a blob should have been read, but is a {type(value).__name__}")
    return value


class Service:
    """One AWS service. A public method named after an operation in boto3's snake case implements it.

    Operations take the validated request as a dict in botocore's casing and return the response likewise.
    How both are typed, and what a service keeps:

    - The request is boto3-stubs' TypedDict of the operation's input: ``params: CreatePipelineInputTypeDef``.
    - The answer is ``Answer``. boto3-stubs' types of whole answers are for clients: they require every
      member, including ResponseMetadata. The parts of an answer have boto3-stubs' types where they are
      made: ``def summary(...) -> PipelineExecutionSummaryTypeDef``.
    - A document in a table is a TypedDict of the module that owns the table, with a line for each member
      whose name does not explain it: ``account.store.table("codepipeline.executions", Execution)``.
    - Times and blobs, which boto3-stubs lets clients write in several ways, go through ``moment`` and
      ``blob``.
    - boto3-stubs is only for the type checker: import ``mypy_boto3_...`` under ``TYPE_CHECKING``.
    - ``Params`` remains for documents of unknown shape: properties of a template, events.
    """

    name: ClassVar[str]
    """botocore's service name, such as ``codebuild``."""
    validation_error: ClassVar[str] = "ValidationException"
    """Error code for requests that do not match the service's model."""
    requests: ClassVar[Mapping[str, Any]] = {}
    """Types of long requests, by operation, for the protocol ``json``.

    msgspec decodes and checks them in one pass, a hundred times faster than botocore's validator. What does
    not fit the type is left to botocore's model, which says why; so the type must not accept more than that
    (unknown members of the request itself are ignored, as AWS does).
    """

    def __init__(self, account: Account) -> None:
        self.account = account

    def start(self) -> None:
        """Recover what was in flight; called once, when the gateway is listening."""

    def stop(self) -> None:
        """End everything the service started; called once."""

    def paths(self) -> Mapping[str, Callable[[Request], Response]]:
        """Return what answers requests without a signature, by the beginning of their path (`/_NAME/…`)."""
        return {}

    def trim(self) -> None:
        """Give back memory that only makes the next request faster; called once a minute."""

    def close(self) -> None:
        """Close files; called once, after the last request."""


class HttpService(Service):
    """A service that reads and answers HTTP itself, because its bodies are streamed."""

    def respond(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Answer one request (WSGI)."""
        raise NotImplementedError
