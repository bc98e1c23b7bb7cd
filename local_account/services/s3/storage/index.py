"""The index: one writer at a time, a few readers beside it, and a thread that keeps its log short."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any

from local_account.foundation import connections
from local_account.services.s3.storage.schema import connect, prepare

Execute = Callable[..., sqlite3.Cursor]
Arguments = Callable[[Callable[[], int]], tuple[Any, ...] | None]

READERS = 4
"""Connections for reading. A read holds one for microseconds, a page of a list for milliseconds."""
BLOCK = 10_000
"""Numbers that are reserved at a time, so that most writes need not store the last one."""
LOG_BYTES = 16 * 1024 * 1024
"""The log (WAL) is written back into the index from this size on, and cut to it then.

On a disk with 2 ms per fsync a put of 1 KB took 250 µs with SQLite's own checkpoints in the commit (every
1,000 pages), and 70 µs without them: so a thread makes them.
"""

_log = logging.getLogger(__name__)


class Index:
    """The index's connections.

    ``with index as execute:`` is a transaction of the only writer: committed at the end of the block, and
    rolled back if it raises. What ``on_commit`` was given is called then under the lock, so in the order of
    commits; what ``after_commit`` was given is called once others can write.
    """

    def __init__(self, path: Path) -> None:
        self._log_path = path.with_name(path.name + "-wal")
        self._writer = connect(path, cache_kib=4096)
        self._writer.execute(f"PRAGMA journal_size_limit={LOG_BYTES}")
        prepare(self._writer)
        self._execute: Execute = self._writer.execute
        self._lock = threading.Lock()
        (mark,) = self._execute("SELECT mark FROM sequence").fetchone()
        self._numbers = count(mark)
        self._mark = self._stored_mark = mark
        self._readers: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        for _ in range(READERS):
            self._readers.put(connect(path, cache_kib=1024))
        self._on: list[Callable[[], None]] = []
        self._after: list[Callable[[], None]] = []
        self._commits = 0
        self._keeper_connection = connect(path, cache_kib=256)
        self._keeping = threading.Lock()
        self._wanted = threading.Event()
        self._closing = False
        self._keeper = threading.Thread(target=self._keep, name="s3-index-log", daemon=True)
        self._keeper.start()

    # --- the writer

    def __enter__(self) -> Execute:
        self._lock.acquire()
        try:
            self._execute("BEGIN IMMEDIATE")
        except BaseException:
            self._lock.release()
            raise
        return self._execute

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        on, self._on = self._on, []
        after, self._after = self._after, []
        try:
            if kind is None:
                self._execute("COMMIT")
                self._stored_mark = self._mark
                self._commits += 1
                for step in on:
                    step()
        except BaseException as failure:
            self._roll_back(failure)
            raise
        else:
            if kind is not None:
                self._roll_back(error)
        finally:
            self._lock.release()
        if kind is None:
            for step in after:
                step()
            if not self._commits & 63:
                self._watch_log()

    def change(self, sql: str, arguments: Arguments) -> tuple[Any, ...] | None:
        """Run one statement as a transaction of its own, the cheapest one.

        ``arguments`` gets what returns the next number, and is called when nothing else can write. Returns
        what it returned, or None if that was None or the statement changed no row, not even by a trigger.
        """
        writer = self._writer
        with self._lock:
            try:
                given = arguments(self._next)
                if given is None:
                    return None
                before = writer.total_changes
                self._execute(sql, given)
            except BaseException as error:
                self._roll_back(error)
                raise
            if writer.total_changes == before:
                return None
            self._commits += 1
        if not self._commits & 63:
            self._watch_log()
        return given

    def _next(self) -> int:
        """Return the next number, outside of a transaction."""
        number = self.sequence()
        self._stored_mark = self._mark
        return number

    def _roll_back(self, error: BaseException | None) -> None:
        self._mark = self._stored_mark
        if self._writer.in_transaction:  # SQLite has rolled back by itself when the disk is full
            self._execute("ROLLBACK")
        if isinstance(error, sqlite3.OperationalError):
            self._shorten(self._writer, "TRUNCATE")  # the log may hold what room there is

    def on_commit(self, step: Callable[[], None]) -> None:
        """Have memory follow the index: called after the commit, before the next transaction."""
        self._on.append(step)

    def after_commit(self, step: Callable[[], None]) -> None:
        """Have something done when the transaction has been committed, while others can write."""
        self._after.append(step)

    def number(self) -> int:
        """Return a number that no number before it reaches, for a file; it is not stored yet."""
        number: int = next(self._numbers)
        return number

    def sequence(self) -> int:
        """Return the next number, within a transaction; numbers given out before are safe once it commits."""
        number: int = next(self._numbers)
        if number >= self._mark:
            mark = number + BLOCK
            self._execute("UPDATE sequence SET mark = ?", (mark,))
            self._mark = mark  # not before: a full disk refuses it
        return number

    # --- readers

    def one(self, sql: str, arguments: tuple[object, ...]) -> tuple[Any, ...] | None:
        """Return the first row of a query as of the last commit, or None."""
        connection = self._readers.get()
        try:
            row: tuple[Any, ...] | None = connection.execute(sql, arguments).fetchone()
            return row
        finally:
            self._readers.put(connection)

    def all(self, sql: str, arguments: tuple[object, ...]) -> list[tuple[Any, ...]]:
        """Return all rows of a query as of the last commit."""
        connection = self._readers.get()
        try:
            return connection.execute(sql, arguments).fetchall()
        finally:
            self._readers.put(connection)

    def snapshot(self) -> Snapshot:
        """Return a context manager for several queries that see the same commit."""
        return Snapshot(self._readers)

    # --- the log

    def _watch_log(self) -> None:
        size = os.stat(self._log_path).st_size  # noqa: PTH116 (it is called often)
        if size > LOG_BYTES:
            self._wanted.set()
        if size > 4 * LOG_BYTES:  # writers are faster than the disk: they wait for it
            with self._keeping:
                pass

    def _keep(self) -> None:
        while True:
            self._wanted.wait()
            if not self._closing:
                with self._keeping:
                    self._shorten(self._keeper_connection, "PASSIVE")
                    # The rest is short, and only a log that is written back whole begins again.
                    with self._lock:
                        self._shorten(self._keeper_connection, "PASSIVE")
            self._wanted.clear()
            if self._closing:
                return

    def _shorten(self, connection: sqlite3.Connection, mode: str) -> None:
        try:
            connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
        except sqlite3.Error as error:  # a full disk: nothing is lost, the log stays as it is
            _log.warning("The log of the objects' index could not be written back: %s", error)

    def trim(self) -> None:
        """Give back the memory of pages that have been read; a reader that is reading keeps its own."""
        with self._lock:
            connections.trim(self._writer)
        connections.trim_idle(self._readers)

    def close(self) -> None:
        """Close the connections; a second time does nothing."""
        if self._closing:
            return
        self._closing = True
        self._wanted.set()
        self._keeper.join()
        readers = [self._readers.get() for _ in range(READERS)]  # waits for reads in progress
        for connection in readers:
            connection.close()
            self._readers.put(connection)  # so that a late read fails instead of waiting
        self._keeper_connection.close()
        with self._lock:
            self._writer.close()


class Snapshot:
    """Several queries of one reader that see the same commit."""

    __slots__ = ("_connection", "_readers")

    def __init__(self, readers: SimpleQueue[sqlite3.Connection]) -> None:
        self._readers = readers

    def __enter__(self) -> Execute:
        self._connection = self._readers.get()
        try:
            self._connection.execute("BEGIN")
        except BaseException:
            self._readers.put(self._connection)
            raise
        return self._connection.execute

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._connection.execute("ROLLBACK")
        finally:
            self._readers.put(self._connection)
