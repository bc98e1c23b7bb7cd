"""Waiting that an interrupt ends at once, in whichever thread it happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

SHORTEST, LONGEST = 0.2, 5.0


class StoppedError(RuntimeError):
    """The work was interrupted from outside; what has been asked of the services goes on."""


class Patience:
    """Pauses that grow while nothing happens, under one deadline for a whole step."""

    def __init__(self, stopping: threading.Event, seconds: float = 1800) -> None:
        self._stopping = stopping
        self._deadline = time.monotonic() + seconds
        self._next = SHORTEST

    def pause(self, what: Callable[[], str] = str) -> None:
        """Wait a little longer than the last time.

        Raises StoppedError when everything is to stop, TimeoutError with `what()` after the deadline.
        """
        if time.monotonic() > self._deadline:
            raise TimeoutError(what())
        if self._stopping.wait(self._next):
            raise StoppedError
        self._next = min(self._next * 1.3, LONGEST)
