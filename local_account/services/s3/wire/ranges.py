"""Parts of objects: the header ``Range``, and the ranges that UploadPartCopy names.

Contract: RFC 9110, section 14; Amazon S3 API Reference, GetObject ("Range") and UploadPartCopy
("x-amz-copy-source-range").
"""

from __future__ import annotations

from dataclasses import dataclass


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
    raise NotImplementedError


def copied(header: str, size: int) -> Span:
    """Return the span of ``x-amz-copy-source-range``: ``bytes=FIRST-LAST``, both within the source.

    Raises S3Error InvalidArgument for another form, InvalidRequest for bytes that the source does not have.
    """
    raise NotImplementedError
