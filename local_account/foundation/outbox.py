"""Accepted work that is still to be done: durable, at least once, with retries.

EventBridge deliveries and asynchronous Lambda invocations wait here. Work that was in flight when the account
ended, however it ended, is done again at the next start.
"""

from __future__ import annotations

import heapq
import logging
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypedDict, TypeVar

if TYPE_CHECKING:
    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

log = logging.getLogger(__name__)

_AFTER_A_FAULT = 60.0

D = TypeVar("D", bound=Mapping[str, Any])


class Entry(TypedDict, Generic[D]):
    """A document that waits."""

    due: float
    """When it is worked on next, in seconds since 1970."""
    document: D


class Outbox(Generic[D]):
    """A queue in the store, worked off by its own threads; order is not preserved.

    ``work`` gets a document, which it may change, and returns None when it is done, or the seconds to wait
    before it is called with the document again.
    """

    def __init__(self, account: Account, name: str, work: Callable[[D], float | None], threads: int) -> None:
        self._account = account
        self._name = name
        self._work = work
        self._threads = threads
        self._table: Table[Entry[D]] = account.store.table(name, Entry[D])
        self._due: list[tuple[float, str]] = []
        self._changed = threading.Condition()
        self._stopped = False

    def start(self) -> None:
        """Take over what an earlier run of the account left, and begin to work."""
        for key, entry in self._table.items():
            self._schedule(entry["due"], key)
        for number in range(self._threads):
            self._account.tasks.spawn(f"{self._name}-{number}", self._loop)

    def stop(self) -> None:
        """Begin no further work; unfinished work stays in the store."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def put(self, document: D, delay: float = 0.0) -> None:
        """Accept a document; it is in the store when this returns, or when the block `together` ends."""
        key, due = uuid.uuid4().hex, time.time() + delay
        self._table.put(key, {"due": due, "document": document})
        self._account.store.once_written(lambda: self._schedule(due, key))

    def _schedule(self, due: float, key: str) -> None:
        with self._changed:
            heapq.heappush(self._due, (due, key))
            self._changed.notify()

    def _next(self) -> str | None:
        with self._changed:
            while not self._stopped:
                wait = self._due[0][0] - time.time() if self._due else None
                if wait is not None and wait <= 0:
                    return heapq.heappop(self._due)[1]
                self._changed.wait(wait)
        return None

    def _loop(self) -> None:
        while (key := self._next()) is not None:
            document = self._table.require(key)["document"]
            try:
                delay = self._work(document)
            except Exception:
                log.exception("%s: work failed, will try again in %d s", self._name, _AFTER_A_FAULT)
                delay = _AFTER_A_FAULT
            if self._stopped and delay is not None:
                # The account is stopping while the work runs: its failure says nothing about the work.
                return
            if delay is None:
                self._table.delete(key)
            else:
                due = time.time() + delay
                self._table.put(key, {"due": due, "document": document})
                self._schedule(due, key)
