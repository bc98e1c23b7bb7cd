"""Requests of the account's own clients, answered without a connection (`foundation.direct`).

What the application sees is what a connection would bring; bodies are read as they are needed, both ways.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from local_account.gateway.connections import environ_of
from local_account.gateway.heads import Head
from local_account.gateway.streams import DisconnectedError, Held, Segmented

if TYPE_CHECKING:
    from botocore.awsrequest import AWSPreparedRequest, AWSResponse

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def answer(application: Application, request: AWSPreparedRequest) -> AWSResponse:
    """Return a WSGI application's answer to a request that botocore is about to send.

    An answer that is in files has a raw body that is one, too: `InFiles`.
    """
    from botocore.awsrequest import AWSResponse

    begun: list[tuple[str, Any]] = []

    def start(status: str, headers: list[tuple[str, str]], _exc_info: object = None) -> None:
        begun.append((status, headers))

    result: Any = application(_environ(request), start)
    raw: InFiles | _Raw
    if isinstance(result, Segmented) and request.method != "HEAD":
        raw = InFiles(result)
    else:
        try:
            raw = _Raw(b"".join(result))
        finally:
            if close := getattr(result, "close", None):
                close()
    status, headers = begun[-1]
    return AWSResponse(request.url, int(status.split(" ", 1)[0]), headers, raw)


class InFiles(io.RawIOBase):
    """The body of an answer that is in files, as botocore reads urllib3's; closed when it has been read."""

    def __init__(self, answered: Segmented) -> None:
        super().__init__()
        self._answered = answered
        self._left = list(answered.segments())

    def segments(self) -> list[tuple[Path, int, int]]:
        """Return what has not been read: files in order, each with offset and length in bytes.

        They are there until this is closed.
        """
        return list(self._left)

    def readable(self) -> bool:
        """Return True."""
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        """Return ``size`` bytes, or all that remain if there are fewer, or for -1 and None."""
        wanted = sum(length for _, _, length in self._left)
        if size is not None and size >= 0:
            wanted = min(size, wanted)
        pieces = []
        while wanted:
            path, offset, length = self._left[0]
            piece = _piece(path, offset, min(wanted, length))
            pieces.append(piece)
            wanted -= len(piece)
            self._left[:1] = [(path, offset + len(piece), length - len(piece))] if len(piece) < length else []
        if not self._left:
            self._answered.close()  # not this object: who reads on shall find the end
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer; return the number of bytes, 0 at the end."""
        content = self.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        """Yield what remains."""
        yield self.read()

    def close(self) -> None:
        """Let go of the files."""
        self._left = []
        self._answered.close()
        super().close()


def _piece(path: Path, offset: int, size: int) -> bytes:
    """Return 1 to ``size`` bytes of a file. Raises OSError if it has none there."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        content = os.pread(descriptor, size, offset)
    finally:
        os.close(descriptor)
    if not content:
        raise OSError(f"{path} is shorter than its record says")
    return content


class _Raw(io.BytesIO):
    """The body of an answer that is in memory, as botocore reads urllib3's."""

    def stream(self, *_: object, **__: object) -> Iterator[bytes]:
        yield self.read()


class _Sent:
    """The body of a request, as long as it says, read from the sender's file."""

    def __init__(self, file: Any, length: int) -> None:
        self._file = file
        self._left = length

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes, or all that remain if there are fewer, or for -1.

        Raises DisconnectedError if the file is shorter.
        """
        wanted = self._left if size < 0 else min(size, self._left)
        pieces = []
        while wanted:
            piece = self._file.read(wanted)
            if not piece:
                raise DisconnectedError(f"{self._left} bytes of a request are missing")
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _environ(request: AWSPreparedRequest) -> dict[str, Any]:
    """Return the WSGI environment (PEP 3333) of a request."""
    url = urlsplit(request.url)
    headers = {name.lower(): _text(value).strip(" \t") for name, value in request.headers.items()}
    headers.setdefault("host", url.netloc)
    body, length = request.body, headers.get("content-length")
    stream: Held | _Sent
    if hasattr(body, "read") and length is not None:
        stream = _Sent(body, int(length))
    else:
        content = _content(body)
        stream = Held(content)
        headers["content-length"] = str(len(content))
        headers.pop("transfer-encoding", None)
    return {
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": stream,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        "wsgi.input_terminated": True,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SCRIPT_NAME": "",
        "REMOTE_ADDR": url.hostname,
        **environ_of(Head(request.method, url.path or "/", url.query, headers)),
    }


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _content(body: Any) -> bytes:
    if body is None:
        return b""
    content = body.read() if hasattr(body, "read") else body
    return content.encode() if isinstance(content, str) else bytes(content)
