"""Connections to the account's listeners: one thread each, without a line in the log per request."""

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
    """moto's handler (S3 metadata with underscores); a connection ends after its answer."""

    def log_error(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's signature
        """Keep what http.server complains about out of the log."""
        # No fault of ours: a request that is no HTTP, such as the Docker Engine's first try with TLS.
        log.debug(format, *args)

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - werkzeug's signature
        """Write errors only."""
        level = logging.ERROR if type == "error" else logging.DEBUG
        log.log(level, message, *args)


class KeepAliveHandler(QuietHandler):
    """As many requests on a connection as the client likes; bodies and answers are in memory as a whole.

    werkzeug ends every connection, since it cannot know what an application has left unread, and waits some
    milliseconds for more. A new connection and thread per request cost as much as a third of InvokeEndpoint.
    """

    closed: threading.Event
    """Set when no further request is to be answered; ``until`` makes handlers that have one."""
    disable_nagle_algorithm = True
    timeout = IDLE_SECONDS

    @classmethod
    def until(cls, closed: threading.Event) -> type[KeepAliveHandler]:
        """Return the handler for a server that ends with ``closed``."""
        return type(cls.__name__, (cls,), {"closed": closed})

    def run_wsgi(self) -> None:
        """Answer one request."""
        if self.closed.is_set():
            self.close_connection = True
            return
        environ = self.make_environ()
        if environ.get("wsgi.input_terminated"):
            body = environ["wsgi.input"].read()
            self.close_connection = True  # a chunked body may have trailers, which nobody reads
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
        if self.command == "HEAD":  # what a GET would have: the application knows
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
