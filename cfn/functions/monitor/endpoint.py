"""Ask an endpoint about rows, in requests that are small enough and within a time limit."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ConnectionClosedError

from .held_out import Label, Row

if TYPE_CHECKING:
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointInputTypeDef

MAX_BODY = 6_291_456
"""SageMaker InvokeEndpoint: the longest body in bytes."""
INFERENCE_ID = "held-out-rows"
"""Captured data has it: these requests do not come from clients."""
BATCH_ROWS, BATCH_BYTES = 500, MAX_BODY // 6
"""One request has at most so much: its answer, with probabilities, has to stay below the limit, too."""


class EndpointError(Exception):
    """An endpoint did not answer, or refused.

    `status` is the model's HTTP status, 0 without any; `said` is its own reason. `closed` says that the
    connection was closed instead.
    """

    def __init__(self, message: str, status: int = 0, said: str = "", *, closed: bool = False) -> None:
        super().__init__(message)
        self.status, self.said, self.closed = status, said, closed

    @property
    def refused(self) -> bool:
        """Whether the model understood the request and would not answer it (4xx)."""
        return 400 <= self.status < 500


@dataclass
class Answers:
    """What an endpoint predicts, row by row; a regressor has no probabilities."""

    algorithm: str = ""
    labels: list[Label] = field(default_factory=list)
    probabilities: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Endpoint:
    """An endpoint; asking it ends at `deadline`, a moment of `clock`, in seconds."""

    runtime: SageMakerRuntimeClient
    name: str
    deadline: float
    clock: Callable[[], float] = time.monotonic

    def ask(self, rows: Sequence[Row], algorithm: str = "") -> Answers:
        """Return the predictions for `rows`; raises EndpointError."""
        found = Answers()
        for body, count in batches(rows):
            answer = _decode(self.send(body, algorithm), count, self.name)
            found.algorithm = answer.algorithm
            found.labels += answer.labels
            found.probabilities += answer.probabilities
        return found

    def send(self, body: bytes, algorithm: str = "", kind: str = "application/json") -> bytes:
        """Return the answer to one request; raises EndpointError, also after the deadline."""
        if self.clock() > self.deadline:
            raise EndpointError(f"{self.name} takes too long: there was no time left to ask")
        request: InvokeEndpointInputTypeDef = {
            "EndpointName": self.name,
            "ContentType": kind,
            "Body": body,
            "InferenceId": INFERENCE_ID,
        }
        if algorithm:
            request["CustomAttributes"] = f"algorithm={algorithm}"
        try:
            return self.runtime.invoke_endpoint(**request)["Body"].read()
        except ClientError as error:
            found = error.response
            code = found["Error"]["Code"]
            answered = found.get("OriginalStatusCode") or found["ResponseMetadata"].get("HTTPStatusCode")
            status = int(str(answered or 0))
            said = _reason(str(found.get("OriginalMessage") or found["Error"].get("Message", "")))
            raise EndpointError(f"{self.name} answered {code}: {said}", status, said) from error
        except BotoCoreError as error:  # no connection, or no answer in time
            closed = isinstance(error, ConnectionClosedError)
            raise EndpointError(f"{self.name} did not answer: {error}", closed=closed) from error


def batches(rows: Sequence[Row]) -> Iterator[tuple[bytes, int]]:
    """Yield the bodies that ask about all rows in order, and the number of rows in each."""
    part: list[str] = []
    size = 0
    for row in rows:
        text = json.dumps(list(row))
        if part and (len(part) == BATCH_ROWS or size + len(text) > BATCH_BYTES):
            yield _body(part), len(part)
            part, size = [], 0
        part.append(text)
        size += len(text) + 2
    if part:
        yield _body(part), len(part)


def _body(rows: Sequence[str]) -> bytes:
    return f'{{"instances": [{", ".join(rows)}]}}'.encode()


def _decode(body: bytes, count: int, name: str) -> Answers:
    try:
        found = json.loads(body)
        labels, shares = found["predictions"], found.get("probabilities", [])
        if len(labels) == count and len(shares) in (0, count):
            labels = [float(one) if isinstance(one, int | float) else str(one) for one in labels]
            return Answers(str(found.get("algorithm", "")), labels, shares)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EndpointError(f"{name} answered something other than predictions ({error})") from error
    with_shares = f" and probabilities for {len(shares)}" if shares else ""
    raise EndpointError(f"{name} answered {len(labels)} predictions{with_shares}, but was asked for {count}")


def _reason(text: str) -> str:
    """Return what the model server says, which is JSON with the member `error`."""
    try:
        found = json.loads(text)
    except ValueError:
        return text
    return str(found["error"]) if isinstance(found, dict) and "error" in found else text
