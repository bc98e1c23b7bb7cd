"""The tables of the index, and connections to them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from local_account.foundation import connections
from local_account.foundation.config import OlderStateError

FORMAT = 2
"""Of the index; stored as SQLite's user_version."""

_TABLES = """
CREATE TABLE sequence (mark INTEGER NOT NULL);  -- numbers up to here may have been given out
INSERT INTO sequence VALUES (1);
CREATE TABLE buckets (
    id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created INTEGER NOT NULL,
    region TEXT NOT NULL, versioning TEXT NOT NULL, settings TEXT NOT NULL
);
-- Keys are compared as UTF-8 bytes (collation BINARY), the versions of a key from the newest to the oldest.
CREATE TABLE versions (
    bucket INTEGER NOT NULL, key TEXT NOT NULL, sequence INTEGER NOT NULL,
    version_id TEXT NOT NULL, latest INTEGER NOT NULL, marker INTEGER NOT NULL, size INTEGER NOT NULL,
    etag TEXT NOT NULL, modified INTEGER NOT NULL, noncurrent_since INTEGER,
    headers TEXT NOT NULL, user TEXT NOT NULL, tags TEXT NOT NULL, checksums TEXT NOT NULL,
    checksum_type TEXT NOT NULL,
    body,  -- NULL: none, or in small; INTEGER: one file; BLOB: several (see bodies.pack)
    parts TEXT NOT NULL,
    versioned INTEGER NOT NULL,  -- 1 if the bucket's versioning was ever set
    PRIMARY KEY (bucket, key, sequence DESC)
) WITHOUT ROWID;
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
"""

_AROUND_VERSIONS = """
-- Without versioning every row is current, and the index would only cost a put another page.
CREATE UNIQUE INDEX current ON versions (bucket, key) WHERE latest = 1 AND marker = 0 AND versioned = 1;
CREATE TRIGGER removed AFTER DELETE ON versions BEGIN
    DELETE FROM small WHERE sequence = old.sequence;
END;
-- A put of a small object to a bucket without versions, as one statement: for each one, Python gives up the
-- interpreter's lock, and waits until another thread lets go of it. Nothing is done if the object that was
-- there has files to release.
CREATE VIEW plain AS
    SELECT
        bucket, key, sequence, size, etag, modified, headers, user, tags, checksums, checksum_type,
        NULL AS data
    FROM versions;
CREATE TRIGGER put INSTEAD OF INSERT ON plain
WHEN NOT EXISTS (SELECT 1 FROM versions WHERE bucket = new.bucket AND key = new.key AND body IS NOT NULL)
BEGIN
    DELETE FROM versions WHERE bucket = new.bucket AND key = new.key;
    INSERT INTO versions VALUES (
        new.bucket, new.key, new.sequence, 'null', 1, 0, new.size, new.etag, new.modified, NULL,
        new.headers, new.user, new.tags, new.checksums, new.checksum_type, NULL, '', 0
    );
    INSERT INTO small SELECT new.sequence, new.data WHERE new.size > 0;
END;
"""

_FROM_1 = """
DROP TRIGGER stored;
DROP TRIGGER removed;
DROP TABLE usage;
DROP INDEX current;
ALTER TABLE versions ADD COLUMN versioned INTEGER NOT NULL DEFAULT 0;
UPDATE versions SET versioned = 1 WHERE bucket IN (SELECT id FROM buckets WHERE versioning <> '');
"""


def connect(path: Path, *, cache_kib: int) -> sqlite3.Connection:
    """Return a connection whose commits survive a killed process, and leave checkpoints to others."""
    connection = sqlite3.connect(path, timeout=60, isolation_level=None, check_same_thread=False)
    connections.keep_commits(connection)
    connection.execute("PRAGMA wal_autocheckpoint=0")
    connection.execute("PRAGMA secure_delete=OFF")
    connection.execute(f"PRAGMA cache_size=-{cache_kib}")
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Create the tables of a new index, or take over those of format 1.

    Raises OlderStateError if it is of another build's format.
    """
    (found,) = connection.execute("PRAGMA user_version").fetchone()
    if found == FORMAT:
        return
    if found not in (0, 1):
        raise OlderStateError(
            f"the state has objects of format {found}, and this build reads format {FORMAT}: "
            "empty it with `make reset`, or start the build that wrote it"
        )
    before = _FROM_1 if found else _TABLES
    connection.executescript(f"BEGIN;{before}{_AROUND_VERSIONS}PRAGMA user_version={FORMAT};COMMIT;")
