"""Resident memory while something is done, and the processor time of a server that has nothing to do."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Self

from benchmarks.growth.servers import Server

SAMPLE_SECONDS = 0.02


class Peak:
    """Samples a server's resident memory; `above` is the most that it had more than at the beginning."""

    def __init__(self, server: Server) -> None:
        self._server, self._over = server, threading.Event()
        self._idle_mb = self._peak_mb = server.resident_mb
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def _sample(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self._peak_mb = max(self._peak_mb, self._server.resident_mb)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()

    @property
    def above(self) -> float:
        """Megabytes (10^6 bytes)."""
        return self._peak_mb - self._idle_mb


def idle_percent(server: Server, seconds: float) -> float:
    """Return the processor time of a server in percent of one core, while nothing is asked of it."""
    before, begin = server.cpu_seconds, time.monotonic()
    time.sleep(seconds)
    return (server.cpu_seconds - before) / (time.monotonic() - begin) * 100
