"""What a client promises about a body is verified before the body is stored."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_account.account_process import AccountProcess
from tests.refusing import refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ALGORITHMS = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"]
WRONG = {
    "ContentMD5": base64.b64encode(hashlib.md5(b"y").digest()).decode(),
    "ChecksumCRC32": "AAAAAA==",
    "ChecksumCRC32C": "AAAAAA==",
    "ChecksumCRC64NVME": "AAAAAAAAAAA=",
    "ChecksumSHA1": base64.b64encode(hashlib.sha1(b"y").digest()).decode(),
    "ChecksumSHA256": base64.b64encode(hashlib.sha256(b"y").digest()).decode(),
}


@pytest.mark.parametrize("name", sorted(WRONG))
def test_a_wrong_one_is_refused_and_nothing_is_stored(s3: S3Client, bucket: str, name: str) -> None:
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **{name: WRONG[name]})
    assert (error["Code"], error["Status"]) == ("BadDigest", 400)
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.mark.parametrize("name", ["ContentMD5", "ChecksumSHA256"])
def test_what_cannot_be_one_is_refused(s3: S3Client, bucket: str, name: str) -> None:
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", **{name: "bm8="})
    assert error["Code"] == ("InvalidDigest" if name == "ContentMD5" else "InvalidRequest")


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_is_computed_kept_and_reported(s3: S3Client, bucket: str, algorithm: Any) -> None:
    put: Any = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm=algorithm)
    value = put[f"Checksum{algorithm}"]
    assert put["ChecksumType"] == "FULL_OBJECT"
    for call in (s3.get_object, s3.head_object):
        found: Any = call(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
        assert found[f"Checksum{algorithm}"] == value
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ChecksumAlgorithm"] == [algorithm]


def test_without_one_s3_computes_its_own(local_account: AccountProcess, bucket: str) -> None:
    plain = local_account.client("s3", request_checksum_calculation="when_required")
    put = plain.put_object(Bucket=bucket, Key="k", Body=b"hello")
    assert put["ChecksumCRC64NVME"] == "M3eFcAZSQlc="


def test_a_stream_has_its_checksum_behind_it(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"x" * 200_000), ChecksumAlgorithm="CRC32C")
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"x" * 200_000
    assert "ContentEncoding" not in got


def test_a_body_whose_hash_is_signed_is_verified(local_account: AccountProcess, bucket: str) -> None:
    signed = local_account.client("s3", s3={"payload_signing_enabled": True})
    signed.put_object(Bucket=bucket, Key="k", Body=io.BytesIO(b"x" * 200_000))

    def tamper(request: Any, **_: Any) -> None:
        request.body = b"tampered"

    signed.meta.events.register("before-send.s3.PutObject", tamper)
    error = refused(signed.put_object, Bucket=bucket, Key="t", Body=b"original", ContentMD5=None or "")
    assert error["Code"] in ("XAmzContentSHA256Mismatch", "BadDigest", "InvalidDigest")
    assert s3_keys(signed, bucket) == ["k"]


def s3_keys(client: Any, bucket: str) -> list[str]:
    return [one["Key"] for one in client.list_objects_v2(Bucket=bucket)["Contents"]]


def test_clients_verify_what_they_read(local_account: AccountProcess, s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="CRC32")
    checking = local_account.client("s3", response_checksum_validation="when_supported")
    got = checking.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"hello"
    assert type(got["Body"]).__name__ == "StreamingChecksumBody"
