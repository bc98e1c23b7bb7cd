"""Log lines on their way to CloudWatch Logs: in batches, in the background."""

from __future__ import annotations

import logging
import queue
import time
from typing import TYPE_CHECKING, NamedTuple

from local_account.foundation.log_events import LogEvent, batches, pieces

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_BATCH_SECONDS = 0.02


class Line(NamedTuple):
    """One log event to be sent."""

    group: str
    stream: str
    timestamp: int
    message: str


class LogWriter:
    """Writes lines to log groups and streams, which it creates if they are missing."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to write."""
        self._thread = self._account.tasks.spawn("lambda-logs", self._loop)

    def stop(self) -> None:
        """Write what is left."""
        self._lines.put(None)
        self._thread.join(5)

    def write(self, group: str, stream: str, message: str) -> None:
        """Accept one line."""
        self._lines.put(Line(group, stream, int(time.time() * 1000), message))

    def _loop(self) -> None:
        last = False
        while not last:
            batch = [self._lines.get()]
            self._account.tasks.stopping.wait(_BATCH_SECONDS)
            while not self._lines.empty():
                batch.append(self._lines.get())
            last = None in batch
            streams: dict[tuple[str, str], list[Line]] = {}
            for line in batch:
                if line is not None:
                    streams.setdefault((line.group, line.stream), []).append(line)
            for (group, stream), lines in streams.items():
                try:
                    self._put(group, stream, lines)
                except Exception:
                    log.exception("%d lines for the log group %s were lost", len(lines), group)

    def _put(self, group: str, stream: str, lines: list[Line]) -> None:
        events: list[LogEvent] = [
            {"timestamp": line.timestamp, "message": next(pieces(line.message))}
            for line in sorted(lines, key=lambda line: line.timestamp)
        ]
        for batch in batches(events):
            self._send(group, stream, batch)

    def _send(self, group: str, stream: str, events: list[LogEvent]) -> None:
        logs = self._account.client("logs")
        try:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        except logs.exceptions.ResourceNotFoundException:
            for create, names in (
                (logs.create_log_group, {"logGroupName": group}),
                (logs.create_log_stream, {"logGroupName": group, "logStreamName": stream}),
            ):
                try:
                    create(**names)
                except logs.exceptions.ResourceAlreadyExistsException:
                    continue
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


class Output:
    """The output of one execution environment: sent to its log stream, and kept for ``LogType=Tail``."""

    def __init__(self, writer: LogWriter, group: str, stream: str) -> None:
        self._writer = writer
        self.group = group
        self.stream = stream
        self._lines: list[str] = []

    def write(self, message: str) -> None:
        """Accept one line or record."""
        self._writer.write(self.group, self.stream, message)
        self._lines.append(message if message.endswith("\n") else f"{message}\n")

    def take(self) -> bytes:
        """Return the last 4 KB of what was written since the last call."""
        lines, self._lines = self._lines, []
        return "".join(lines).encode()[-4096:]
