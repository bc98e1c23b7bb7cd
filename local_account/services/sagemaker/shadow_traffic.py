"""Copies of requests for shadow variants: sent beside the original, and what comes back is dropped.

Differs from AWS: a shadow variant that cannot keep up gets fewer copies: no more than 16 at a time, and 64 MB
that wait. AWS does not say what it does then. What a shadow variant answers is captured with the inference id
of the request; AWS does not say whether it keeps it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger(__name__)

_THREADS = 16
_BYTES = 64 << 20


class ShadowTraffic:
    """Sends copies in threads of its own; the caller never waits."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(_THREADS, "shadow-traffic")
        self._waiting = 0
        self._lock = threading.Lock()

    def send(self, size: int, request: Callable[[], object]) -> None:
        """Make a request of so many bytes soon, or not at all if there is no room."""
        with self._lock:
            if self._waiting + size > _BYTES:
                return
            self._waiting += size
        try:
            self._pool.submit(self._make, size, request)
        except RuntimeError:  # the account stops
            log.debug("a copy for a shadow variant is not sent", exc_info=True)

    def stop(self) -> None:
        """Send no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _make(self, size: int, request: Callable[[], object]) -> None:
        try:
            request()
        except Exception:
            log.exception("a copy of a request for a shadow variant")
        finally:
            with self._lock:
                self._waiting -= size
