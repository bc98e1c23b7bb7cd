"""The log of a build: to CloudWatch Logs and to a file, in the order in which the build wrote it."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local_account.foundation.log_events import MOST_EVENT_BYTES, LogEvent, batches, pieces

log = logging.getLogger(__name__)

_FLUSH_SECONDS = 0.2
_MARK = b"\0"
"""Begins a line of CodeBuild's own, even in the middle of a line of the build's output."""


class BuildLog:
    """Collects, line by line, what is written to ``output`` (a file descriptor that children inherit).

    CodeBuild's own lines go through the same pipe, which keeps them in order with the commands' output.
    Lines that CloudWatch Logs does not accept are sent again, and are in the file in any case.
    """

    def __init__(self, path: Path, logs: Any | None, group: str, stream: str) -> None:
        self._logs = logs
        self._group = group
        self._stream = stream
        if logs is not None:
            self._make_stream(logs)
        self._input, self.output = os.pipe()
        os.set_blocking(self._input, False)
        self._file = path.open("ab", buffering=0)
        self._unwritten = bytearray()
        """What is not in the file yet, and waits for room if its disk is full."""
        self._pending: list[LogEvent] = []
        self._latest = 0
        self._partial = b""
        self._closing = threading.Event()
        self._write_lock = threading.Lock()
        self._thread = threading.Thread(target=self._collect, name=f"log {stream}", daemon=True)
        self._thread.start()

    def _make_stream(self, logs: Any) -> None:
        """Create the stream, and the group only if it does not exist: a role may lack that permission."""
        try:
            logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)
        except logs.exceptions.ResourceAlreadyExistsException:
            return
        except logs.exceptions.ResourceNotFoundException:
            with contextlib.suppress(logs.exceptions.ResourceAlreadyExistsException):
                logs.create_log_group(logGroupName=self._group)
            logs.create_log_stream(logGroupName=self._group, logStreamName=self._stream)

    def write(self, text: str) -> None:
        """Write CodeBuild's own lines: ``[Container] date text``."""
        stamp = datetime.now(UTC).strftime("%Y/%m/%d %H:%M:%S.%f")
        with self._write_lock:
            os.write(self.output, _MARK + f"[Container] {stamp} {text}\n".encode())

    def close(self) -> None:
        """Deliver everything written so far, then close; children that still write are cut off."""
        self._closing.set()
        with self._write_lock:
            os.write(self.output, _MARK)  # wakes the collector
        self._thread.join()
        for descriptor in (self._input, self.output):
            os.close(descriptor)
        self._file.close()

    def _collect(self) -> None:
        flushed = time.monotonic()
        while True:
            closing = self._closing.is_set()
            chunk = self._read(0 if closing else _FLUSH_SECONDS)
            self._split(chunk)
            if closing and not chunk:
                break
            if self._pending and time.monotonic() - flushed >= _FLUSH_SECONDS:
                self._flush()
                flushed = time.monotonic()
        self._add(self._partial)
        for pause in (0.0, 0.2, 1.0):
            time.sleep(pause)
            if self._flush():
                return
        log.error("%d lines of %s are only in %s", len(self._pending), self._stream, self._file.name)

    def _read(self, seconds: float) -> bytes:
        if not select.select([self._input], [], [], seconds)[0]:
            return b""
        try:
            return os.read(self._input, 65_536)
        except BlockingIOError:
            return b""

    def _split(self, chunk: bytes) -> None:
        if not chunk:
            return
        *lines, self._partial = (self._partial + chunk).replace(_MARK, b"\0\n").split(b"\n")
        for line in lines:
            if line.endswith(_MARK):
                if line != _MARK:
                    self._add(line[:-1])
            else:
                self._add(line, whole=True)

    def _add(self, line: bytes, *, whole: bool = False) -> None:
        if not line and not whole:
            return
        self._unwritten += line + b"\n"
        text = line.rstrip(b"\r").decode(errors="replace")
        # Events have to be in the order of their time, and clocks can be set back.
        self._latest = max(self._latest, int(time.time() * 1000))
        for piece in pieces(text, MOST_EVENT_BYTES - 1):
            self._pending.append({"timestamp": self._latest, "message": f"{piece}\n"})

    def _save(self) -> None:
        try:
            while self._unwritten:
                del self._unwritten[: self._file.write(self._unwritten)]
        except OSError as error:
            log.warning("%d bytes of the log of %s: %s", len(self._unwritten), self._stream, error)

    def _flush(self) -> bool:
        self._save()
        if self._logs is None:
            self._pending.clear()
        for batch in list(batches(self._pending)):
            try:
                self._logs.put_log_events(  # type: ignore[union-attr]
                    logGroupName=self._group, logStreamName=self._stream, logEvents=batch
                )
            except Exception as error:  # whatever happened, the lines stay and are sent again
                log.warning(
                    "%d lines of %s are waiting for CloudWatch Logs: %s", len(batch), self._stream, error
                )
                return False
            del self._pending[: len(batch)]
        return True
