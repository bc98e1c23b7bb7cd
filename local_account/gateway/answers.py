"""Answers on their way to a client: what a WSGI application returns, in as few packets as it takes.

Contract: PEP 3333; RFC 9112, section 6.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from local_account.gateway.heads import Head
from local_account.gateway.streams import DisconnectedError

_AT_ONCE = 65_536
"""So much of an answer is sent together with its head, in one packet if it fits."""

Headers = list[tuple[str, str]]


class Answer:
    """The answer to one request.

    Parameters
    ----------
    connection
        A blocking socket.
    head
        Of the request.
    keeps_open
        Called when the head of the answer is made: whether the connection can stay open.
    """

    def __init__(self, connection: socket.socket, head: Head, keeps_open: Callable[[], bool]) -> None:
        self._connection = connection
        self._request = head
        self._may_keep_open = keeps_open
        self._status = ""
        self._headers: Headers = []
        self.started = False
        """Whether some of it has been sent, so that no other answer can be."""
        self.keeps_open = False
        """Whether the client was told that the connection stays open."""

    def start(self, status: str, headers: Headers, exc_info: Any = None) -> Callable[[bytes], object]:
        """Take status and headers (WSGI's ``start_response``)."""
        self._status, self._headers = status, headers
        return _no_write

    def send(self, result: Iterable[bytes]) -> None:
        """Send what the application returned, and close it.

        An answer with a Content-Length is streamed; one without is collected first. Raises DisconnectedError
        if the client is gone, ValueError if a streamed answer is not as long as its Content-Length.
        """
        try:
            segments = getattr(result, "segments", None)
            if segments is None:
                self._send_chunks(iter(result))
            elif self._has_body():
                self._send_files(segments())
            else:
                self._send(self._head(None))
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def send_status(self, status: int, body: bytes = b"") -> None:
        """Send an answer of the connection itself."""
        self.start(f"{status} {HTTPStatus(status).phrase}", [("Content-Type", "text/plain; charset=utf-8")])
        self.send([body])

    def _has_body(self) -> bool:
        return self._request.method != "HEAD" and not self._status.startswith(("204", "304"))

    def _send_chunks(self, chunks: Iterator[bytes]) -> None:
        pending = [next(chunks, b"")]  # the application may call `start` only now
        if not self._has_body():
            self._send(self._head(None))
            return
        length = self._content_length()
        size = len(pending[0])
        while length is None or size <= _AT_ONCE:
            chunk = next(chunks, None)
            if chunk is None:
                self._send(self._head(size), *pending)
                return
            pending.append(chunk)
            size += len(chunk)
        self._send(self._head(length), *pending)
        for chunk in chunks:
            size += len(chunk)
            if size > length:
                break
            self._send(chunk)
        if size != length:
            raise ValueError(f"{self._request.path}: the answer is not as long as its Content-Length")

    def _send_files(self, segments: Iterable[tuple[Path, int, int]]) -> None:
        segments = list(segments)
        length = sum(size for _, _, size in segments)
        if length <= _AT_ONCE:
            self._send(self._head(length), *(_content(*segment) for segment in segments))
            return
        self.started = True
        try:
            self._connection.sendall(self._head(length), socket.MSG_MORE)
            for path, offset, size in segments:
                self._send_file(path, offset, size)
        except OSError as error:
            raise DisconnectedError(str(error)) from error

    def _send_file(self, path: Path, offset: int, size: int) -> None:
        with path.open("rb") as file:
            while size:
                sent = os.sendfile(self._connection.fileno(), file.fileno(), offset, size)
                if not sent:
                    raise ValueError(f"{path} is shorter than its record says")
                offset += sent
                size -= sent

    def _content_length(self) -> int | None:
        for name, value in self._headers:
            if name.lower() == "content-length":
                return int(value)
        return None

    def _head(self, length: int | None) -> bytes:
        """Return the head; ``length`` None for an answer without a body, which may still tell a length."""
        lines = [f"HTTP/1.1 {self._status}"]
        dated = False
        for name, value in self._headers:
            lower = name.lower()
            if lower == "content-length":
                if self._request.method == "HEAD":  # the length that a GET would have
                    lines.append(f"Content-Length: {value}")
            elif lower not in ("connection", "transfer-encoding"):
                lines.append(f"{name}: {value}")
                dated = dated or lower == "date"
        if length is not None:
            lines.append(f"Content-Length: {length}")
        if not dated:
            lines.append(_date(int(time.time())))
        self.keeps_open = self._may_keep_open()
        if not self.keeps_open:
            lines.append("Connection: close")
        elif self._request.version == "HTTP/1.0":
            lines.append("Connection: keep-alive")
        head = "\r\n".join(lines)
        if head.count("\n") != len(lines) - 1 or head.count("\r") != len(lines) - 1:
            raise ValueError(f"{self._request.path}: a header of the answer contains a line break")
        return head.encode("latin-1") + b"\r\n\r\n"

    def _send(self, *pieces: bytes) -> None:
        self.started = True
        try:
            for piece in _packed(pieces):
                self._connection.sendall(piece)
        except OSError as error:
            raise DisconnectedError(str(error)) from error


def _packed(pieces: tuple[bytes, ...]) -> Iterable[bytes]:
    """Join small pieces: a send costs more than copying them."""
    if len(pieces) == 1 or sum(map(len, pieces)) > 4 * _AT_ONCE:
        return pieces
    return (b"".join(pieces),)


def _content(path: Path, offset: int, size: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        content = os.pread(file.fileno(), size, offset)
    if len(content) != size:
        raise ValueError(f"{path} is shorter than its record says")
    return content


def _no_write(_data: bytes) -> None:
    raise NotImplementedError(
        "return the body instead of writing it: PEP 3333 keeps `write` for old programs"
    )


@lru_cache(4)
def _date(second: int) -> str:
    return f"Date: {formatdate(second, usegmt=True)}"
