"""The file with the rows of moto's backends; a write is durable when it returns, unless power fails."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from local_account.foundation import connections

BackendKey = tuple[str, str, str]
"""Service, account and region (for a global service, the partition)."""


class Stored(NamedTuple):
    """A row: an entry of a collection of a backend, or number 0, all that is in no collection."""

    number: int
    collection: str
    path: tuple[str, ...]
    value: bytes


class Database:
    """One file for all backends."""

    def __init__(self, path: Path) -> None:
        path.touch(mode=0o600)
        self._connection = connections.keep_commits(
            sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        )
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS objects (backend TEXT, number INTEGER, collection TEXT, path TEXT, "
            "value BLOB, PRIMARY KEY (backend, number)) WITHOUT ROWID"
        )
        self._lock = threading.Lock()

    def backends(self) -> list[BackendKey]:
        """Return every backend that has rows."""
        with self._lock:
            rows = self._connection.execute("SELECT DISTINCT backend FROM objects").fetchall()
        return [tuple(json.loads(name)) for (name,) in rows]

    def read(self, backend: BackendKey) -> list[Stored]:
        """Return the rows of a backend in the order in which they were created."""
        with self._lock:
            rows = self._connection.execute(
                "SELECT number, collection, path, value FROM objects WHERE backend=? ORDER BY number",
                (json.dumps(backend),),
            ).fetchall()
        return [
            Stored(number, collection, tuple(json.loads(path)), value)
            for number, collection, path, value in rows
        ]

    def write(self, backend: BackendKey, gone: Iterable[int], rows: Iterable[Stored]) -> None:
        """Delete and write rows, all or none. Raises sqlite3.Error."""
        name = json.dumps(backend)
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany(
                    "DELETE FROM objects WHERE backend=? AND number=?", [(name, number) for number in gone]
                )
                self._connection.executemany(
                    "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)",
                    [(name, row.number, row.collection, json.dumps(row.path), row.value) for row in rows],
                )
                self._connection.execute("COMMIT")
            except sqlite3.Error:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def trim(self) -> None:
        """Give back the memory of pages that have been read."""
        with self._lock:
            connections.trim(self._connection)

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()
