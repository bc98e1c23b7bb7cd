"""Documents in SQLite: what the services of the local account remember.

When a write returns, it survives a killed process (not necessarily a power failure).
"""

from __future__ import annotations

import base64
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, TypeVar, overload

from local_account.foundation import connections
from local_account.foundation.patience import insist, may_wait

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
        self._connection = connections.keep_commits(
            sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        )
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS documents (tab TEXT, key TEXT, doc TEXT, PRIMARY KEY (tab, key))"
        )
        self._lock = threading.RLock()
        self._depth = 0
        """1 in a block `together`; its writes, and what is called after them:"""
        self._statements: list[tuple[str, tuple[object, ...]]] = []
        self._afterwards: list[Callable[[], None]] = []
        self._tables: dict[str, Table[Any]] = {}

    @overload
    def table(self, name: str) -> Table[Document]: ...
    @overload
    def table(self, name: str, kind: type[D]) -> Table[D]: ...

    def table(self, name: str, kind: object = Document) -> Table[Any]:
        """Return the table of that name; always the same object. Its documents are of one `kind`."""
        with self._lock:
            return self._tables.setdefault(name, Table(self, name))

    @property
    def is_mine(self) -> bool:
        """Whether this thread is in a block `together` or `alone`, so that others wait for it."""
        return self._lock._is_owned()  # type: ignore[attr-defined, no-any-return]

    def execute(self, sql: str, *args: object) -> list[tuple[Any, ...]]:
        """Run one statement; used by the tables. In the background, it waits while the disk is full."""

        with self._lock:
            if self._depth:
                if not sql.startswith("SELECT"):
                    self._statements.append((sql, args))
                return self._connection.execute(sql, args).fetchall()
        return insist(lambda: self._run(sql, args))

    def _run(self, sql: str, args: tuple[object, ...]) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(sql, args).fetchall()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Make all writes of a block, or none if it raises. Other threads wait: do nothing slow in it.

        The lock of a table that the block updates is taken around it, not within: another thread that has
        that lock may wait for the store (`with table.lock, store.together():`).
        In the background, the writes are made once there is room on the disk.
        """
        with self._lock:
            if self._depth:  # part of another block
                yield
                return
            self._depth, self._statements, self._afterwards = 1, [], []
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                yield
                statements, afterwards = self._statements, self._afterwards
            except BaseException:
                self._undo()
                raise
            finally:
                self._depth = 0
            try:
                self._connection.execute("COMMIT")
                statements = []
            except sqlite3.OperationalError as error:
                self._undo()
                if not may_wait(error):
                    raise
        if statements:
            insist(lambda: self._repeat(statements))
        for call in afterwards:
            call()

    def _undo(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def _repeat(self, statements: list[tuple[str, tuple[object, ...]]]) -> None:
        """Make the writes of a block that found no room."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                for sql, args in statements:
                    self._connection.execute(sql, args)
                self._connection.execute("COMMIT")
            except BaseException:
                self._undo()
                raise

    def once_written(self, call: Callable[[], None]) -> None:
        """Call it when what was written last is on disk: now, or at the end of the block `together`."""
        with self._lock:
            if self._depth:
                self._afterwards.append(call)
                return
        call()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Let other threads wait. A lock held while the store is asked is taken within this, not around."""
        with self._lock:
            yield

    def trim(self) -> None:
        """Give back the memory of pages that have been read."""
        with self._lock:
            connections.trim(self._connection)

    def close(self) -> None:
        """Close the file; nothing is lost."""
        with self._lock:
            self._connection.close()


class TableLock:
    """The lock of one table, for `with`; a thread may take it again.

    The lock of a table is taken before the store's, everywhere: in the opposite order, two threads wait for
    each other for ever. So taking it first within `together` raises RuntimeError.
    """

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        if self._store.is_mine and not self._lock._is_owned():  # type: ignore[attr-defined]
            raise RuntimeError(f"take the lock of {self._name} around `together`, or threads may block")
        self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


class Table(Generic[D]):
    """Documents by key, in insertion order. Callers get their own copy of every document."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._name = name
        self.changes = 0
        """The number of writes so far: what was made of the documents is valid until it changes."""
        self.lock = TableLock(store, name)
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

        Nothing is saved if the block raises. Raises RuntimeError within `together` without the table's lock.
        """
        with self.lock:
            document = self.require(key)
            yield document
            self.put(key, document)
