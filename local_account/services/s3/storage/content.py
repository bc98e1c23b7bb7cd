"""The bytes of a version, or of a range of it, to be sent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from local_account.services.s3.storage.records import ObjectVersion

CHUNK = 256 * 1024
"""Bytes that are read at a time."""


class Content:
    """Bytes of a version that stay readable until it is closed; iterate it for chunks of at most 256 KiB.

    ``data`` has all of the bytes if they are few, else None: then ``segments()`` says in which files they
    are. ``size`` is the number of bytes of the range, and ``version`` what they belong to.
    """

    version: ObjectVersion
    size: int
    data: bytes | None

    def narrow(self, start: int, end: int) -> None:
        """Leave only the bytes from ``start`` to ``end`` (exclusive) of the version."""
        raise NotImplementedError

    def segments(self) -> list[tuple[Path, int, int]]:
        """Return (path, offset, length) of the bytes in order; [] if there are none or ``data`` has them."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[bytes]:
        raise NotImplementedError

    def __enter__(self) -> Content:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the bytes; a second time does nothing."""
        raise NotImplementedError
