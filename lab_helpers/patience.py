"""Waiting that an interrupt ends at once, in any thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHORTEST, LONGEST = 0.2, 5.0


class StoppedError(RuntimeError):
    """The work was interrupted; requests already made to the services still take effect."""


class Patience:
    """Growing pauses, with one deadline for a whole step."""

    def __init__(self, stopping: threading.Event, seconds: float = 1800) -> None:
        self._stopping, self._began, self._seconds = stopping, time.monotonic(), seconds

    def pause(self, what: Callable[[], str] = str) -> None:
        """Wait, longer each time: short work is noticed at once, long work costs few calls.

        Raises StoppedError when the work is interrupted, TimeoutError with `what()` after the deadline.
        """
        waited = time.monotonic() - self._began
        if waited > self._seconds:
            raise TimeoutError(what())
        if self._stopping.wait(min(SHORTEST + waited / 20, LONGEST)):
            raise StoppedError
