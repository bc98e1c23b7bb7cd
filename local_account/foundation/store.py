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
_LAST = chr(0x10FFFF)
"""Sorts after every character in a key."""
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


def _quoted(text: str) -> str:
    """Return a literal: an index over part of a table is used only for a literal that equals its own."""
    return "'" + text.replace("'", "''") + "'"


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
        self._depth = 0
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

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all writes of a block, or none if it raises. Other threads wait: do nothing slow in it."""
        with self._lock:
            self._depth += 1
            try:
                if self._depth == 1:
                    self._connection.execute("BEGIN IMMEDIATE")
                yield
                if self._depth == 1:
                    self._connection.execute("COMMIT")
            except BaseException:
                if self._depth == 1 and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            finally:
                self._depth -= 1

    def close(self) -> None:
        """Close the file; nothing is lost."""
        with self._lock:
            self._connection.close()


class Table(Generic[D]):
    """Documents by key, in insertion order. Callers get their own copy of every document."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self.changes = 0
        """The number of writes so far: what was made of the documents is valid until it changes."""
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
        self.changes += 1

    def delete(self, key: str) -> None:
        """Delete the document if there is one."""
        self._store.execute("DELETE FROM documents WHERE tab=? AND key=?", self._name, key)
        self.changes += 1

    def keys(self, prefix: str = "") -> list[str]:
        """Return the keys that begin with ``prefix``, in insertion order."""
        rows = self._store.execute(
            "SELECT key FROM documents WHERE tab=? AND key>=? AND key<? ORDER BY rowid",
            self._name,
            prefix,
            prefix + _LAST,
        )
        return [row[0] for row in rows]

    def named(self, part: str) -> list[D]:
        """Return the documents whose key contains ``part``, in upper or lower case, in insertion order."""
        rows = self._store.execute(
            "SELECT doc FROM documents WHERE tab=? AND instr(lower(key), ?) ORDER BY rowid",
            self._name,
            part.lower(),
        )
        return [json.loads(doc, object_hook=_decode) for (doc,) in rows]

    def items(self, prefix: str = "") -> list[tuple[str, D]]:
        """Return the (key, document) pairs whose key begins with ``prefix``, in insertion order."""
        rows = self._store.execute(
            "SELECT key, doc FROM documents WHERE tab=? AND key>=? AND key<? ORDER BY rowid",
            self._name,
            prefix,
            prefix + _LAST,
        )
        return [(key, json.loads(doc, object_hook=_decode)) for key, doc in rows]

    def values(self, prefix: str = "") -> list[D]:
        """Return the documents whose key begins with ``prefix``, in insertion order."""
        return [document for _, document in self.items(prefix)]

    def containing(self, text: str) -> list[D]:
        """Return the documents that contain a text, in insertion order; all are searched, none is read."""
        rows = self._store.execute(
            "SELECT doc FROM documents WHERE tab=? AND instr(doc, ?) ORDER BY rowid", self._name, text
        )
        return [json.loads(doc, object_hook=_decode) for (doc,) in rows]

    def members(self, *names: str) -> list[tuple[Any, ...]]:
        """Return the key and some members (texts or numbers) of every document, without reading them."""
        extracts = "".join(f", json_extract(doc, {_quoted('$.' + name)})" for name in names)
        return self._store.execute(
            f"SELECT key{extracts} FROM documents WHERE tab=? ORDER BY rowid",  # noqa: S608 - names of ours
            self._name,
        )

    def index(self, member: str) -> None:
        """Make `where` find documents by a member (``a.b`` is member b of member a) without reading all."""
        name = f"{self._name}.{member}".replace('"', "")
        self._store.execute(
            f'CREATE INDEX IF NOT EXISTS "{name}" ON documents (json_extract(doc, {_quoted("$." + member)})) '
            f"WHERE tab={_quoted(self._name)}"
        )

    def where(self, member: str, value: str) -> list[D]:
        """Return the documents in which a member is ``value``, in insertion order; see `index`."""
        rows = self._store.execute(
            f"SELECT doc FROM documents WHERE tab={_quoted(self._name)} "  # noqa: S608 - names of ours
            f"AND json_extract(doc, {_quoted('$.' + member)})=? ORDER BY rowid",
            value,
        )
        return [json.loads(doc, object_hook=_decode) for (doc,) in rows]

    @contextmanager
    def update(self, key: str) -> Iterator[D]:
        """Load a document, let the caller change it, and save it. Raises KeyError if there is none.

        Nothing is saved if the block raises.
        """
        with self.lock:
            document = self.require(key)
            yield document
            self.put(key, document)
