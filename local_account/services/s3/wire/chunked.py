"""Bodies in chunks: ``Content-Encoding: aws-chunked`` with signatures of chunks, and trailers.

Contract: Amazon S3 API Reference, "Signature calculations for the authorization header: transferring payload
in multiple chunks" and "… including trailing headers".
"""

from __future__ import annotations

from collections.abc import Mapping

from local_account.gateway.streams import Stream
from local_account.services.s3.wire.credentials import Signature


class Body:
    """The content of an upload, decoded; ``trailers`` (lower-case names) are complete when `read` ends."""

    trailers: Mapping[str, str]
    length: int | None
    """Length of the content in bytes, as the client declared it; None if it did not."""

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes of content, b"" at the end.

        Raises S3Error: IncompleteBody, InvalidChunkSizeError, MalformedTrailerError, SignatureDoesNotMatch.
        """
        raise NotImplementedError


def body_of(stream: Stream, headers: Mapping[str, str], signature: Signature | None) -> Body:
    """Return the content of a request's body, in whichever encoding the headers announce.

    Parameters
    ----------
    stream
        The body as it arrives (``wsgi.input``).
    headers
        By lower-case name.
    signature
        The request's, against which signatures of chunks are verified; None for an anonymous request.

    Raises S3Error: InvalidArgument for an unknown ``STREAMING-…`` token, MissingContentLength without
    ``x-amz-decoded-content-length``, InvalidRequest or MalformedTrailerError for headers that do not fit.
    """
    raise NotImplementedError


def stored_encoding(content_encoding: str) -> str:
    """Return the Content-Encoding that an object keeps: ``aws-chunked`` is not part of it. "" for none."""
    raise NotImplementedError
