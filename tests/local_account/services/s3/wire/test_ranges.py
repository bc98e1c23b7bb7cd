"""Ranges: what a client gets is what the bytes say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.ranges import Span, copied, requested

CONTENT = bytes(range(200))


def part(span: Span) -> bytes:
    return CONTENT[span.start : span.end]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", CONTENT[:10]),
        ("bytes=190-", CONTENT[190:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=-500", CONTENT),
        ("bytes=199-500", CONTENT[199:]),
    ],
)
def test_a_range_is_the_bytes_that_it_names(header: str, expected: bytes) -> None:
    span = requested(header, len(CONTENT))
    assert span is not None
    assert part(span) == expected
    assert span.length == len(expected)
    first = CONTENT.index(expected)
    assert span.content_range == f"bytes {first}-{first + len(expected) - 1}/200"


@pytest.mark.parametrize(
    "header", ["", "bytes=", "bytes=-", "bytes=9-3", "bytes=0-1,3-4", "lines=0-1", "bytes=a-b"]
)
def test_what_is_not_one_range_of_bytes_is_ignored(header: str) -> None:
    assert requested(header, 200) is None


@pytest.mark.parametrize(
    ("header", "size"), [("bytes=200-", 200), ("bytes=-0", 200), ("bytes=0-0", 0), ("bytes=-1", 0)]
)
def test_a_range_of_nothing_is_refused(header: str, size: int) -> None:
    with pytest.raises(S3Error) as raised:
        requested(header, size)
    assert (raised.value.code, raised.value.status) == ("InvalidRange", 416)
    assert raised.value.fields == {"ActualObjectSize": str(size), "RangeRequested": header}


@given(st.integers(0, 300), st.none() | st.integers(0, 300), st.integers(0, 250))
def test_ranges_are_slices(first: int, last: int | None, size: int) -> None:
    content = bytes(size)
    header = f"bytes={first}-{'' if last is None else last}"
    expected = content[first:] if last is None else content[first : last + 1]
    if last is not None and last < first:
        assert requested(header, size) is None
    elif not expected:
        with pytest.raises(S3Error):
            requested(header, size)
    else:
        span = requested(header, size)
        assert span is not None
        assert 0 <= span.start < span.end <= size
        assert span.length == len(expected)


@given(st.text(max_size=12), st.integers(0, 9))
def test_no_header_is_too_strange(header: str, size: int) -> None:
    try:
        span = requested(f"bytes={header}", size)
    except S3Error as error:
        assert error.code == "InvalidRange"
    else:
        assert span is None or span.start < span.end <= size


def test_a_copied_range_must_exist() -> None:
    assert copied("bytes=0-199", 200) == Span(0, 200, 200)
    for header in ("bytes=0-200", "bytes=5-", "bytes=-5", "bytes=5-4", "0-1"):
        with pytest.raises(S3Error) as raised:
            copied(header, 200)
        assert raised.value.code == "InvalidArgument"
        assert raised.value.fields["ArgumentValue"] == header
