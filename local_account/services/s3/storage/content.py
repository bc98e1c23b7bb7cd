"""The bytes of a version, or of a range of it, to be sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from local_account.services.s3.storage.bodies import Bodies, Segment
from local_account.services.s3.storage.records import ObjectVersion

CHUNK = 256 * 1024
"""Bytes that are read at a time."""


class Content:
    """Bytes of a version that stay readable until it is closed; iterate it for chunks of at most 256 KiB.

    Attributes
    ----------
    version : what the bytes belong to.
    size : the number of bytes; of the range, if it was narrowed.
    data : all of them if they are few, else None: then ``segments()`` says in which files they are.
    """

    __slots__ = ("_bodies", "_pieces", "_pinned", "_whole", "data", "size", "version")

    def __init__(
        self, version: ObjectVersion, data: bytes | None, bodies: Bodies, pinned: list[Segment]
    ) -> None:
        self.version = version
        self.size = version.size
        self.data = self._whole = data
        self._bodies = bodies
        self._pinned = pinned
        self._pieces = [(identifier, 0, size) for identifier, size in pinned]

    def narrow(self, start: int, end: int) -> None:
        """Leave only the bytes from ``start`` to ``end`` (exclusive) of the version."""
        start, end = max(start, 0), min(end, self.version.size)
        self.size = max(end - start, 0)
        if self._whole is not None:
            self.data = self._whole[start:end]
            return
        self._pieces = []
        begin = 0
        for identifier, size in self._pinned:
            first, last = max(start, begin), min(end, begin + size)
            if first < last:
                self._pieces.append((identifier, first - begin, last - first))
            begin += size

    def pieces(self) -> list[tuple[Segment, int, int]]:
        """Return (file, offset, length) of the bytes in order."""
        sizes = dict(self._pinned)
        return [((body, sizes[body]), offset, length) for body, offset, length in self._pieces]

    def segments(self) -> list[tuple[Path, int, int]]:
        """Return (path, offset, length) of the bytes in order; [] if there are none or ``data`` has them."""
        return [(Path(self._bodies.path(body)), offset, length) for body, offset, length in self._pieces]

    def __iter__(self) -> Iterator[bytes]:
        if self.data is not None:
            if self.data:
                yield self.data
            return
        for body, begin, length in self._pieces:
            offset, end = begin, begin + length
            descriptor = os.open(self._bodies.path(body), os.O_RDONLY)
            try:
                while offset < end:
                    chunk = os.pread(descriptor, min(CHUNK, end - offset), offset)
                    if not chunk:
                        raise OSError(f"the file of body {body} ends at {offset} instead of {end}")
                    yield chunk
                    offset += len(chunk)
            finally:
                os.close(descriptor)

    def __enter__(self) -> Content:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the bytes; a second time does nothing."""
        if self._pinned:
            pinned, self._pinned = self._pinned, []
            self._pieces = []
            self._bodies.unpin(identifier for identifier, _ in pinned)
