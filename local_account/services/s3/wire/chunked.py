"""Bodies in chunks: ``Content-Encoding: aws-chunked`` with signatures of chunks, and trailers.

Contract: Amazon S3 API Reference, "Signature calculations for the authorization header: transferring payload
in multiple chunks" and "… including trailing headers".
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from hashlib import sha256

from local_account.gateway.streams import Stream
from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.credentials import Signature, mismatch

SIGNED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
SIGNED_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
UNSIGNED_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
_EMPTY = sha256().hexdigest()
_LINE = 128
_LONGEST_LINE = 4096
_TRAILER_BYTES = 16_384
_SMALLEST_CHUNK = 8192
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;chunk-signature=([0-9a-f]{64}))?[ \t]*")


class Body:
    """The content of an upload as it comes; ``trailers`` (lower-case names) are complete when `read` ends."""

    def __init__(self, stream: Stream, length: int | None) -> None:
        self._stream = stream
        self.length = length
        """Length of the content in bytes, as the client declared it; None if it did not."""
        self.trailers: Mapping[str, str] = {}

    def read(self, size: int = -1, /) -> bytes:
        """Return at most ``size`` bytes of content, b"" at the end.

        Raises S3Error: IncompleteBody, InvalidChunkSizeError, InvalidRequest, MalformedTrailerError,
        SignatureDoesNotMatch.
        """
        return self._stream.read(size)


class _ChunkedBody(Body):
    """The content of a body in ``aws-chunked`` encoding."""

    def __init__(
        self, stream: Stream, length: int, chain: _Chain | None, trailer: str, *, has_trailers: bool
    ) -> None:
        super().__init__(stream, length)
        self._left = length
        self._chain = chain
        self._trailer = trailer
        self._has_trailers = has_trailers
        self._buffer = b""
        self._chunk = 0
        self._chunks = 0
        self._small = 0
        self._ended = False

    def read(self, size: int = -1, /) -> bytes:
        """Return ``size`` bytes of content, or all that remain if there are fewer, or for -1."""
        pieces = []
        wanted = self._left if size < 0 else min(size, self._left)
        while wanted:
            if not self._chunk:
                self._begin_chunk()
            piece = self._take(min(wanted, self._chunk))
            pieces.append(piece)
            wanted -= len(piece)
            self._left -= len(piece)
            self._chunk -= len(piece)
            if self._chain is not None:
                self._chain.update(piece)
            if not self._chunk:
                self._end_chunk()
        if not self._left and not self._ended:
            self._ended = True
            self._end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _begin_chunk(self) -> None:
        found = _CHUNK.fullmatch(self._line())
        if found is None or (self._chain is not None and found[2] is None):
            raise S3Error("InvalidRequest", "The chunk header of the request body is not well-formed.")
        self._chunk = int(found[1], 16)
        self._chunks += 1
        if self._chain is not None:
            self._chain.begin((found[2] or b"").decode())
        if self._chunk > self._left or (self._left and not self._chunk):
            raise _incomplete()
        if self._small and self._chunk:
            raise S3Error("InvalidChunkSizeError", Chunk=str(self._chunks), BadChunkSize=str(self._small))
        if self._chunk < _SMALLEST_CHUNK:
            self._small = self._chunk  # allowed for the last one

    def _end_chunk(self) -> None:
        while len(self._buffer) < 2:
            self._fill()
        if not self._buffer.startswith(b"\r\n"):
            raise S3Error("InvalidRequest", "A chunk of the request body does not end where its size says.")
        self._buffer = self._buffer[2:]
        if self._chain is not None:
            self._chain.verify()

    def _end(self) -> None:
        """Read the last chunk, which is empty, and the trailers."""
        self._begin_chunk()
        if self._chain is not None:
            self._chain.verify()
        lines = []
        left = _TRAILER_BYTES
        while line := self._line(may_end=True):
            left -= len(line)
            if left < 0:
                raise S3Error("MalformedTrailerError")
            lines.append(line)
        self._read_trailers(lines)
        if self._buffer.strip(b"\r\n") or self._stream.read(3).strip(b"\r\n"):
            raise S3Error("MalformedTrailerError")

    def _read_trailers(self, lines: list[bytes]) -> None:
        trailers: dict[str, str] = {}
        for line in lines:
            name, colon, value = line.decode("latin-1").partition(":")
            if not colon or not self._has_trailers:
                raise S3Error("MalformedTrailerError")
            trailers[name.strip().lower()] = value.strip()
        signature = trailers.pop("x-amz-trailer-signature", "")
        if self._has_trailers:
            if set(trailers) != {self._trailer} - {""}:
                raise S3Error("MalformedTrailerError")
            if self._chain is not None:
                self._chain.verify_trailers(trailers, signature)
        self.trailers = trailers

    def _take(self, size: int) -> bytes:
        """Return 1 to ``size`` bytes."""
        if self._buffer:
            piece, self._buffer = self._buffer[:size], self._buffer[size:]
            return piece
        piece = self._stream.read(size)
        if not piece:
            raise _incomplete()
        return piece

    def _fill(self) -> None:
        # Little, so that the content that follows does not pass through this buffer.
        more = self._stream.read(_LINE)
        if not more:
            raise _incomplete()
        self._buffer += more

    def _line(self, *, may_end: bool = False) -> bytes:
        while (at := self._buffer.find(b"\r\n")) < 0:
            if len(self._buffer) > _LONGEST_LINE:
                raise S3Error("InvalidRequest", "The chunk header of the request body is not well-formed.")
            try:
                self._fill()
            except S3Error:
                if may_end and not self._buffer:
                    return b""
                raise
        line, self._buffer = self._buffer[:at], self._buffer[at + 2 :]
        return line


class _Chain:
    """The signatures of a body's chunks, each of which covers the one before it."""

    def __init__(self, seed: Signature) -> None:
        self._seed = seed
        self._previous = seed.value
        self._given = ""
        self._content = sha256()

    def begin(self, signature: str) -> None:
        """Begin a chunk that is said to have this signature."""
        self._given = signature
        self._content = sha256()

    def update(self, piece: bytes) -> None:
        """Take content of the chunk."""
        self._content.update(piece)

    def verify(self) -> None:
        """Raise S3Error SignatureDoesNotMatch unless the chunk, now complete, has its signature."""
        self._check(["AWS4-HMAC-SHA256-PAYLOAD"], [_EMPTY, self._content.hexdigest()], self._given)

    def verify_trailers(self, trailers: Mapping[str, str], signature: str) -> None:
        """Raise S3Error SignatureDoesNotMatch unless the trailers have this signature."""
        content = "".join(f"{name}:{value}\n" for name, value in sorted(trailers.items()))
        digest = sha256(content.encode("latin-1")).hexdigest()
        self._check(["AWS4-HMAC-SHA256-TRAILER"], [digest], signature)

    def _check(self, algorithm: list[str], digests: list[str], given: str) -> None:
        seed = self._seed
        text = "\n".join([*algorithm, seed.timestamp, seed.scope, self._previous, *digests])
        expected = hmac.digest(seed.key, text.encode(), "sha256").hex()
        if not hmac.compare_digest(expected.encode(), given.encode()):
            raise mismatch(seed.access_key_id, text, given)
        self._previous = expected


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
    token = headers.get("x-amz-content-sha256", "")
    trailer = headers.get("x-amz-trailer", "").strip().lower()
    if not token.startswith("STREAMING-"):
        if trailer:
            raise S3Error("MalformedTrailerError")
        length = headers.get("content-length", "")
        return Body(stream, int(length) if length.isdigit() else None)
    if token not in (SIGNED, SIGNED_TRAILER, UNSIGNED_TRAILER):
        raise S3Error(
            "InvalidArgument",
            "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, "
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid "
            "sha256 value.",
            ArgumentName="x-amz-content-sha256",
            ArgumentValue=token,
        )
    declared = headers.get("x-amz-decoded-content-length", "")
    if not (declared.isascii() and declared.isdigit()):
        raise S3Error("MissingContentLength")
    chain = None
    if token != UNSIGNED_TRAILER:
        if signature is None or not signature.key:
            raise S3Error("InvalidRequest", "Chunks can be signed only in a request of Signature Version 4")
        chain = _Chain(signature)
    if token == SIGNED and trailer:
        raise S3Error("MalformedTrailerError")
    return _ChunkedBody(stream, int(declared), chain, trailer, has_trailers=token != SIGNED)


def stored_encoding(content_encoding: str) -> str:
    """Return the Content-Encoding that an object keeps: ``aws-chunked`` is not part of it. "" for none."""
    if "aws-chunked" not in content_encoding.lower():
        return content_encoding
    kept = (part.strip() for part in content_encoding.split(","))
    return ",".join(part for part in kept if part and part.lower() != "aws-chunked")


def _incomplete() -> S3Error:
    return S3Error("IncompleteBody", "The request body terminated unexpectedly")
