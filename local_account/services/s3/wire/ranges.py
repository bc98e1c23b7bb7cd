"""Parts of objects: the header ``Range``, and the ranges that UploadPartCopy names.

Contract: RFC 9110, section 14; Amazon S3 API Reference, GetObject ("Range") and UploadPartCopy
("x-amz-copy-source-range").
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from local_account.services.s3.errors import S3Error

_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*")
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes ``start`` to ``end`` of an object of ``size`` bytes; ``end`` is excluded."""

    start: int
    end: int
    size: int

    @property
    def length(self) -> int:
        """Number of bytes."""
        return self.end - self.start

    @property
    def content_range(self) -> str:
        """The value of the header Content-Range."""
        return f"bytes {self.start}-{self.end - 1}/{self.size}"


def requested(header: str, size: int) -> Span | None:
    """Return the span that a Range header asks for; None for the whole object.

    As S3 does, a header that is not a range of bytes, is not well-formed, or names several ranges is ignored.
    Raises S3Error InvalidRange (416, with ActualObjectSize and RangeRequested) if nothing of it exists.
    """
    found = _RANGE.fullmatch(header) if header.isascii() else None
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        span = Span(max(size - int(last), 0), size, size)
    elif last and int(last) < int(first):
        return None
    else:
        span = Span(int(first), min(int(last) + 1, size) if last else size, size)
    if span.start >= span.end:
        raise S3Error("InvalidRange", ActualObjectSize=str(size), RangeRequested=header)
    return span


def copied(header: str, size: int) -> Span:
    """Return the span of ``x-amz-copy-source-range``: ``bytes=FIRST-LAST``, both within the source.

    Raises S3Error: InvalidArgument for another form, and for an end that the source does not have,
    InvalidRequest if it has none of the bytes.
    """
    found = _COPY_RANGE.fullmatch(header) if header.isascii() else None
    if found is None or int(found[1]) > int(found[2]):
        raise S3Error(
            "InvalidArgument",
            "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are "
            "the zero-based offsets of the first and last bytes to copy",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    span = Span(int(found[1]), int(found[2]) + 1, size)
    if span.start >= size:
        raise S3Error("InvalidRequest", "The specified copy range is invalid for the source object size")
    if span.end > size:
        raise S3Error(
            "InvalidArgument",
            f"Range specified is not valid for source object of size: {size}",
            ArgumentName="x-amz-copy-source-range",
            ArgumentValue=header,
        )
    return span
