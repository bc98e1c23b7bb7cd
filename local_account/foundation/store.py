"""Documents in SQLite: what the services of the local account remember.

When a write returns, it survives a killed process (not necessarily a power failure).
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

Document = dict[str, Any]
"""A document of any shape. The owner of a table declares its documents' shape with a TypedDict."""
D = TypeVar("D", bound=Mapping[str, Any])


def _encode(value: object) -> object:
    if isinstance(value, datetime):
        return {"$datetime": value.isoformat()}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"a document cannot hold {type(value).__name__}: {value!r}")


def _decode(value: Document) -> object:
    if len(value) == 1:
        if "$datetime" in value:
            return datetime.fromisoformat(value["$datetime"])
        if "$bytes" in value:
            return base64.b64decode(value["$bytes"])
    return value


class Store:
    """All tables of one account, in one file."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=NORMAL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS documents (tab TEXT, key TEXT, doc TEXT, PRIMARY KEY (tab, key))"
        )
        self._lock = threading.RLock()
        self._tables: dict[str, Table[Any]] = {}

    @overload
    def table(self, name: str) -> Table[Document]: ...
    @overload
    def table(self, name: str, kind: type[D]) -> Table[D]: ...

    def table(self, name: str, kind: object = Document) -> Table[Any]:
        """Return the table of that name; always the same object. Its documents are of one `kind`."""
        with self._lock:
            return self._tables.setdefault(name, Table(self, name))

    def execute(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """Run one statement; used by the tables."""
        with self._lock:
            return self._connection.execute(sql, args).fetchall()

    def close(self) -> None:
        """Close the file; nothing is lost."""
        with self._lock:
            self._connection.close()


class Table(Generic[D]):
    """Documents by key, in insertion order. Callers get their own copy of every document."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self.lock = threading.RLock()
        """Held by ``update``; hold it around steps on several documents that belong together."""

    def get(self, key: str) -> D | None:
        """Return the document, or None."""
        rows = self._store.execute("SELECT doc FROM documents WHERE tab=? AND key=?", self._name, key)
        return json.loads(rows[0][0], object_hook=_decode) if rows else None

    def require(self, key: str) -> D:
        """Return the document; raise KeyError if there is none."""
        document = self.get(key)
        if document is None:
            raise KeyError(key)
        return document

    def put(self, key: str, document: D) -> None:
        """Write the document, new or in place of an old one (whose position it keeps)."""
        self._store.execute(
            "INSERT INTO documents VALUES (?, ?, ?) ON CONFLICT (tab, key) DO UPDATE SET doc=excluded.doc",
            self._name,
            key,
            json.dumps(document, default=_encode),
        )

    def delete(self, key: str) -> None:
        """Delete the document if there is one."""
        self._store.execute("DELETE FROM documents WHERE tab=? AND key=?", self._name, key)

    def keys(self) -> list[str]:
        """Return all keys in insertion order."""
        rows = self._store.execute("SELECT key FROM documents WHERE tab=? ORDER BY rowid", self._name)
        return [row[0] for row in rows]

    def items(self) -> list[tuple[str, D]]:
        """Return all (key, document) pairs in insertion order."""
        rows = self._store.execute("SELECT key, doc FROM documents WHERE tab=? ORDER BY rowid", self._name)
        return [(key, json.loads(doc, object_hook=_decode)) for key, doc in rows]

    def values(self) -> list[D]:
        """Return all documents in insertion order."""
        return [document for _, document in self.items()]

    @contextmanager
    def update(self, key: str) -> Iterator[D]:
        """Load a document, let the caller change it, and save it. Raises KeyError if there is none.

        Nothing is saved if the block raises.
        """
        with self.lock:
            document = self.require(key)
            yield document
            self.put(key, document)
