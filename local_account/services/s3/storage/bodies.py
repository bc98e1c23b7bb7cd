"""The bytes of objects: files, written once, shared by reference, unlinked when nothing refers to them.

A file is written in ``incoming/``, and moved to ``bodies/`` after the commit of the row that refers to it. So
what a killed process left is in ``incoming/`` (moved or deleted at the next start) or named in the index as
garbage (unlinked at the next start), and a start never looks through all files.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import threading
from array import array
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import TracebackType

from local_account.services.s3.storage.index import Execute, Index

SMALL = 16 * 1024
"""Bodies of at most so many bytes are kept in the index.

Measured on ext4: a put of 1 KB takes 45 µs of processor time in the index and 100 µs with a file of its own,
one of 16 KB 85 and 215 µs.
"""
COPIED = 1024 * 1024
"""Bytes that are copied at a time."""
FORGOTTEN = 100
"""Files that one transaction says are unlinked, so that a put after a large deletion does not pay for it."""

Segment = tuple[int, int]
"""The id of a file, and its size in bytes."""

_log = logging.getLogger(__name__)


class Body:
    """Bytes that were received, or are shared with a version; ``put`` and ``put_part`` store them.

    Attributes
    ----------
    size : bytes.
    data : all of them if they are few, else None.
    """

    __slots__ = ("data", "id", "shared", "size", "stored")

    def __init__(self, identifier: int, size: int, data: bytes | None, *, shared: bool = False) -> None:
        self.id = identifier  # of the file; 0 while there is none
        self.size = size
        self.data = data
        self.shared = shared  # with a version: the file has a row in the index
        self.stored = False


def pack(segments: Iterable[Segment]) -> int | bytes | None:
    """Return segments as the index keeps them: none, the only one's id, or ids and sizes of several."""
    flat = array("q")
    for segment in segments:
        flat.extend(segment)
    if len(flat) <= 2:
        return flat[0] if flat else None
    return flat.tobytes()


def unpack(kept: int | bytes | None, size: int) -> list[Segment]:
    """Return the segments of `pack`, of ``size`` bytes in all."""
    if kept is None:
        return []
    if isinstance(kept, int):
        return [(kept, size)]
    flat = array("q", kept)
    return list(zip(flat[::2], flat[1::2], strict=True))


class Bodies:
    """The files of one storage, and who reads them."""

    def __init__(self, directory: Path, index: Index) -> None:
        self._index = index
        self._incoming = str(directory / "incoming")
        self._kept = str(directory / "bodies")
        for folder in (self._incoming, self._kept):
            Path(folder).mkdir(exist_ok=True)
        self._lock = threading.Lock()
        self._pins: dict[int, int] = {}
        self._doomed: set[int] = set()  # garbage that is still there; somebody may read it
        self._unlinked: list[int] = []  # garbage that is gone; the next transaction says so in the index
        self._left: set[int] = set()  # stored, but in incoming/ until the next start: moving them failed
        self.generation = 0
        """Grows before files are unlinked: what the index said before may be gone after."""
        self._recover()

    def _recover(self) -> None:
        for path in Path(self._incoming).iterdir():
            known = self._index.one("SELECT 1 FROM bodies WHERE id = ?", (int(path.name),))
            if known:
                self._move(int(path.name))
            else:
                path.unlink()
        garbage = [row[0] for row in self._index.all("SELECT id FROM garbage", ())]
        if garbage:
            self._doom(garbage)
            self._sweep(garbage)
            # A full disk is no reason not to start: they are unlinked again the next time.
            with contextlib.suppress(sqlite3.OperationalError), self._index as execute:
                execute("DELETE FROM garbage")
                self._index.on_commit(self._unlinked.clear)

    # --- where a file is

    def incoming(self, identifier: int) -> str:
        """Return where a file is written."""
        return f"{self._incoming}/{identifier}"

    def _path(self, identifier: int) -> str:
        return f"{self._kept}/{identifier & 255:02x}/{identifier}"

    def _move(self, identifier: int) -> None:
        source, target = self.incoming(identifier), self._path(identifier)
        try:
            try:
                os.rename(source, target)  # noqa: PTH104 (strings: pathlib doubles the cost)
            except FileNotFoundError:
                if not os.path.exists(source):  # noqa: PTH110 (another thread has moved it, or unlinked it)
                    return
                os.makedirs(target.rpartition("/")[0], exist_ok=True)  # noqa: PTH103
                os.rename(source, target)  # noqa: PTH104
        except FileNotFoundError:
            return
        except OSError as error:
            self._left.add(identifier)
            _log.warning("The file of a body stays in incoming/ until the next start: %s", error)

    def path(self, identifier: int) -> str:
        """Return where the file of a pinned body is and stays."""
        path = self._path(identifier)
        if not os.path.exists(path):  # noqa: PTH110
            if identifier not in self._left:
                self._move(identifier)  # the thread that stored it is about to do so
            if identifier in self._left:
                return self.incoming(identifier)
        return path

    def copy(self, identifier: int, offset: int, length: int) -> Body:
        """Return a body with some bytes of a pinned one."""
        source = os.open(self.path(identifier), os.O_RDONLY)
        try:
            if length <= SMALL:
                return Body(0, length, os.pread(source, length, offset))
            body = Body(self._index.number(), length, None)
            try:
                self._copy(source, offset, body)
            except BaseException:
                self.discard(body)
                raise
            return body
        finally:
            os.close(source)

    def _copy(self, source: int, offset: int, body: Body) -> None:
        target = os.open(self.incoming(body.id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        try:
            left = body.size
            while left:
                copied = os.sendfile(target, source, offset, min(left, COPIED))
                if not copied:
                    raise OSError(f"the file of body {body.id} ends {left} bytes too early")
                offset += copied
                left -= copied
        finally:
            os.close(target)

    # --- in a transaction: what refers to files

    def spill(self, body: Body) -> None:
        """Give a small body a file, before it becomes one of several segments."""
        if body.data is not None and body.size:
            body.id = self._index.number()
            descriptor = os.open(self.incoming(body.id), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            try:
                write_all(descriptor, memoryview(body.data))
            finally:
                os.close(descriptor)
        body.data = None

    def refer(self, execute: Execute, segments: Iterable[Body]) -> None:
        """Count one more reference to the files of bodies; move new ones into place after the commit."""
        for body in segments:
            if not body.size or body.data is not None:
                continue
            if not body.shared:
                execute("INSERT INTO bodies VALUES (?, 1)", (body.id,))
                self._index.on_commit(partial(setattr, body, "stored", True))
                self._index.after_commit(partial(self._move, body.id))
            elif not execute("UPDATE bodies SET refs = refs + 1 WHERE id = ?", (body.id,)).rowcount:
                # What it was shared with has been deleted since: it is pinned, so the file is still there.
                execute("DELETE FROM garbage WHERE id = ?", (body.id,))
                execute("INSERT INTO bodies VALUES (?, 1)", (body.id,))
                self._index.on_commit(partial(self._keep, body.id))

    def release(self, execute: Execute, segments: Iterable[Segment]) -> None:
        """Count one reference less; unlink files after the commit that have none."""
        garbage: list[int] = []
        for identifier, _ in segments:
            if not execute(
                "UPDATE bodies SET refs = refs - 1 WHERE id = ? AND refs > 1", (identifier,)
            ).rowcount:
                execute("DELETE FROM bodies WHERE id = ?", (identifier,))
                execute("INSERT INTO garbage VALUES (?)", (identifier,))
                garbage.append(identifier)
        if garbage:
            self._index.on_commit(partial(self._doom, garbage))
            self._index.after_commit(partial(self._sweep, garbage))

    @property
    def has_unlinked(self) -> bool:
        """Whether there is something that a transaction should say with `forget_unlinked`."""
        return bool(self._unlinked)

    def forget_unlinked(self, execute: Execute) -> None:
        """Say in the index which garbage is gone."""
        if self._unlinked:
            gone = self._unlinked[:FORGOTTEN]
            for identifier in gone:
                execute("DELETE FROM garbage WHERE id = ?", (identifier,))

            self._index.on_commit(partial(self._forget, len(gone)))

    def _forget(self, gone: int) -> None:
        with self._lock:
            del self._unlinked[:gone]

    # --- who reads

    def pin(self, identifiers: Iterable[int], generation: int | None = None) -> bool:
        """Keep files from being unlinked; refuse if some were unlinked since ``generation``."""
        with self._lock:
            if generation is not None and generation != self.generation:
                return False
            for identifier in identifiers:
                self._pins[identifier] = self._pins.get(identifier, 0) + 1
        return True

    def unpin(self, identifiers: Iterable[int]) -> None:
        """Undo a `pin`; unlink what became garbage since."""
        garbage: list[int] = []
        with self._lock:
            for identifier in identifiers:
                left = self._pins[identifier] - 1
                if left:
                    self._pins[identifier] = left
                else:
                    del self._pins[identifier]
                    if identifier in self._doomed:
                        garbage.append(identifier)
        if garbage:
            self._sweep(garbage)

    def _doom(self, garbage: list[int]) -> None:
        with self._lock:
            self.generation += 1
            self._doomed.update(garbage)

    def _keep(self, identifier: int) -> None:
        with self._lock:
            self._doomed.discard(identifier)

    def _sweep(self, garbage: list[int]) -> None:
        with self._lock:
            now = [one for one in garbage if one in self._doomed and one not in self._pins]
            self._doomed.difference_update(now)
        for identifier in now:
            self._delete(identifier)
        with self._lock:
            self._unlinked.extend(now)

    def _delete(self, identifier: int) -> None:
        """Unlink a file, wherever it is."""
        for path in (self._path(identifier), self.incoming(identifier), self._path(identifier)):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)  # noqa: PTH108
                return

    def discard(self, body: Body) -> None:
        """Delete the file of a body that was not stored."""
        if not body.stored and not body.shared and body.id:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.incoming(body.id))  # noqa: PTH108


def write_all(descriptor: int, data: bytes | bytearray | memoryview) -> None:
    """Write all of it; a nearly full disk takes less at a time."""
    written = os.write(descriptor, data)
    if written < len(data):
        rest = memoryview(data)[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


class Receiver:
    """Takes a body in pieces; a context manager that deletes what was not stored."""

    __slots__ = ("_bodies", "_chunks", "_descriptor", "_number", "_size", "body", "identifier")

    def __init__(self, bodies: Bodies, number: Callable[[], int]) -> None:
        self._bodies = bodies
        self._number = number
        self._chunks: list[bytes] = []
        self._descriptor = -1
        self._size = 0
        self.identifier = 0
        self.body: Body | None = None

    def __enter__(self) -> Receiver:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
        if self.body is not None:
            self._bodies.discard(self.body)
        elif self.identifier:
            self._bodies.discard(Body(self.identifier, self._size, None))

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append bytes. Raises OSError if the disk is full."""
        self._size += len(data)
        if self._descriptor >= 0:
            write_all(self._descriptor, data)
        elif self._size <= SMALL:
            self._chunks.append(bytes(data))  # which copies nothing if they are bytes
        else:
            self.identifier = self._number()
            path = self._bodies.incoming(self.identifier)
            self._descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
            for chunk in self._chunks:
                write_all(self._descriptor, chunk)
            self._chunks.clear()
            write_all(self._descriptor, data)

    def finish(self) -> Body:
        """Return the whole body."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self.body = Body(self.identifier, self._size, None)
        else:
            chunks = self._chunks
            self.body = Body(0, self._size, chunks[0] if len(chunks) == 1 else b"".join(chunks))
        return self.body
