"""The bytes of objects: files, written once, shared by reference, unlinked when nothing refers to them."""

from __future__ import annotations

from types import TracebackType


class Body:
    """Bytes that were received: ``size`` of them. They are stored by naming it in ``put`` or ``put_part``."""

    __slots__ = ("data", "id", "size", "stored")

    def __init__(self, identifier: int, size: int, data: bytes | None) -> None:
        self.id = identifier
        self.size = size
        self.data = data
        self.stored = False


class Receiver:
    """Takes a body in pieces; a context manager that deletes what was not stored."""

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        raise NotImplementedError

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes. Raises OSError if the disk is full."""
        raise NotImplementedError

    def finish(self) -> Body:
        """Return the whole body."""
        raise NotImplementedError
