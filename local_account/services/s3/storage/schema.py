"""The tables of the index, and connections to them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

FORMAT = 1
"""Of the index; stored as SQLite's user_version."""

_TABLES = """
CREATE TABLE sequence (mark INTEGER NOT NULL);  -- numbers up to here may have been given out
INSERT INTO sequence VALUES (1);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    region TEXT NOT NULL, versioning TEXT NOT NULL, settings TEXT NOT NULL
);
CREATE TABLE usage (bucket INTEGER PRIMARY KEY, versions INTEGER NOT NULL, size INTEGER NOT NULL);
-- Keys are compared as UTF-8 bytes (collation BINARY), the versions of a key from the newest to the oldest.
CREATE TABLE versions (
    bucket INTEGER NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL,
    version_id TEXT NOT NULL, latest INTEGER NOT NULL, marker INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, noncurrent_since INTEGER,
    headers TEXT NOT NULL, user TEXT NOT NULL, tags TEXT NOT NULL, checksums TEXT NOT NULL,
    checksum_type TEXT NOT NULL,
    body,  -- NULL: none, or in small; INTEGER: one file; BLOB: several (see bodies.pack)
    parts TEXT NOT NULL,
    PRIMARY KEY (bucket, key, sequence DESC)
) WITHOUT ROWID;
CREATE UNIQUE INDEX current ON versions (bucket, key) WHERE latest = 1 AND marker = 0;
CREATE UNIQUE INDEX buried ON versions (bucket, key) WHERE latest = 0 AND version_id = 'null';
CREATE TABLE small (sequence INTEGER PRIMARY KEY, data BLOB NOT NULL);  -- bodies that are not worth a file
CREATE TABLE bodies (id INTEGER PRIMARY KEY, refs INTEGER NOT NULL);  -- files that something refers to
CREATE TABLE garbage (id INTEGER PRIMARY KEY);  -- files that nothing refers to, until they are unlinked
CREATE TABLE uploads (
    bucket INTEGER NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL, id TEXT NOT NULL,
    initiated INTEGER NOT NULL, headers TEXT NOT NULL, user TEXT NOT NULL, tags TEXT NOT NULL,
    checksums TEXT NOT NULL, checksum_type TEXT NOT NULL, said TEXT NOT NULL,
    PRIMARY KEY (bucket, key, sequence)
) WITHOUT ROWID;
CREATE INDEX initiated ON uploads (bucket, initiated);
CREATE TABLE parts (
    upload INTEGER NOT NULL, number INTEGER NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL,
    checksums TEXT NOT NULL, modified INTEGER NOT NULL, body,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;
-- As triggers they cost no round trips from Python, each of which gives up the interpreter's lock.
CREATE TRIGGER stored AFTER INSERT ON versions BEGIN
    UPDATE usage SET versions = versions + 1, size = size + new.size WHERE bucket = new.bucket;
END;
CREATE TRIGGER removed AFTER DELETE ON versions BEGIN
    UPDATE usage SET versions = versions - 1, size = size - old.size WHERE bucket = old.bucket;
    DELETE FROM small WHERE sequence = old.sequence;
END;
"""


def connect(path: Path, *, cache_kib: int) -> sqlite3.Connection:
    """Return a connection whose commits survive a killed process, and leave checkpoints to others."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute(f"PRAGMA cache_size=-{cache_kib}")
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables of a new index. Raises RuntimeError if it is of another build's format."""
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == 0:
        connection.executescript(f"BEGIN;{_TABLES}PRAGMA user_version={FORMAT};COMMIT;")
    elif found != FORMAT:
        raise RuntimeError(
            f"the objects in the state directory have format {found}, and this build reads format {FORMAT}: "
            "empty the state with `python -m lab_helpers local reset`"
        )
