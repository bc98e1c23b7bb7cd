"""A client that costs next to nothing, so that the server is what is measured.

Requests are signed by botocore (SigV4) before the clock starts, and sent as bytes over connections that stay
open for as long as the server lets them. They are what boto3 sends, without what only boto3 needs
(`Expect: 100-continue`, the invocation's id, the user agent).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import selectors
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_account.foundation.config import LOOPBACK

CHUNK = 1 << 20
TIMEOUT_SECONDS = 120
SHOWN = 500


class WireError(RuntimeError):
    """An answer that is not what was asked for; the message has its status and its first bytes."""


@dataclass(frozen=True)
class Request:
    """A signed request; a path as its body is sent from the file."""

    head: bytes
    body: bytes | Path = b""


@dataclass(frozen=True)
class Answer:
    """Status, headers (names in lower case) and body; `size` is that of the body, kept or not."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    size: int


class _S3Auth(S3SigV4Auth):
    """S3's SigV4 for a body whose digest is known."""

    def __init__(self, credentials: Credentials, region: str, digest: str) -> None:
        super().__init__(credentials, "s3", region)
        self._digest = digest

    def payload(self, _: AWSRequest) -> str:
        return self._digest


@dataclass(frozen=True)
class Payload:
    """A body with what S3's headers say about it: computed once, however often it is sent."""

    body: bytes | Path
    sha256: str
    crc32: str

    @classmethod
    def of(cls, body: bytes | Path) -> Payload:
        """Read a body once; a file is never held in memory."""
        digest, crc = hashlib.sha256(), 0
        with contextlib.ExitStack() as stack:
            file = stack.enter_context(body.open("rb")) if isinstance(body, Path) else None
            parts: Iterable[bytes]
            if isinstance(body, bytes):
                parts = [body]
            else:
                assert file is not None  # noqa: S101 - for mypy
                parts = iter(lambda: file.read(CHUNK), b"")
            for part in parts:
                digest.update(part)
                crc = zlib.crc32(part, crc)
        return cls(body, digest.hexdigest(), base64.b64encode(crc.to_bytes(4, "big")).decode())

    @property
    def size(self) -> int:
        """Its bytes."""
        return len(self.body) if isinstance(self.body, bytes) else self.body.stat().st_size


EMPTY = Payload.of(b"")


@dataclass(frozen=True)
class Signer:
    """Signs requests to one server with one key."""

    port: int
    access_key: str
    secret_key: str
    region: str

    def s3(
        self, method: str, path: str, payload: Payload = EMPTY, query: Mapping[str, str] | None = None
    ) -> Request:
        """Return a request of S3 for `/bucket/key` (both without characters that need an escape)."""
        headers: dict[str, str] = {}
        if method == "PUT" and payload is not EMPTY:
            headers = {"x-amz-sdk-checksum-algorithm": "CRC32", "x-amz-checksum-crc32": payload.crc32}
        request = self._request(method, path, headers, query or {})
        _S3Auth(self._credentials, self.region, payload.sha256).add_auth(request)
        return self._signed(request, payload.body, payload.size)

    def json(self, service: str, target: str, body: bytes) -> Request:
        """Return a request of a service that speaks JSON 1.1; `target` is `Model_version.Operation`."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target}
        request = self._request("POST", "/", headers, {})
        request.data = body
        SigV4Auth(self._credentials, service, self.region).add_auth(request)
        return self._signed(request, body, len(body))

    @property
    def _credentials(self) -> Credentials:
        return Credentials(self.access_key, self.secret_key)

    def _request(
        self, method: str, path: str, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> AWSRequest:
        url = f"http://{LOOPBACK}:{self.port}{path}" + (f"?{urlencode(query)}" if query else "")
        return AWSRequest(method, url, headers=dict(headers))

    def _signed(self, request: AWSRequest, body: bytes | Path, size: int) -> Request:
        target = str(request.url).removeprefix(f"http://{LOOPBACK}:{self.port}")
        lines = [f"{request.method} {target} HTTP/1.1", f"Host: {LOOPBACK}:{self.port}"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        if size or request.method != "GET":
            lines.append(f"Content-Length: {size}")
        return Request(("\r\n".join(lines) + "\r\n\r\n").encode(), body)


@dataclass
class _Reading:
    """What has come of one answer."""

    keep: bool = True
    buffer: bytearray = field(default_factory=bytearray)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    chunked: bool = False
    left: int = 0
    size: int = 0
    closes: bool = False
    _complete: bool = False

    def feed(self, data: bytes | memoryview) -> bool:
        """Take what was received; return whether the answer is complete."""
        if self.headers and not self.chunked:
            self._take(data)
        else:
            self.buffer += data
            if not self.headers:
                self._head()
            if self.chunked:
                # The end of the data can look like the last chunk: only then the chunks are counted.
                self._complete = self.buffer.endswith(b"0\r\n\r\n") and _whole(bytes(self.buffer))
        return self._complete

    def _head(self) -> None:
        head, separator, rest = self.buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        version, status, *_ = head.split(b" ", 2)
        self.status = int(status)
        for line in head.decode("latin-1").split("\r\n")[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        connection = self.headers.get("connection", "").lower()
        self.closes = connection == "close" or (version == b"HTTP/1.0" and connection != "keep-alive")
        self.chunked = self.headers.get("transfer-encoding", "").lower() == "chunked"
        self.buffer = bytearray()
        if self.chunked:
            self.buffer += rest
        elif self.status == 204:
            self._complete = True
        else:
            self.left = int(self.headers.get("content-length", "0"))
            self._take(rest)

    def _take(self, data: bytes | bytearray | memoryview) -> None:
        self.size += len(data)
        self.left -= len(data)
        if self.keep or self.status >= 300:
            self.buffer += data
        self._complete = self.left <= 0

    def answer(self) -> Answer:
        body = bytes(self.buffer)
        if self.chunked:
            body = b"".join(_chunks(body))
            self.size = len(body)
        return Answer(self.status, self.headers, body, self.size)


def _chunks(body: bytes) -> Iterator[bytes]:
    """Yield the data of each chunk that is there; the last one is empty."""
    start = 0
    while start < len(body):
        end = body.index(b"\r\n", start)
        size = int(body[start:end].partition(b";")[0], 16)
        yield body[end + 2 : end + 2 + size]
        start = end + 4 + size


def _whole(body: bytes) -> bool:
    return list(_chunks(body))[-1] == b""


class Connection:
    """One connection, opened again where the server closes it: that is part of what an answer costs."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None
        self._reading = _Reading()
        self._room = memoryview(bytearray(CHUNK))

    def call(self, request: Request, *, keep: bool = True) -> Answer:
        """Send and wait; raise WireError unless the status is below 300. A body is kept if `keep` is set."""
        self.send(request, keep=keep)
        while not self.receive():
            pass
        return self.answer()

    def send(self, request: Request, *, keep: bool = True) -> None:
        """Send a request."""
        if self._socket is None:
            self._socket = socket.create_connection((LOOPBACK, self._port), TIMEOUT_SECONDS)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._reading = _Reading(keep)
        if isinstance(request.body, Path):
            self._socket.sendall(request.head)
            with request.body.open("rb") as file:
                self._socket.sendfile(file)
        elif len(request.body) < CHUNK:
            self._socket.sendall(request.head + request.body)
        else:
            self._socket.sendall(request.head)
            self._socket.sendall(request.body)

    def receive(self) -> bool:
        """Wait for something; return whether the answer is complete."""
        count = self.socket.recv_into(self._room)
        if not count:
            self.close()
            raise WireError(f"the server closed the connection: {bytes(self._reading.buffer[:SHOWN])!r}")
        return self._reading.feed(self._room[:count])

    def answer(self) -> Answer:
        """Return the complete answer; raise WireError unless its status is below 300."""
        if self._reading.closes:
            self.close()
        answer = self._reading.answer()
        if answer.status >= 300:
            raise WireError(f"status {answer.status}: {answer.body[:SHOWN].decode(errors='replace')}")
        return answer

    @property
    def socket(self) -> socket.socket:
        """The open socket."""
        if self._socket is None:
            raise WireError("the connection is not open")
        return self._socket

    def close(self) -> None:
        """Close; the next request opens it again."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


@dataclass(frozen=True)
class Load:
    """What a sequence of requests took: the milliseconds of each, and all together."""

    milliseconds: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Answers per second."""
        return len(self.milliseconds) / self.seconds


def load(port: int, requests: Iterable[Request], connections: int = 1, seconds: float = float("inf")) -> Load:
    """Send requests over a number of connections, one at a time on each, until they or the seconds end.

    Raises WireError for the first answer that is not a success.
    """
    took: list[float] = []
    waiting = iter(requests)
    lines = [Connection(port) for _ in range(connections)]
    begin = time.perf_counter()
    end = begin + seconds
    with contextlib.ExitStack() as stack, selectors.DefaultSelector() as selector:
        sent: dict[int, float] = {}

        def send(number: int) -> bool:
            now = time.perf_counter()
            if now >= end or (request := next(waiting, None)) is None:
                return False
            sent[number] = now
            lines[number].send(request)
            selector.register(lines[number].socket, selectors.EVENT_READ, number)
            return True

        for number, line in enumerate(lines):
            stack.callback(line.close)
            send(number)
        while sent:
            for key, _ in selector.select(TIMEOUT_SECONDS) or _silence():
                number = key.data
                line = lines[number]
                if line.receive():
                    selector.unregister(key.fileobj)
                    took.append((time.perf_counter() - sent.pop(number)) * 1000)
                    line.answer()
                    send(number)
    return Load(took, time.perf_counter() - begin)


def _silence() -> list[tuple[selectors.SelectorKey, int]]:
    raise WireError(f"no answer within {TIMEOUT_SECONDS} s")
