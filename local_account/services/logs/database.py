"""The SQLite file of CloudWatch Logs: one writer, a few readers.

When a write returns, it survives a killed process. Readers see the state of their first statement, and never
wait for the writer.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_account.foundation import connections

_SCHEMA = """
CREATE TABLE IF NOT EXISTS groups (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT UNIQUE, created INTEGER, retention INTEGER,
    class TEXT, protected INTEGER, size INTEGER);
CREATE TABLE IF NOT EXISTS streams (
    id INTEGER PRIMARY KEY AUTOINCREMENT, log_group INTEGER, name TEXT, created INTEGER,
    first INTEGER, last INTEGER, ingested INTEGER, size INTEGER, UNIQUE (log_group, name));
CREATE INDEX IF NOT EXISTS streams_by_time ON streams (log_group, last, name);
CREATE TABLE IF NOT EXISTS batches (
    id INTEGER PRIMARY KEY AUTOINCREMENT, log_group INTEGER, stream INTEGER, first INTEGER, last INTEGER,
    ingested INTEGER, size INTEGER, events BLOB);
CREATE INDEX IF NOT EXISTS batches_of_group ON batches (log_group, first, id, last, stream, size);
CREATE INDEX IF NOT EXISTS ends_of_group ON batches (log_group, last, id, first, stream, size);
CREATE INDEX IF NOT EXISTS batches_of_stream ON batches (stream, first, id, last, size);
CREATE INDEX IF NOT EXISTS ends_of_stream ON batches (stream, last, id, first, size);
CREATE TABLE IF NOT EXISTS garbage (owner TEXT, id INTEGER, PRIMARY KEY (owner, id)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS metric_filters (
    log_group INTEGER, name TEXT, document TEXT, PRIMARY KEY (log_group, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS observations (
    id INTEGER PRIMARY KEY AUTOINCREMENT, metric TEXT, minute INTEGER, value REAL, count INTEGER);
CREATE TABLE IF NOT EXISTS filtered_minutes (
    log_group INTEGER, name TEXT, minute INTEGER, matched INTEGER,
    PRIMARY KEY (log_group, name, minute)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS policies (name TEXT PRIMARY KEY, document TEXT, updated INTEGER) WITHOUT ROWID;
"""
_CHECKPOINT_PAGES = 4_000
"""Pages in the write-ahead log before they are copied to the file: 16 MB, which takes some milliseconds."""


class Database:
    """All connections to the file. Safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self._lock = threading.RLock()
        self._readers: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._writer = self._connect()
        self._writer.execute("PRAGMA auto_vacuum=INCREMENTAL")
        connections.keep_commits(self._writer)
        self._writer.execute(f"PRAGMA wal_autocheckpoint={_CHECKPOINT_PAGES}")
        self._writer.execute(f"PRAGMA journal_size_limit={_CHECKPOINT_PAGES * 4096}")
        self._writer.executescript(_SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run a transaction: all of the block's changes, or none if it raises."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                if self._writer.in_transaction:  # a full disk may have ended it already
                    self._writer.execute("ROLLBACK")
                raise

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Read one consistent state."""
        try:
            connection = self._readers.get_nowait()
        except queue.Empty:
            connection = self._connect()
            connection.execute("PRAGMA query_only=1")
        connection.execute("BEGIN")
        try:
            yield connection
        finally:
            connection.execute("ROLLBACK")
            self._readers.put(connection)

    def shrink(self) -> bool:
        """Give some free pages back to the file system; return whether there were any."""
        with self._lock:
            (free,) = self._writer.execute("PRAGMA freelist_count").fetchone()
            self._writer.execute("PRAGMA incremental_vacuum(1000)").fetchall()
            return bool(free)

    def trim(self) -> None:
        """Give back the memory of pages that have been read; a reader that is reading keeps its own."""
        with self._lock:
            connections.trim(self._writer)
        connections.trim_idle(self._readers)

    def close(self) -> None:
        """Close the file; nothing is lost."""
        with self._lock:
            for reader in connections.take_idle(self._readers):
                reader.close()
            self._writer.close()
