"""HTTP/1.1 over a bare socket: sends exactly the bytes that a test wants, and reads answers strictly.

Contract: RFC 9112 (message syntax). An answer that breaks it raises ProtocolError, whatever its status.
"""

from __future__ import annotations

import json
import re
import select
import socket
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

STATUS = re.compile(rb"HTTP/1\.[01] ([1-5]\d\d) [\t\x20-\x7e]*")
FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")


class ProtocolError(AssertionError):
    """The server sent something that is not an HTTP/1.1 answer."""


class ClosedError(ConnectionError):
    """The server closed (or reset) the connection when an answer was expected."""


@dataclass(frozen=True)
class Answer:
    """One answer: status, header fields by lower-case name, body."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        assert self.headers["content-type"].startswith("application/json"), self.headers
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The reason of a refusal, which must be JSON with the single key `error`."""
        document = self.json()
        assert list(document) == ["error"], document
        assert isinstance(document["error"], str)
        assert document["error"].strip()
        return str(document["error"])


def request(
    body: bytes | Any = None,
    *,
    method: str | None = None,
    path: str = "/invocations",
    kind: str | None = "application/json",
    headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
) -> bytes:
    """Return a well-framed request; a body that is not bytes is sent as JSON, None means no body."""
    content = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    lines = [f"{method or ('GET' if content is None else 'POST')} {path} HTTP/1.1", "Host: model"]
    if content is not None:
        lines.append(f"Content-Length: {len(content)}")
        if kind is not None:
            lines.append(f"Content-Type: {kind}")
    lines += [f"{name}: {value}" for name, value in dict(headers).items()]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + (content or b"")


def chunks(*parts: bytes) -> bytes:
    """Return parts in the chunked transfer coding, with the last chunk."""
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


def chunked(body: bytes, *, kind: str = "application/json") -> bytes:
    """Return a POST whose `body` is chunked already."""
    head = f"POST /invocations HTTP/1.1\r\nHost: model\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked"
    return head.encode() + b"\r\n\r\n" + body


class Connection:
    """One TCP connection to the server; `timeout` seconds for each read or write."""

    def __init__(self, address: tuple[str, int], *, timeout: float = 20, receive_buffer: int = 0) -> None:
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(address)
        self.pending = b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def finish(self) -> None:
        """Signal that nothing more will be sent (the server may still answer)."""
        self.socket.shutdown(socket.SHUT_WR)

    def ask(self, data: bytes) -> Answer:
        """Send one request and return its answer."""
        self.send(data)
        return self.receive(head=data.startswith(b"HEAD "))

    def readable(self) -> bool:
        """Whether something has arrived."""
        return bool(self.pending or select.select([self.socket], [], [], 0)[0])

    def receive(self, *, head: bool = False) -> Answer:
        """Return the next answer, including 100; raises ClosedError, ProtocolError, TimeoutError."""
        while b"\r\n\r\n" not in self.pending:
            if len(self.pending) > 65_536:
                raise ProtocolError(f"no end of headers: {self.pending[:200]!r}")
            self._more()
        section, _, self.pending = self.pending.partition(b"\r\n\r\n")
        first, *lines = section.split(b"\r\n")
        matched = STATUS.fullmatch(first)
        if not matched:
            raise ProtocolError(f"not a status line: {first!r}")
        status, headers = int(matched[1]), {}
        for line in lines:
            field = FIELD.fullmatch(line)
            if not field:
                raise ProtocolError(f"not a header: {line!r}")
            name = field[1].decode().lower()
            if name in headers:
                raise ProtocolError(f"{name} is sent twice")
            headers[name] = field[2].decode("latin-1").strip()
        if status < 200 or status in {204, 304} or head:
            return Answer(status, headers, b"")
        length = headers.get("content-length", "")
        if not length.isdecimal():
            raise ProtocolError(f"no Content-Length: {headers}")
        while len(self.pending) < int(length):
            self._more()
        body, self.pending = self.pending[: int(length)], self.pending[int(length) :]
        return Answer(status, headers, body)

    def rest(self) -> list[Answer]:
        """Return every answer until the server closes; raises TimeoutError when it does not."""
        answers = []
        while True:
            try:
                answers.append(self.receive())
            except ClosedError:
                if self.pending:
                    raise ProtocolError(f"half an answer: {self.pending[:200]!r}") from None
                return answers

    def is_closed(self, within: float) -> bool:
        """Whether the server closes the connection within so many seconds; answers in between are skipped."""
        end = time.monotonic() + within
        while (left := end - time.monotonic()) > 0:
            self.socket.settimeout(left)
            try:
                if not self.socket.recv(65_536):
                    return True
            except TimeoutError:
                return False
            except ConnectionError:
                return True
        return False

    def _more(self) -> None:
        try:
            data = self.socket.recv(262_144)
        except ConnectionError as error:
            raise ClosedError(str(error)) from error
        if not data:
            raise ClosedError("closed by the server")
        self.pending += data
