"""Connections to the account's listeners: one thread each, without a log line per request."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.wrappers import Response

log = logging.getLogger(__name__)

IDLE_SECONDS = 300
_WITHOUT_BODY = (204, 304)


class QuietHandler(MotoRequestHandler):  # type: ignore[misc]
    """moto's handler (which allows underscores in S3 metadata); closes the connection after its answer."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Keep http.server's complaints out of the log."""
        # Not our fault: a request that is not HTTP, such as the Docker Engine's first attempt with TLS.
        log.debug(format, *args)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Write errors only."""
        level = logging.ERROR if type == "error" else logging.DEBUG
        log.log(level, message, *args)


class KeepAliveHandler(QuietHandler):
    """Keeps connections open for as many requests as the client likes; buffers whole bodies and answers.

    werkzeug closes every connection, since it cannot know what an application has left unread, and waits some
    milliseconds for more. A new connection and thread per request cost as much as a third of InvokeEndpoint.
    """

    closed: threading.Event
    """Set when no further request is to be answered; ``until`` makes handler classes that have one."""
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    @classmethod
    def until(cls, closed: threading.Event) -> type[KeepAliveHandler]:
        """Return a handler class for a server that ends when ``closed`` is set."""
        return type(cls.__name__, (cls,), {"closed": closed})

    def run_wsgi(self) -> None:
        """Answer one request."""
        if self.closed.is_set():
            self.close_connection = True
            return
        environ = self.make_environ()
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
            self.close_connection = True  # a chunked body may have trailers, which are never read
        else:
            length = int(environ.get("CONTENT_LENGTH") or 0)
            body = self.rfile.read(length)
            if len(body) < length:  # the client went away
                self.close_connection = True
                return
        environ["wsgi.input"] = io.BytesIO(body)
        try:
            response = Response.from_app(self.server.app, environ)
        except Exception:
            log.exception("%s %s failed", self.command, self.path)
            response = Response(status=500)
        self._send(response)

    def _send(self, response: Response) -> None:
        body = response.get_data()
        self.send_response_only(response.status_code, response.status.partition(" ")[2])
        for name, value in response.headers:
            if name.lower() not in ("connection", "content-length", "transfer-encoding"):
                self.send_header(name, value)
        if self.command == "HEAD":  # the length that a GET would have: only the application knows it
            if "Content-Length" in response.headers:
                self.send_header("Content-Length", response.headers["Content-Length"])
        elif response.status_code not in _WITHOUT_BODY:
            self.send_header("Content-Length", str(len(body)))
        if "Date" not in response.headers:
            self.send_header("Date", self.date_time_string())
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD" and response.status_code not in _WITHOUT_BODY:
            self.wfile.write(body)
