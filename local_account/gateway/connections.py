"""Connections to the account's listeners: one thread each, without a log line per request."""

from __future__ import annotations

import logging
import socket
import struct
import sys
import threading
import time
from functools import lru_cache
from socketserver import BaseRequestHandler
from typing import Any
from urllib.parse import unquote_to_bytes

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler

from local_account.gateway import heads
from local_account.gateway.answers import Answer
from local_account.gateway.heads import Head, MalformedHeadError
from local_account.gateway.streams import (
    Chunked,
    Counted,
    DisconnectedError,
    Held,
    Incoming,
    MalformedBodyError,
    Source,
)

log = logging.getLogger(__name__)

IDLE_SECONDS = 300
_AT_ONCE = 65_536
"""Bodies up to this length are received before the application runs, and sent together with their head."""
_SKIPPED = 16 * 1024**2
"""So much of a body that the application did not read is taken, so that the client reads the answer."""
_LINGER_SECONDS = 2


class QuietHandler(WSGIRequestHandler):
    """werkzeug's handler, which closes the connection after its answer."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Keep http.server's complaints out of the log."""
        # Not our fault: a request that is not HTTP, such as the Docker Engine's first attempt with TLS.
        log.debug(format, *args)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Write errors only."""
        level = logging.ERROR if type == "error" else logging.DEBUG
        log.log(level, message, *args)


class KeepAliveHandler(BaseRequestHandler):
    """Keeps connections open for as many requests as the client likes; streams long bodies and answers.

    werkzeug's handler closes every connection, since it cannot know what an application has left unread, and
    waits some milliseconds for more. A new connection and thread per request cost as much as a third of
    InvokeEndpoint.

    An application finds the body in ``wsgi.input``, which ends where the body ends. A body of more than 64 KB
    arrives as it is read, and the client is asked for it (100 Continue) only then. An answer is streamed if
    it has a Content-Length; `streams.Segmented` ones go from file to socket.
    """

    request: socket.socket
    server: BaseWSGIServer
    closed: threading.Event
    """Set when no further request is to be answered; ``until`` makes handler classes that have one."""

    @classmethod
    def until(cls, closed: threading.Event) -> type[KeepAliveHandler]:
        """Return a handler class for a server that ends when ``closed`` is set."""
        return type(cls.__name__, (cls,), {"closed": closed})

    def handle(self) -> None:
        """Answer requests until one side closes."""
        connection = self.request
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The kernel's timeouts: Python's would cost a poll before each call, and know no sendfile.
        connection.settimeout(None)
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, struct.pack("ll", IDLE_SECONDS, 0))
        self._source = Source(connection)
        self._every_environ = self._connection_environ()
        try:
            while self._answer_one():
                pass
        except (ConnectionError, BlockingIOError):  # the client went away, or has been idle for too long
            log.debug("the connection to %s ended", self.client_address)

    def _answer_one(self) -> bool:
        """Answer a request; return whether another may follow."""
        try:
            raw = self._source.until(b"\r\n\r\n", heads.MAX_BYTES)
            if raw is None or self.closed.is_set():
                return False
            head = heads.parse(raw.lstrip(b"\r\n"))
            body = self._body(head)
        except OverflowError:
            return self._refuse(431, f"the head is longer than {heads.MAX_BYTES} bytes")
        except MalformedHeadError as error:
            return self._refuse(error.status, str(error))
        keeps_open = _keeps_open(head)
        answer = Answer(self.request, head, lambda: keeps_open and body.may_skip(_SKIPPED))
        try:
            self._run(head, body, answer)
        except MalformedBodyError as error:
            return not answer.started and self._refuse(400, str(error))
        if answer.keeps_open and body.skip(_SKIPPED):
            return True
        self._linger()
        return False

    def _run(self, head: Head, body: Held | Incoming, answer: Answer) -> None:
        """Let the application answer; what it raises is logged and answered with 500."""
        environ = {**self._every_environ, **environ_of(head), "wsgi.input": body}
        try:
            answer.send(self.server.app(environ, answer.start))
        except (DisconnectedError, MalformedBodyError):
            raise
        except Exception:
            if body.broken:  # whatever the application made of that: there is nobody to answer
                raise DisconnectedError from None
            log.exception("%s %s failed", head.method, head.path)
            if answer.started:
                raise DisconnectedError from None
            answer.send_status(500)

    def _body(self, head: Head) -> Held | Incoming:
        """Return the stream of the request's body; a short one has arrived then."""
        length = head.headers.get("content-length")
        coding = head.headers.get("transfer-encoding")
        expected = head.headers.get("expect")
        if expected is not None and expected.lower() != "100-continue":
            raise MalformedHeadError(417, "only 100-continue can be expected")
        asks = self.request if expected and head.version == "HTTP/1.1" else None
        if coding is not None:
            if length is not None:
                raise MalformedHeadError(400, "a body has a length or is in chunks, not both")
            if coding.lower() != "chunked":
                raise MalformedHeadError(501, "the only transfer coding is chunked")
            return Chunked(self._source, asks)
        if not length or length == "0":
            return Held()
        if not (length.isascii() and length.isdigit()):
            raise MalformedHeadError(400, "the content length is not a number")
        incoming = Counted(self._source, int(length), asks)
        # A short body is cheaper to take than to refuse; the application never sees one that is cut off.
        return incoming if int(length) > _AT_ONCE else Held(incoming.read())

    def _refuse(self, status: int, message: str) -> bool:
        """Answer what is not a request, and end the connection: nothing says where the next one begins."""
        answer = Answer(self.request, Head("GET", "/", "", {}), lambda: False)
        answer.send_status(status, f"{message}\n".encode())
        self._linger()
        return False

    def _linger(self) -> None:
        """Take what the client still sends: closing on it would reset the connection, and lose the answer."""
        self.request.shutdown(socket.SHUT_WR)
        self.request.settimeout(_LINGER_SECONDS)
        until = time.monotonic() + _LINGER_SECONDS
        try:
            while self.request.recv(_AT_ONCE) and time.monotonic() < until:
                pass
        except OSError:  # it does not read the answer, either
            return

    def _connection_environ(self) -> dict[str, Any]:
        """Return the part of a WSGI environment that all requests of this connection share."""
        return {
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "SERVER_SOFTWARE": "local-account",
            "SERVER_NAME": self.server.host,
            "SERVER_PORT": str(self.server.port),
            "SCRIPT_NAME": "",
            "REMOTE_ADDR": self.client_address[0],
            "REMOTE_PORT": self.client_address[1],
        }


def _keeps_open(head: Head) -> bool:
    tokens = head.headers.get("connection", "").lower()
    if head.version == "HTTP/1.0":
        return "keep-alive" in tokens
    return "close" not in tokens


def environ_of(head: Head) -> dict[str, Any]:
    """Return the part of a WSGI environment (PEP 3333) that comes from a request's head."""
    path = head.path
    if "%" in path:
        path = unquote_to_bytes(path.encode("latin-1")).decode("latin-1")
    target = f"{head.path}?{head.query}" if head.query else head.path
    environ: dict[str, Any] = {
        heads.KEY: head,
        "REQUEST_METHOD": head.method,
        "PATH_INFO": path,
        "QUERY_STRING": head.query,
        "REQUEST_URI": target,
        "RAW_URI": target,
        "SERVER_PROTOCOL": head.version,
    }
    for name, value in head.headers.items():
        if "_" not in name:  # it could pass for a header that has dashes; S3 reads its metadata in the head
            environ[_environ_key(name)] = value
    return environ


@lru_cache(1024)
def _environ_key(name: str) -> str:
    key = name.upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"
