"""Bodies that are not held in memory: requests as they arrive, and answers from files.

Contract: RFC 9112, sections 6 and 7.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

CHUNK = 262_144
_LINE_BYTES = 4096
_TRAILER_BYTES = 16_384
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;.*)?")


class DisconnectedError(ConnectionError):
    """The client went away before its request was complete: there is nobody to answer."""


class MalformedBodyError(ValueError):
    """The chunks of a request are not as RFC 9112 has them."""


class Stream(Protocol):
    """The body of a request (``wsgi.input``)."""

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes, or all that remain if there are fewer or for -1; b"" at the end."""


@runtime_checkable
class Segmented(Protocol):
    """The body of an answer that is in files.

    An application answers ``Response(body, direct_passthrough=True)`` with a Content-Length. The connection
    sends the segments from file to socket (sendfile), and calls ``close`` at the end.
    """

    def segments(self) -> Sequence[tuple[Path, int, int]]:
        """Return the files in order, each with offset and length in bytes."""

    def __iter__(self) -> Iterator[bytes]:
        """Yield the content in chunks, for servers that know nothing of segments."""

    def close(self) -> None:
        """Release the files."""


class Source:
    """What a client sends, in order; what arrives early is kept for the next reader."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._early = b""

    def until(self, end: bytes, limit: int) -> bytes | None:
        """Return what precedes ``end``, which is consumed, too; None if the client closed first.

        Raises OverflowError if more than ``limit`` bytes precede it.
        """
        found = self._early
        while (at := found.find(end)) < 0:
            if len(found) > limit:
                raise OverflowError
            more = self._socket.recv(16_384)
            if not more:
                return None
            found = found + more if found else more
        if at > limit:
            raise OverflowError
        self._early = found[at + len(end) :]
        return found[:at]

    def exactly(self, size: int) -> bytes:
        """Return ``size`` bytes. Raises DisconnectedError."""
        early = self._early
        if len(early) >= size:
            self._early = early[size:]
            return early[:size]
        self._early = b""
        rest = self._socket.recv(size - len(early), socket.MSG_WAITALL)
        found = early + rest if early else rest
        while len(found) < size:  # a signal, or a timeout in the middle, ends the wait early
            more = self._socket.recv(size - len(found), socket.MSG_WAITALL)
            if not more:
                raise DisconnectedError(f"{size - len(found)} bytes of a request are missing")
            found += more
        return found

    @property
    def has_early(self) -> bool:
        """Whether some of what follows has arrived already."""
        return bool(self._early)


class Incoming:
    """The body of one request, which is asked for when it is first read if the client waits to be asked."""

    def __init__(self, source: Source, asks: socket.socket | None) -> None:
        self._source = source
        self._asks = asks
        self.broken = False
        """Whether the connection can carry no further request."""

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes, or all that remain if there are fewer or for -1; b"" at the end.

        Raises DisconnectedError and MalformedBodyError.
        """
        if self._asks is not None:
            if not self._source.has_early:
                self._asks.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            self._asks = None
        try:
            if size >= 0:
                return self._read(size)
            pieces = []
            while piece := self._read(CHUNK):
                pieces.append(piece)
            return b"".join(pieces)
        except MalformedBodyError:
            self.broken = True
            raise
        except OSError as error:
            self.broken = True
            raise DisconnectedError(str(error)) from error

    def _read(self, size: int) -> bytes:
        raise NotImplementedError

    def may_skip(self, limit: int) -> bool:
        """Return whether `skip` can succeed, as far as that is known."""
        return self._asks is None and not self.broken

    def skip(self, limit: int) -> bool:
        """Read and forget what the application left; return False if there are more than ``limit`` bytes."""
        if not self.may_skip(limit):
            return False
        try:
            while piece := self._read(CHUNK):
                limit -= len(piece)
                if limit < 0:
                    return False
        except (OSError, MalformedBodyError):
            return False
        return True


class Held(io.BytesIO):
    """A body that has arrived."""

    broken = False

    def may_skip(self, limit: int) -> bool:
        """Return True."""
        return True

    def skip(self, limit: int) -> bool:
        """Return True: nothing of it is left in the connection."""
        return True


class Counted(Incoming):
    """A body whose length is known (Content-Length)."""

    def __init__(self, source: Source, length: int, asks: socket.socket | None = None) -> None:
        super().__init__(source, asks)
        self._remaining = length

    def _read(self, size: int) -> bytes:
        size = min(size, self._remaining)
        if size <= 0:
            return b""
        piece = self._source.exactly(size)
        self._remaining -= size
        return piece

    def may_skip(self, limit: int) -> bool:
        """Return whether `skip` can succeed."""
        return super().may_skip(limit) and self._remaining <= limit


class Chunked(Incoming):
    """A body in chunks (Transfer-Encoding: chunked). Its trailers are read and dropped: AWS's are inside."""

    def __init__(self, source: Source, asks: socket.socket | None = None) -> None:
        super().__init__(source, asks)
        self._remaining = 0
        self._ended = False

    def _read(self, size: int) -> bytes:
        pieces = []
        while size > 0 and (self._remaining or self._next_chunk()):
            piece = self._source.exactly(min(size, self._remaining))
            pieces.append(piece)
            size -= len(piece)
            self._remaining -= len(piece)
            if not self._remaining and self._line():
                raise MalformedBodyError("a chunk is longer than it says")
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _next_chunk(self) -> bool:
        if self._ended:
            return False
        size = _SIZE.fullmatch(self._line())
        if size is None:
            raise MalformedBodyError("the size of a chunk is not a hexadecimal number")
        self._remaining = int(size[1], 16)
        if not self._remaining:
            left = _TRAILER_BYTES
            while line := self._line():
                left -= len(line)
                if left < 0:
                    raise MalformedBodyError("the trailers are too long")
            self._ended = True
        return not self._ended

    def _line(self) -> bytes:
        try:
            line = self._source.until(b"\r\n", _LINE_BYTES)
        except OverflowError:
            raise MalformedBodyError("a line between chunks is too long") from None
        if line is None:
            raise DisconnectedError("a chunk of a request is missing")
        return line
