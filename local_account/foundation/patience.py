"""Work in the background waits while the disk is full.

A request is refused then, and its caller may try again. Nobody tries again what the account does by itself:
an execution whose end could not be written would be in progress for ever.
"""

from __future__ import annotations

import contextlib
import contextvars
import errno
import logging
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")

PAUSE_SECONDS = 0.25
_stopping: contextvars.ContextVar[threading.Event | None] = contextvars.ContextVar("stopping", default=None)


def is_disk_full(error: BaseException) -> bool:
    """Return whether there was no room for a write, of a file or of SQLite's."""
    return getattr(error, "errno", None) == errno.ENOSPC or "disk is full" in str(error)


@contextlib.contextmanager
def patient(stopping: threading.Event) -> Iterator[None]:
    """Let `insist` wait for room in this block and this thread, until the account is stopping."""
    token = _stopping.set(stopping)
    try:
        yield
    finally:
        _stopping.reset(token)


def may_wait(error: Exception) -> bool:
    """Return whether `insist` would try again after this error."""
    stopping = _stopping.get()
    return stopping is not None and not stopping.is_set() and is_disk_full(error)


def insist(write: Callable[[], T]) -> T:
    """Call ``write``, which changes nothing if it raises; if `patient`, again while the disk is full."""
    stopping, said = _stopping.get(), False
    while True:
        try:
            return write()
        except Exception as error:
            if stopping is None or not may_wait(error) or stopping.wait(PAUSE_SECONDS):
                raise
            if not said:
                log.warning("the disk is full: what runs in the background waits for room")
                said = True
