"""Connections to SQLite files: what commits survive, and giving back the memory of pages that were read."""

from __future__ import annotations

import contextlib
import queue
import sqlite3

Readers = queue.LifoQueue[sqlite3.Connection] | queue.SimpleQueue[sqlite3.Connection]
"""Connections for reading that nobody uses at the moment."""


def keep_commits(connection: sqlite3.Connection) -> sqlite3.Connection:
    """Let commits survive a killed process, though not a power failure, at the price of no fsync for each.

    Source: SQLite, "PRAGMA synchronous": NORMAL in WAL mode is consistent, and loses no commit of a process
    that ends.
    """
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def trim(connection: sqlite3.Connection) -> None:
    """Give back the memory of the pages that a connection has read."""
    connection.execute("PRAGMA shrink_memory").fetchall()


def trim_idle(readers: Readers) -> None:
    """Trim the readers that nobody uses; one that is reading keeps its pages."""
    for reader in take_idle(readers):
        try:
            trim(reader)
        finally:
            readers.put(reader)


def take_idle(readers: Readers) -> list[sqlite3.Connection]:
    """Take the readers that nobody uses."""
    taken: list[sqlite3.Connection] = []
    with contextlib.suppress(queue.Empty):
        while True:
            taken.append(readers.get_nowait())
    return taken
