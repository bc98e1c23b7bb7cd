"""Bodies in chunks: the documented examples with their signatures, and what botocore sends."""

import io
import zlib
from base64 import b64encode
from collections.abc import Mapping

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, Crc32Checksum
from hypothesis import given, settings
from hypothesis import strategies as st

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.chunked import (
    SIGNED,
    SIGNED_TRAILER,
    UNSIGNED_TRAILER,
    Body,
    body_of,
    stored_encoding,
)
from local_account.services.s3.wire.credentials import Signature
from local_account.services.s3.wire.signatures import signing_key

CONTENT = b"a" * 66_560
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
CHUNKS = (
    (65_536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"),
    (1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"),
    (0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"),
)
WITH_TRAILER = (
    (65_536, "b474d8862b1487a5145d686f57f013e54db672cee1c953b3010fb58501ef5aa2"),
    (1024, "1c1344b170168f8e65b41376b44b20fe354e373826ccbbe2c1d40a8cae51e5c7"),
    (0, "2ca2aba2005185cf7159c6277faf83795951dd77a3a99e6e65d5c9f85863f992"),
)
TRAILER = (
    b"x-amz-checksum-crc32c:sOO8/Q==\r\n"
    b"x-amz-trailer-signature:d81f82fc3505edab99d459891051a732e8730629a2e4a59689829ca17fe2e435\r\n\r\n"
)


def seed(value: str) -> Signature:
    """The documented requests' own signature."""
    key = signing_key(SECRET, "20130524", "us-east-1")
    scope = "20130524/us-east-1/s3/aws4_request"
    return Signature("AKIAIOSFODNN7EXAMPLE", False, SIGNED, value, key, scope, "20130524T000000Z")


DOCUMENTED = seed("4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9")
DOCUMENTED_TRAILER = seed("106e2a8a18243abcf37539882f36619c00e2dfc72633413f02d3b74544bfeb8e")


class Pieces:
    """A body that arrives in pieces of any size."""

    def __init__(self, raw: bytes, sizes: list[int]) -> None:
        self._raw = io.BytesIO(raw)
        self._sizes = sizes

    def read(self, size: int = -1, /) -> bytes:
        if self._sizes and size > 0:
            size = min(size, self._sizes.pop())
        return self._raw.read(size)


def signed(chunks: tuple[tuple[int, str], ...], end: bytes = b"\r\n", content: bytes = CONTENT) -> bytes:
    raw, at = b"", 0
    for size, signature in chunks:
        raw += b"%x;chunk-signature=%s\r\n" % (size, signature.encode())
        if size:
            raw += content[at : at + size] + b"\r\n"
        at += size
    return raw + end


def unsigned(pieces: list[bytes], end: bytes = b"\r\n") -> bytes:
    return b"".join(b"%X\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n" + end


def headers(token: str, length: int = len(CONTENT), trailer: str = "") -> dict[str, str]:
    named = {"x-amz-content-sha256": token, "x-amz-decoded-content-length": str(length)}
    return {**named, "x-amz-trailer": trailer} if trailer else named


def decode(
    raw: bytes, named: Mapping[str, str], signature: Signature | None = None, sizes: list[int] | None = None
) -> tuple[bytes, Body]:
    body = body_of(Pieces(raw, sizes or []), named, signature)
    return b"".join(iter(lambda: body.read(50_000), b"")), body


def refusal(raw: bytes, named: Mapping[str, str], signature: Signature | None = None) -> S3Error:
    with pytest.raises(S3Error) as raised:
        decode(raw, named, signature)
    return raised.value


def test_the_documented_chunks_are_verified() -> None:
    content, body = decode(signed(CHUNKS), headers(SIGNED), DOCUMENTED)
    assert content == CONTENT
    assert body.length == len(CONTENT)
    assert body.trailers == {}


def test_the_documented_trailer_is_verified() -> None:
    named = headers(SIGNED_TRAILER, trailer="x-amz-checksum-crc32c")
    content, body = decode(signed(WITH_TRAILER, TRAILER), named, DOCUMENTED_TRAILER)
    assert content == CONTENT
    assert body.trailers == {"x-amz-checksum-crc32c": "sOO8/Q=="}
    wrong = TRAILER.replace(b"sOO8/Q==", b"AAAAAA==")
    error = refusal(signed(WITH_TRAILER, wrong), named, DOCUMENTED_TRAILER)
    assert error.code == "SignatureDoesNotMatch"
    assert error.fields["StringToSign"].startswith("AWS4-HMAC-SHA256-TRAILER\n")
    unsigned_trailer = TRAILER.split(b"\r\n")[0] + b"\r\n\r\n"
    assert refusal(signed(WITH_TRAILER, unsigned_trailer), named, DOCUMENTED_TRAILER).status == 403


@pytest.mark.parametrize("at", [0, 65_535, 65_536, 66_559])
def test_a_changed_byte_breaks_the_chain(at: int) -> None:
    changed = CONTENT[:at] + b"b" + CONTENT[at + 1 :]
    error = refusal(signed(CHUNKS, content=changed), headers(SIGNED), DOCUMENTED)
    assert (error.code, error.status) == ("SignatureDoesNotMatch", 403)


def test_chunks_cannot_be_reordered_or_left_out() -> None:
    for chunks in ((CHUNKS[1], CHUNKS[0], CHUNKS[2]), (CHUNKS[0], CHUNKS[1], (0, CHUNKS[1][1]))):
        assert refusal(signed(chunks), headers(SIGNED), DOCUMENTED).code in (
            "SignatureDoesNotMatch",
            "InvalidChunkSizeError",
        )
    assert refusal(signed((CHUNKS[0], CHUNKS[2])), headers(SIGNED), DOCUMENTED).code == "IncompleteBody"


def test_signed_chunks_need_a_signed_request() -> None:
    assert refusal(signed(CHUNKS), headers(SIGNED), None).code == "InvalidRequest"
    bare = signed(CHUNKS).replace(b";chunk-signature=" + CHUNKS[0][1].encode(), b"")
    assert refusal(bare, headers(SIGNED), DOCUMENTED).code == "InvalidRequest"


@settings(max_examples=60)
@given(
    st.lists(st.integers(8192, 20_000), max_size=4),
    st.integers(0, 100),
    st.lists(st.integers(1, 9000), max_size=30),
)
def test_what_botocore_sends_is_decoded_wherever_it_is_split(
    chunks: list[int], last: int, sizes: list[int]
) -> None:
    content = b"".join(bytes([number]) * size for number, size in enumerate([*chunks, last]))
    wrapper = AwsChunkedWrapper(io.BytesIO(content), Crc32Checksum, "x-amz-checksum-crc32", 8192)
    named = headers(UNSIGNED_TRAILER, len(content), "x-amz-checksum-crc32")
    decoded, body = decode(wrapper.read(), named, sizes=sizes)
    assert decoded == content
    assert body.trailers == {"x-amz-checksum-crc32": b64encode(zlib.crc32(content).to_bytes(4)).decode()}


@given(st.integers(0, 140), st.data())
def test_a_body_that_is_cut_off_is_incomplete(length: int, data: st.DataObject) -> None:
    content = bytes(length)
    raw = unsigned([content] if content else [], b"x-amz-checksum-crc32:AAAAAA==\r\n\r\n")
    cut = data.draw(st.integers(0, len(raw) - 3))  # the last line break may be missing
    named = headers(UNSIGNED_TRAILER, length, "x-amz-checksum-crc32")
    assert refusal(raw[:cut], named).code in ("IncompleteBody", "MalformedTrailerError")


def test_only_the_last_chunk_may_be_small() -> None:
    pieces = [b"x" * 8192, b"y" * 10, b"z" * 9000]
    error = refusal(unsigned(pieces), headers(UNSIGNED_TRAILER, sum(map(len, pieces))))
    assert (error.code, error.status) == ("InvalidChunkSizeError", 403)
    assert error.fields == {"Chunk": "3", "BadChunkSize": "10"}


@pytest.mark.parametrize(
    ("raw", "length", "code"),
    [
        (b"5\r\nhello\r\n0\r\n\r\n", 4, "IncompleteBody"),
        (b"5\r\nhello\r\n0\r\n\r\n", 6, "IncompleteBody"),
        (b"5\r\nhelloXX0\r\n\r\n", 5, "InvalidRequest"),
        (b"x\r\nhello\r\n0\r\n\r\n", 5, "InvalidRequest"),
        (b"1" * 5000, 5, "InvalidRequest"),
        (b"5\r\nhello\r\n0\r\nno colon\r\n\r\n", 5, "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\nx-amz-checksum-crc32:x\r\n\r\n", 5, "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\n\r\nmore", 5, "MalformedTrailerError"),
        (b"5\r\nhello\r\n0\r\n" + b"a:b\r\n" * 5000, 5, "MalformedTrailerError"),
    ],
)
def test_what_is_malformed_is_refused(raw: bytes, length: int, code: str) -> None:
    assert refusal(raw, headers(UNSIGNED_TRAILER, length)).code == code


def test_the_announced_trailer_must_come() -> None:
    named = headers(UNSIGNED_TRAILER, 5, "x-amz-checksum-crc32")
    assert refusal(unsigned([b"hello"]), named).code == "MalformedTrailerError"
    other = unsigned([b"hello"], b"x-amz-checksum-sha1:x\r\n\r\n")
    assert refusal(other, named).code == "MalformedTrailerError"


@pytest.mark.parametrize(
    ("named", "code", "status"),
    [
        (headers("STREAMING-UNSIGNED-PAYLOAD"), "InvalidArgument", 400),
        ({"x-amz-content-sha256": UNSIGNED_TRAILER}, "MissingContentLength", 411),
        ({"x-amz-trailer": "x-amz-checksum-crc32"}, "MalformedTrailerError", 400),
        (headers(SIGNED, trailer="x-amz-checksum-crc32"), "MalformedTrailerError", 400),
    ],
)
def test_headers_that_do_not_fit_are_refused(named: dict[str, str], code: str, status: int) -> None:
    error = refusal(b"", named, DOCUMENTED)
    assert (error.code, error.status) == (code, status)


def test_a_plain_body_is_passed_on() -> None:
    content, body = decode(b"hello", {"content-length": "5"})
    assert (content, body.length, body.trailers) == (b"hello", 5, {})
    assert body_of(io.BytesIO(b"x"), {}, None).read() == b"x"


def test_aws_chunked_is_not_an_encoding_of_the_object() -> None:
    assert stored_encoding("aws-chunked") == ""
    assert stored_encoding("aws-chunked, gzip") == "gzip"
    assert stored_encoding("gzip,aws-chunked") == "gzip"
    assert stored_encoding("") == ""
