"""Bytes: shared by copies, kept while they are read, gone when nothing needs them, never whole in memory."""

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest

from local_account.services.s3.storage import Attributes, NoSuchVersion, Storage
from tests.local_account.services.s3.storage.objects import (
    LARGE,
    MIB,
    NOW,
    assert_files_are_those_of_the_index,
    files,
    put,
    put_part,
    read,
)


def copy(storage: Storage, source: str, target: str, start: int = 0, end: int | None = None) -> None:
    version = storage.latest("b", source)
    with storage.copy_segments(version, start, end) as segments:
        storage.put("b", target, segments, version.etag, Attributes(), now=NOW)


@pytest.mark.parametrize("size", [0, 10, LARGE])
def test_a_copy_has_the_bytes_whatever_becomes_of_the_original(
    storage: Storage, directory: Path, size: int
) -> None:
    put(storage, "k", b"x" * size)
    before = files(directory)
    copy(storage, "k", "copy")
    copy(storage, "copy", "k")
    assert files(directory) == before
    storage.delete("b", "k", NOW)
    assert read(storage, "copy") == b"x" * size
    storage.delete("b", "copy", NOW)
    assert files(directory) == set()


def test_a_copy_of_many_parts_and_of_a_range_across_them(storage: Storage, directory: Path) -> None:
    pieces = [bytes([number]) * (5 * MIB + number) for number in range(3)]
    upload = storage.create_upload("b", "k", Attributes(), NOW)
    parts = [put_part(storage, upload, number, piece) for number, piece in enumerate(pieces, 1)]
    storage.complete(upload, [(part.number, part.etag) for part in parts], "e", Attributes(), now=NOW)
    data = b"".join(pieces)
    before = len(files(directory))
    copy(storage, "k", "copy")
    assert len(files(directory)) == before
    copy(storage, "k", "range", 5 * MIB - 10, 10 * MIB + 30_000)
    assert (
        len(files(directory)) == before + 2
    )  # a few bytes of the first, all of the second, some of the third
    storage.delete("b", "k", NOW)
    assert read(storage, "copy") == data
    assert read(storage, "range") == data[5 * MIB - 10 : 10 * MIB + 30_000]
    assert_files_are_those_of_the_index(directory)


def test_a_copy_of_what_is_deleted_meanwhile_keeps_the_bytes(storage: Storage, directory: Path) -> None:
    put(storage, "k", b"x" * LARGE)
    with storage.copy_segments(storage.latest("b", "k")) as segments:
        storage.delete("b", "k", NOW)
        storage.put("b", "copy", segments, "e", Attributes(), now=NOW)
    assert read(storage, "copy") == b"x" * LARGE
    assert_files_are_those_of_the_index(directory)
    version = storage.latest("b", "copy")
    storage.delete("b", "copy", NOW)
    with pytest.raises(NoSuchVersion), storage.copy_segments(version):
        pass


def test_what_is_being_read_stays_until_it_is_closed(storage: Storage, directory: Path) -> None:
    put(storage, "k", b"old" * LARGE)
    one, two = storage.get("b", "k"), storage.open(storage.latest("b", "k"), 3)
    put(storage, "k", b"new")
    assert b"".join(one) == b"old" * LARGE
    one.close()
    one.close()
    (segment,) = two.segments()
    assert (segment[1], segment[2]) == (3, 3 * LARGE - 3)
    assert b"".join(two) == b"old" * (LARGE - 1)
    assert len(files(directory)) == 1
    two.close()
    assert files(directory) == set()
    assert read(storage, "k") == b"new"


def test_a_read_that_is_overtaken_by_a_write_gets_the_new_object(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(storage, "k", b"old" * LARGE)
    look = storage._index.one

    def overtaken(sql: str, arguments: tuple[object, ...]) -> object:
        row = look(sql, arguments)
        monkeypatch.undo()
        put(storage, "k", b"new" * LARGE)
        return row

    monkeypatch.setattr(storage._index, "one", overtaken)
    assert read(storage, "k") == b"new" * LARGE


def test_a_file_that_cannot_be_moved_is_read_where_it_is_until_the_next_start(
    storage: Storage, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(source: str, target: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", target)

    monkeypatch.setattr(os, "rename", full)
    put(storage, "k", b"x" * LARGE)
    put(storage, "gone", b"x" * LARGE)
    monkeypatch.undo()
    assert read(storage, "k") == b"x" * LARGE
    storage.delete("b", "gone", NOW)
    storage.close()
    assert len(list((directory / "incoming").iterdir())) == 1
    again = Storage(directory)
    assert list((directory / "incoming").iterdir()) == []
    assert read(again, "k") == b"x" * LARGE
    again.close()


def test_a_disk_that_takes_a_little_at_a_time_gets_all(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: write(descriptor, bytes(data)[:999]))
    put(storage, "k", bytes(range(250)) * 200)
    assert read(storage, "k") == bytes(range(250)) * 200


def test_what_is_received_and_not_stored_leaves_no_file(storage: Storage, directory: Path) -> None:
    def broken() -> None:
        with storage.receive() as receiver:
            receiver.write(b"x" * LARGE)
            raise ConnectionResetError

    def refused() -> None:
        def unless(current: object) -> None:
            raise ConnectionResetError

        put(storage, "k", b"x" * LARGE, unless=unless)

    def refused_in_pieces() -> None:
        with storage.receive() as one, storage.receive() as two:
            one.write(b"x" * LARGE)
            two.write(b"small")
            segments = [one.finish(), two.finish()]
            storage.put("missing", "k", segments, "e", Attributes(), now=NOW)

    attempts: list[tuple[type[Exception], Callable[[], None]]] = [
        (ConnectionResetError, broken),
        (ConnectionResetError, refused),
        (Exception, refused_in_pieces),
    ]
    for error, attempt in attempts:
        with pytest.raises(error):
            attempt()
    with storage.receive() as receiver:
        receiver.write(b"x" * LARGE)
        receiver.finish()
    assert files(directory) == set()


def test_a_body_of_several_pieces_large_and_small(storage: Storage, directory: Path) -> None:
    with storage.receive() as one, storage.receive() as two, storage.receive() as three:
        one.write(b"1" * LARGE)
        three.write(b"3")
        segments = [one.finish(), two.finish(), three.finish()]
        storage.put("b", "k", segments, "e", Attributes(), now=NOW)
    assert read(storage, "k") == b"1" * LARGE + b"3"
    assert_files_are_those_of_the_index(directory)


def test_a_large_object_is_never_whole_in_memory(storage: Storage) -> None:
    chunk, count = bytes(MIB), 64
    tracemalloc.start()
    try:
        with storage.receive() as receiver:
            for _ in range(count):
                receiver.write(chunk)
            storage.put("b", "k", [receiver.finish()], "e", Attributes(), now=NOW)
        with storage.get("b", "k") as content:
            assert sum(map(len, content)) == count * MIB
        copy(storage, "k", "copy", 1)
        assert tracemalloc.get_traced_memory()[1] < 2 * MIB
    finally:
        tracemalloc.stop()
