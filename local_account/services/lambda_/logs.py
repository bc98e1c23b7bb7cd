"""Log lines on their way to CloudWatch Logs: in batches, in the background.

Differs from AWS: handlers log with the rights of their role, as on AWS; without them, lines are lost, and
`local logs` says so.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from typing import TYPE_CHECKING, NamedTuple

from botocore.exceptions import ClientError

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
    role: str


class LogWriter:
    """Writes lines to log groups and streams with the function's role, and creates them if they are missing.

    As on AWS, lines are lost if the role may not write them; the account's log says so once for each group.
    """

    def __init__(self, account: Account) -> None:
        self._account = account
        self._refused: set[tuple[str, str]] = set()
        self._lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()

    def start(self) -> None:
        """Begin to write."""
        self._thread = self._account.tasks.spawn("lambda-logs", self._loop)

    def stop(self) -> None:
        """Write what is left."""
        self._lines.put(None)
        self._thread.join(5)

    def write(self, group: str, stream: str, role: str, message: str) -> None:
        """Accept one line."""
        self._lines.put(Line(group, stream, int(time.time() * 1000), message, role))

    def _loop(self) -> None:
        last = False
        while not last:
            batch = [self._lines.get()]
            self._account.tasks.stopping.wait(_BATCH_SECONDS)
            while not self._lines.empty():
                batch.append(self._lines.get())
            last = None in batch
            streams: dict[tuple[str, str, str], list[Line]] = {}
            for line in batch:
                if line is not None:
                    streams.setdefault((line.group, line.stream, line.role), []).append(line)
            for (group, stream, role), lines in streams.items():
                try:
                    self._put(group, stream, role, lines)
                except ClientError as error:
                    if (group, role) not in self._refused:
                        self._refused.add((group, role))
                        log.warning("%s may not log to %s, so its lines are lost: %s", role, group, error)
                except Exception:
                    log.exception("%d lines for the log group %s were lost", len(lines), group)

    def _put(self, group: str, stream: str, role: str, lines: list[Line]) -> None:
        events: list[LogEvent] = [
            {"timestamp": line.timestamp, "message": next(pieces(line.message))}
            for line in sorted(lines, key=lambda line: line.timestamp)
        ]
        for batch in batches(events):
            self._send(group, stream, role, batch)

    def _send(self, group: str, stream: str, role: str, events: list[LogEvent]) -> None:
        logs = self._account.client("logs", role)
        try:
            logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
        except logs.exceptions.ResourceNotFoundException:
            names = {"logGroupName": group, "logStreamName": stream}
            try:  # the stream first: a role that finds its group needs no permission to create one
                logs.create_log_stream(**names)
            except logs.exceptions.ResourceNotFoundException:
                with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                    logs.create_log_group(logGroupName=group)
                logs.create_log_stream(**names)
            except logs.exceptions.ResourceAlreadyExistsException:
                pass
            logs.put_log_events(**names, logEvents=events)


class Output:
    """The output of one execution environment: sent to its log stream, and kept for ``LogType=Tail``."""

    def __init__(self, writer: LogWriter, group: str, stream: str, role: str) -> None:
        self._writer = writer
        self._role = role
        self.group = group
        self.stream = stream
        self._lines: list[str] = []

    def write(self, message: str) -> None:
        """Accept one line or record."""
        self._writer.write(self.group, self.stream, self._role, message)
        self._lines.append(message if message.endswith("\n") else f"{message}\n")

    def take(self) -> bytes:
        """Return the last 4 KB of what was written since the last call."""
        lines, self._lines = self._lines, []
        return "".join(lines).encode()[-4096:]
