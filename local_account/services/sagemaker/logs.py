"""The output of containers and scripts, sent to CloudWatch Logs as it comes."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from local_account.foundation.errors import log_loss
from local_account.foundation.log_events import LogEvent, batches, pieces

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

FLUSH_SECONDS = 0.5


class Logs:
    """Log streams of one service, flushed together by one thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._streams: set[LogStream] = set()
        self._lock = threading.Lock()
        self._flusher: threading.Thread | None = None

    def stream(
        self,
        group: str,
        name: str,
        role_arn: str | None = None,
        on_line: Callable[[str, int], None] | None = None,
    ) -> LogStream:
        """Open a stream, with the permissions of a role or the account's own.

        ``on_line`` is called at once for each line, with its time (milliseconds since 1970).
        """
        stream = LogStream(self._account, self, group, name, role_arn, on_line)
        with self._lock:
            self._streams.add(stream)
            if self._flusher is None:
                self._flusher = self._account.tasks.every(FLUSH_SECONDS, "sagemaker-logs", self.flush)
        return stream

    def flush(self) -> None:
        """Send what is waiting."""
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.flush()

    def forget(self, stream: LogStream) -> None:
        """Stop flushing a stream."""
        with self._lock:
            self._streams.discard(stream)


class LogStream:
    """One stream (PutLogEvents of the CloudWatch Logs API). Safe to use from several threads."""

    def __init__(  # noqa: PLR0917  (destination, permissions and callback)
        self,
        account: Account,
        logs: Logs,
        group: str,
        name: str,
        role_arn: str | None,
        on_line: Callable[[str, int], None] | None,
    ) -> None:
        self.group = group
        self.name = name
        self._account = account
        self._logs = logs
        self._role_arn = role_arn
        self._on_line = on_line
        self._rest = b""
        self._events: list[LogEvent] = []
        self._latest = 0
        self._created = False
        self._lost = 0
        self._lock = threading.Lock()
        self._sending = threading.Lock()

    @property
    def arn(self) -> str:
        """ARN of the stream."""
        return self._account.arn("logs", f"log-group:{self.group}:log-stream:{self.name}")

    def write(self, chunk: bytes) -> None:
        """Accept output; complete lines become events."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._event(line)

    def close(self) -> None:
        """Send everything, including an unfinished last line."""
        if self._rest:
            self._event(self._rest)
            self._rest = b""
        self._logs.forget(self)
        self.flush()
        if self._lost:
            log.warning("%d lines of %s %s were lost", self._lost, self.group, self.name)

    def flush(self) -> None:
        """Send what is waiting; the first time that it cannot be sent, the account's log says why."""
        with self._sending:
            with self._lock:
                events, self._events = self._events, []
            if not events:
                return
            try:
                client = self._account.client("logs", self._role_arn)
                if not self._created:
                    create_stream(client, self.group, self.name)
                    self._created = True
                for batch in batches(events):
                    client.put_log_events(logGroupName=self.group, logStreamName=self.name, logEvents=batch)
            except Exception as error:
                if self._account.tasks.stopping.is_set():
                    return
                if not self._lost:
                    log_loss(log, error, "lines of %s %s are lost", self.group, self.name)
                self._lost += len(events)

    def _event(self, line: bytes) -> None:
        text = line.decode("utf-8", "replace").rstrip("\r")
        with self._lock:
            # Events have to be in the order of their time, and clocks can be set back.
            self._latest = now = max(self._latest, int(time.time() * 1000))
            for piece in pieces(text):
                self._events.append({"timestamp": now, "message": piece or " "})
        if self._on_line:
            self._on_line(text, now)


def create_stream(client: Any, group: str, name: str) -> None:
    """Create the group and the stream if they do not exist."""
    exists = client.exceptions.ResourceAlreadyExistsException
    with contextlib.suppress(exists):
        client.create_log_group(logGroupName=group)
    with contextlib.suppress(exists):
        client.create_log_stream(logGroupName=group, logStreamName=name)
