"""Mini-batches: how the content of an object is divided into the requests of a transform job.

Contract: CreateTransformJob and TransformInput in the SageMaker API.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

MEGABYTE = 1 << 20


class TooLargeError(Exception):
    """A record is larger than the largest payload; the message says so."""


@dataclass(frozen=True)
class Batching:
    """How to divide: ``payload`` is the largest request in bytes, None for one without limit."""

    lines: bool
    """Whether lines are records (SplitType Line); otherwise the whole object is one."""
    single: bool
    """Whether each record is a request of its own (SingleRecord)."""
    payload: int | None

    def divide(self, content: IO[bytes]) -> Iterator[Sequence[bytes]]:
        """Yield the records of each request, in order. Raises TooLargeError.

        Lines keep their newline; empty lines are not records.
        """
        batch: list[bytes] = []
        size = 0
        for record in self._records(content):
            self._check(len(record))
            full = self.payload is not None and size + len(record) > self.payload
            if batch and (self.single or full):
                yield batch
                batch, size = [], 0
            batch.append(record)
            size += len(record)
        if batch:
            yield batch

    def _records(self, content: IO[bytes]) -> Iterator[bytes]:
        if not self.lines:
            whole = content.read() if self.payload is None else content.read(self.payload + 1)
            if whole:
                yield whole
            return
        longest = -1 if self.payload is None else self.payload + 1
        while line := content.readline(longest):
            if line.strip(b"\r\n"):
                yield line

    def _check(self, size: int) -> None:
        if self.payload is not None and size > self.payload:
            raise TooLargeError(
                f"a record is larger than MaxPayloadInMB ({self.payload // MEGABYTE}): raise it, or split "
                "the object into records"
            )


def assembled(answer: bytes, *, lines: bool) -> bytes:
    """Return an answer as it is stored: with AssembleWith Line, a newline ends it.

    Differs from AWS (sagemaker): an answer that already ends with a newline gets no other one; AWS does not
    document that case.
    """
    return answer if not lines or not answer or answer.endswith(b"\n") else answer + b"\n"
