"""Checksums: promised by a client, verified here. The judge is botocore, with AWS's own library."""

import base64
import hashlib
import io
import zlib
from collections.abc import Mapping

import pytest
from botocore.httpchecksum import (
    Crc32Checksum,
    CrtCrc32cChecksum,
    CrtCrc64NvmeChecksum,
    Sha1Checksum,
    Sha256Checksum,
)
from hypothesis import given
from hypothesis import strategies as st

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.checksums import (
    ALGORITHMS,
    COMPOSITE,
    FULL_OBJECT,
    Digest,
    Verifier,
    algorithm_of,
    check_part,
    checksum_type,
    composite,
    full_object,
    header_of,
    multipart_etag,
)

JUDGES = {
    "CRC32": Crc32Checksum,
    "CRC32C": CrtCrc32cChecksum,
    "CRC64NVME": CrtCrc64NvmeChecksum,
    "SHA1": Sha1Checksum,
    "SHA256": Sha256Checksum,
}
BODY = b"a body of some bytes"


def judge(algorithm: str, body: bytes) -> str:
    return str(JUDGES[algorithm]().handle(io.BytesIO(body)))


def verify(
    headers: Mapping[str, str], body: bytes = BODY, trailers: Mapping[str, str] | None = None
) -> Digest:
    verifier = Verifier(headers)
    verifier.update(body[:7])
    verifier.update(memoryview(body)[7:])
    return verifier.finish(trailers)


def refusal(
    headers: Mapping[str, str], body: bytes = BODY, trailers: Mapping[str, str] | None = None
) -> S3Error:
    with pytest.raises(S3Error) as raised:
        verify(headers, body, trailers)
    return raised.value


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_promised_checksum_is_verified(algorithm: str) -> None:
    name = f"x-amz-checksum-{algorithm.lower()}"
    assert header_of(algorithm) == name
    right, wrong = judge(algorithm, BODY), judge(algorithm, b"other")
    announced = {"x-amz-sdk-checksum-algorithm": algorithm}
    for headers, trailers in (
        ({name: right}, None),
        ({**announced, name: right}, None),
        ({**announced, "x-amz-trailer": name}, {name: right}),
    ):
        digest = verify(headers, trailers=trailers)
        assert digest.checksums == {algorithm: right}
        assert (digest.size, digest.etag) == (len(BODY), hashlib.md5(BODY).hexdigest())
    for headers, trailers in (({name: wrong}, None), ({"x-amz-trailer": name}, {name: wrong})):
        error = refusal(headers, trailers=trailers)
        assert (error.code, error.status) == ("BadDigest", 400)
        assert error.message == f"The {algorithm} you specified did not match the calculated checksum."
    for value in ("x", "AAAA", ""):
        for error in (refusal({name: value}), refusal({"x-amz-trailer": name}, trailers={name: value})):
            assert (error.code, error.message) == ("InvalidRequest", f"Value for {name} header is invalid.")


@given(st.binary(max_size=300), st.sampled_from(ALGORITHMS))
def test_checksums_are_those_of_aws(body: bytes, algorithm: str) -> None:
    verifier = Verifier({}, default=algorithm)
    assert verifier.algorithm == algorithm
    for at in range(0, len(body), 7):
        verifier.update(body[at : at + 7])
    assert verifier.finish().checksums == {algorithm: judge(algorithm, body)}


def test_without_a_promise_crc64nvme_is_computed() -> None:
    assert verify({}).checksums == {"CRC64NVME": judge("CRC64NVME", BODY)}
    assert Verifier({}, default="").finish().checksums == {}


def test_content_md5_is_verified() -> None:
    md5 = base64.b64encode(hashlib.md5(BODY).digest()).decode()
    assert verify({"content-md5": md5}).size == len(BODY)
    error = refusal({"content-md5": md5}, b"other")
    assert error.code == "BadDigest"
    assert error.message == "The Content-MD5 you specified did not match what we received."
    assert error.fields["ExpectedDigest"] == md5
    for value in ("", "x", base64.b64encode(b"short").decode()):
        assert refusal({"content-md5": value}).code == "InvalidDigest"


def test_the_hash_that_was_signed_is_verified() -> None:
    right = hashlib.sha256(BODY).hexdigest()
    assert verify({"x-amz-content-sha256": right}).size == len(BODY)
    for token in ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"):
        assert verify({"x-amz-content-sha256": token}).size == len(BODY)
    error = refusal({"x-amz-content-sha256": right}, b"other")
    assert (error.code, error.status) == ("XAmzContentSHA256Mismatch", 400)
    assert error.fields == {
        "ClientComputedContentSHA256": right,
        "S3ComputedContentSHA256": hashlib.sha256(b"other").hexdigest(),
    }
    assert refusal({"x-amz-content-sha256": "abc"}).code == "InvalidArgument"


@pytest.mark.parametrize(
    ("headers", "message"),
    [
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-sha1": "x"}, "Multiple checksum Types are not"),
        ({"x-amz-checksum-crc32": "AAAAAA==", "x-amz-trailer": "x-amz-checksum-crc32"}, "Expecting a single"),
        ({"x-amz-checksum-md4": "AAAA"}, "Checksum algorithm provided is unsupported"),
        ({"x-amz-trailer": "x-amz-meta-a"}, "The value specified in the x-amz-trailer header"),
        ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "x-amz-sdk-checksum-algorithm specified, but no"),
        (
            {"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": "AAAAAA=="},
            "Value for x-amz-sdk-checksum-algorithm header is invalid.",
        ),
    ],
)
def test_headers_that_do_not_fit_are_refused(headers: dict[str, str], message: str) -> None:
    error = refusal(headers)
    assert error.code == "InvalidRequest"
    assert message in error.message


def test_an_announced_trailer_must_come() -> None:
    error = refusal({"x-amz-trailer": "x-amz-checksum-crc32"}, trailers={"x-amz-checksum-sha1": "x"})
    assert error.code == "MalformedTrailerError"


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=6))
def test_crcs_of_parts_combine_to_that_of_the_whole(parts: list[bytes]) -> None:
    for algorithm in ("CRC32", "CRC32C", "CRC64NVME"):
        known = [(judge(algorithm, part), len(part)) for part in parts]
        assert full_object(algorithm, known) == judge(algorithm, b"".join(parts))


def test_composite_checksums_and_etags_are_of_the_parts_digests() -> None:
    parts = [b"one", b"two"]
    digests = b"".join(hashlib.sha256(part).digest() for part in parts)
    expected = base64.b64encode(hashlib.sha256(digests).digest()).decode()
    assert composite("SHA256", [judge("SHA256", part) for part in parts]) == f"{expected}-2"
    crcs = b"".join(zlib.crc32(part).to_bytes(4, "big") for part in parts)
    expected = base64.b64encode(zlib.crc32(crcs).to_bytes(4, "big")).decode()
    assert composite("CRC32", [judge("CRC32", part) for part in parts]) == f"{expected}-2"
    md5s = b"".join(hashlib.md5(part).digest() for part in parts)
    etags = [hashlib.md5(part).hexdigest() for part in parts]
    assert multipart_etag(etags) == f"{hashlib.md5(md5s).hexdigest()}-2"


@pytest.mark.parametrize(
    ("algorithm", "asked", "expected"),
    [
        ("CRC64NVME", "", FULL_OBJECT),
        ("CRC64NVME", "FULL_OBJECT", FULL_OBJECT),
        ("CRC64NVME", "COMPOSITE", ""),
        ("CRC32", "", COMPOSITE),
        ("CRC32C", "FULL_OBJECT", FULL_OBJECT),
        ("SHA256", "COMPOSITE", COMPOSITE),
        ("SHA1", "FULL_OBJECT", ""),
        ("SHA1", "SOME", ""),
    ],
)
def test_types_of_checksums(algorithm: str, asked: str, expected: str) -> None:
    if expected:
        assert checksum_type(algorithm, asked) == expected
        return
    with pytest.raises(S3Error) as raised:
        checksum_type(algorithm, asked)
    assert raised.value.code == "InvalidRequest"


def test_algorithms_are_found_by_any_spelling() -> None:
    assert algorithm_of("crc64nvme") == "CRC64NVME"
    with pytest.raises(S3Error, match="unsupported"):
        algorithm_of("MD4")


def test_parts_have_the_algorithm_of_their_upload() -> None:
    check_part("", "SHA1")
    check_part("SHA1", "SHA1")
    with pytest.raises(S3Error, match="expected checksum Type: sha1, actual checksum Type: null"):
        check_part("SHA1", "")
