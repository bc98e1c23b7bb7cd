"""Multipart uploads, as CompleteMultipartUpload (S3 API) and the limits (S3 User Guide) have them."""

from pathlib import Path

import pytest

from local_account.services.s3.storage import (
    Attributes,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    NoSuchUpload,
    ObjectVersion,
    Storage,
)
from tests.local_account.services.s3.storage.objects import (
    LARGE,
    MIB,
    NOW,
    assert_files_are_those_of_the_index,
    put,
    put_part,
    read,
)

FIRST, SECOND = b"1" * (5 * MIB), b"2" * (5 * MIB + 7)


def test_parts_become_an_object_in_the_order_of_their_numbers(storage: Storage, directory: Path) -> None:
    attributes = Attributes(headers={"Content-Type": "text/csv"}, tags={"a": "b"}, checksum_type="COMPOSITE")
    upload = storage.create_upload("b", "k", attributes, NOW, {"algorithm": "CRC32"})
    assert storage.upload("b", "k", upload.id) == upload
    last, second, first = (
        put_part(storage, upload, number, data) for number, data in ((7, b"end"), (2, SECOND), (1, FIRST))
    )
    replaced = put_part(storage, upload, 3, b"never asked for" * LARGE)
    replaced = put_part(storage, upload, 3, b"nor this" * LARGE)
    page = storage.parts(upload, 0, 3)
    assert (page.parts, page.truncated) == ([first, second, replaced], True)
    assert storage.parts(upload, 3).parts == [last]
    wanted = [(part.number, part.etag) for part in (first, second, last)]
    assert storage.chosen(upload, wanted) == [first, second, last]
    version = storage.complete(upload, wanted, "etag-3", attributes, now=NOW)
    assert version == storage.latest("b", "k")
    assert (version.size, version.etag) == (10 * MIB + 10, "etag-3")
    assert version.parts == (first, second, last)
    assert read(storage, "k") == FIRST + SECOND + b"end"
    with storage.open(version, 5 * MIB - 1, 10 * MIB + 8) as content:
        assert b"".join(content) == b"1" + SECOND + b"e"
    with storage.get("b", "k") as content:
        data = b""
        for path, offset, length in content.segments():
            data += path.read_bytes()[offset : offset + length]
        assert data == FIRST + SECOND + b"end"
    with pytest.raises(NoSuchUpload):
        storage.upload("b", "k", upload.id)
    assert storage.uploads("b", "", "", "", "", limit=10).uploads == []
    assert_files_are_those_of_the_index(directory)
    storage.delete("b", "k", NOW)
    assert_files_are_those_of_the_index(directory)


def test_what_a_client_lists_must_have_been_uploaded_in_order_and_be_large_enough(storage: Storage) -> None:
    upload = storage.create_upload("b", "k", Attributes(), NOW)
    one, two = put_part(storage, upload, 1, FIRST), put_part(storage, upload, 2, b"small")
    three = put_part(storage, upload, 3, b"")

    def complete(*wanted: tuple[int, str]) -> ObjectVersion:
        with pytest.raises(refusal):
            storage.chosen(upload, wanted)
        return storage.complete(upload, wanted, "e", Attributes(), now=NOW)

    refusal: type[Exception] = InvalidPartOrder
    for order in ([two, one], [one, one]):
        with pytest.raises(InvalidPartOrder):
            complete(*((part.number, part.etag) for part in order))
    refusal = InvalidPart
    with pytest.raises(InvalidPart):
        complete((1, one.etag), (4, two.etag))
    with pytest.raises(InvalidPart):
        complete((1, two.etag))
    refusal = EntityTooSmall
    with pytest.raises(EntityTooSmall) as small:
        complete((1, one.etag), (2, two.etag), (3, three.etag))
    assert (small.value.number, small.value.size, small.value.etag) == (2, 5, two.etag)
    version = storage.complete(upload, [(1, one.etag), (3, three.etag)], "e", Attributes(), now=NOW)
    assert version.size == 5 * MIB


def test_a_completion_that_is_refused_leaves_the_upload(storage: Storage) -> None:
    upload = storage.create_upload("b", "k", Attributes(), NOW)
    part = put_part(storage, upload, 1, b"x" * LARGE)

    def refuse(current: ObjectVersion | None) -> None:
        raise PermissionError

    with pytest.raises(PermissionError):
        storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW, unless=refuse)
    storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW)
    assert read(storage, "k") == b"x" * LARGE


def test_an_aborted_upload_is_gone_with_its_parts(storage: Storage, directory: Path) -> None:
    upload = storage.create_upload("b", "k", Attributes(), NOW)
    part = put_part(storage, upload, 1, b"x" * LARGE)
    storage.abort(upload)
    assert_files_are_those_of_the_index(directory)
    attempts = (
        lambda: storage.abort(upload),
        lambda: storage.upload("b", "k", upload.id),
        lambda: put_part(storage, upload, 2, b"x" * LARGE),
        lambda: storage.parts(upload),
        lambda: storage.chosen(upload, [(1, part.etag)]),
        lambda: storage.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW),
    )
    for attempt in attempts:
        with pytest.raises(NoSuchUpload):
            attempt()
    for other in ("", "x", "é" * 64, upload.id.upper()):
        with pytest.raises(NoSuchUpload):
            storage.upload("b", "k", other)
    assert_files_are_those_of_the_index(directory)


def test_uploads_and_parts_outlive_the_process(storage: Storage, directory: Path) -> None:
    upload = storage.create_upload("b", "k", Attributes(user={"a": "b"}), NOW, {"said": 1})
    part = put_part(storage, upload, 1, b"x" * LARGE)
    storage.close()
    again = Storage(directory)
    assert again.upload("b", "k", upload.id) == upload
    assert again.parts(upload).parts == [part]
    again.complete(upload, [(1, part.etag)], "e", Attributes(), now=NOW)
    assert read(again, "k") == b"x" * LARGE
    again.close()


def test_a_part_is_copied_from_a_range_of_an_object(storage: Storage, directory: Path) -> None:
    data = bytes(i % 251 for i in range(3 * LARGE))
    small = put(storage, "small", b"0123456789")
    source = put(storage, "source", data)
    ranges = [(source, 0, 3 * LARGE), (source, 100, 2 * LARGE), (source, 5, 9), (small, 0, 10), (small, 2, 4)]
    uploads = []
    for number, (version, start, end) in enumerate(ranges):
        uploads.append(storage.create_upload("b", f"k{number}", Attributes(), NOW))
        with storage.copy_segments(version, start, end) as segments:
            part = storage.put_part(uploads[-1], 1, segments, "e", {}, now=NOW)
        assert part.size == end - start
    storage.delete("b", "source", NOW)
    storage.delete("b", "small", NOW)
    assert_files_are_those_of_the_index(directory)
    expected = [data, data[100 : 2 * LARGE], data[5:9], b"0123456789", b"23"]
    for upload, piece in zip(uploads, expected, strict=True):
        storage.complete(upload, [(1, "e")], "e", Attributes(), now=NOW)
        assert read(storage, upload.key) == piece
    assert_files_are_those_of_the_index(directory)
