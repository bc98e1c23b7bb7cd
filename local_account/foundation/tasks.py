"""Background work of the local account: threads and timers that end when the account stops.

Their writes to the store wait while the disk is full.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from local_account.foundation.patience import patient

log = logging.getLogger(__name__)


class Tasks:
    """Threads that belong to the account."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        """Set when the account stops: wait on it instead of sleeping."""
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()

    def spawn(self, name: str, function: Callable[..., object], *args: Any) -> threading.Thread:
        """Run ``function(*args)`` in a thread. An exception is logged with its traceback."""

        def body() -> None:
            try:
                with patient(self.stopping):
                    function(*args)
            except Exception:
                if not self.stopping.is_set():
                    log.exception("background task %s failed", name)
            finally:
                with self._lock:
                    self._threads.discard(thread)

        thread = threading.Thread(target=body, name=name, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return thread

    def every(self, seconds: float, name: str, function: Callable[[], object]) -> threading.Thread:
        """Call ``function`` every ``seconds`` until the account stops; a failed call is logged."""

        def loop() -> None:
            while not self.stopping.wait(seconds):
                try:
                    function()
                except Exception:
                    log.exception("periodic task %s failed", name)

        return self.spawn(name, loop)

    def stop(self, timeout: float = 5.0) -> None:
        """Set ``stopping`` and wait for the threads, ``timeout`` seconds at most in all."""
        self.stopping.set()
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            thread.join(timeout / max(len(threads), 1))
