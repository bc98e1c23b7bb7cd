"""Bodies that are not held in memory: requests as they arrive, and answers from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable


class Stream(Protocol):
    """The body of a request (``wsgi.input``)."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes, all that remain for -1, and b"" at the end."""


@runtime_checkable
class Segmented(Protocol):
    """The body of an answer that is in files: ``Response(response=body)``, with its Content-Length.

    The connection sends the segments from file to socket (sendfile), and calls ``close`` at the end. Where a
    connection cannot, it iterates.
    """

    def segments(self) -> Sequence[tuple[Path, int, int]]:
        """Return the files in order, each with offset and length in bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in chunks."""

    def close(self) -> None:
        """Release the files."""
