"""Uploads in parts: limits, checksums, and what comes of them."""

from __future__ import annotations

import base64
import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest
from boto3.s3.transfer import TransferConfig

from tests.refusing import code, refused

if TYPE_CHECKING:
    from pathlib import Path

    from mypy_boto3_s3 import S3Client

MEBIBYTE = 1024 * 1024
FIRST, LAST = os.urandom(5 * MEBIBYTE), os.urandom(100)


def begin(s3: S3Client, bucket: str, **more: Any) -> dict[str, Any]:
    """Begin an upload; return what names it."""
    return {
        "Bucket": bucket,
        "Key": "k",
        "UploadId": s3.create_multipart_upload(Bucket=bucket, Key="k", **more)["UploadId"],
    }


def send(s3: S3Client, upload: dict[str, Any], *bodies: bytes, **more: Any) -> list[dict[str, Any]]:
    """Send parts; return them as the completion lists them."""
    parts = []
    for number, body in enumerate(bodies, 1):
        answer = s3.upload_part(PartNumber=number, Body=body, **upload, **more)
        checksums = {name: value for name, value in answer.items() if name.startswith("Checksum")}
        parts.append({"PartNumber": number, "ETag": answer["ETag"], **checksums})
    return parts


def test_parts_become_an_object(s3: S3Client, versioned: str) -> None:
    upload = begin(s3, versioned, ContentType="text/plain", Metadata={"a": "b"}, Tagging="t=1")
    parts = send(s3, upload, FIRST, LAST)
    done = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)  # type: ignore[typeddict-item]
    etags = b"".join(hashlib.md5(one).digest() for one in (FIRST, LAST))
    assert done["ETag"] == f'"{hashlib.md5(etags).hexdigest()}-2"'
    got = s3.get_object(Bucket=versioned, Key="k")
    assert got["Body"].read() == FIRST + LAST
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"a": "b"}, 1)
    assert got["VersionId"] == done["VersionId"]
    second = s3.get_object(Bucket=versioned, Key="k", PartNumber=2)
    assert second["Body"].read() == LAST
    assert (second["PartsCount"], second["ResponseMetadata"]["HTTPStatusCode"]) == (2, 206)
    assert refused(s3.get_object, Bucket=versioned, Key="k", PartNumber=3)["Status"] == 416
    assert code(s3.list_parts, **upload) == "NoSuchUpload"
    found = s3.get_object_attributes(Bucket=versioned, Key="k", ObjectAttributes=["ObjectParts"])
    assert found["ObjectParts"]["TotalPartsCount"] == 2


def test_a_completion_can_be_asked_for_again(s3: S3Client, versioned: str) -> None:
    upload = begin(s3, versioned)
    parts: Any = {"Parts": send(s3, upload, b"x")}
    first = s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    again = s3.complete_multipart_upload(MultipartUpload=parts, **upload)
    assert (again["ETag"], again["VersionId"]) == (first["ETag"], first["VersionId"])
    assert len(s3.list_object_versions(Bucket=versioned)["Versions"]) == 1
    aborted = begin(s3, versioned)
    send(s3, aborted, b"x")
    s3.abort_multipart_upload(**aborted)
    for other in (aborted, {**upload, "UploadId": "made-up"}):
        assert code(s3.complete_multipart_upload, MultipartUpload=parts, **other) == "NoSuchUpload"
    s3.delete_object(Bucket=versioned, Key="k")
    assert code(s3.complete_multipart_upload, MultipartUpload=parts, **upload) == "NoSuchUpload"
    assert code(s3.complete_multipart_upload, **upload) == "NoSuchUpload"
    assert code(s3.complete_multipart_upload, **begin(s3, versioned)) == "InvalidRequest"


def test_a_part_can_be_sent_again_and_left_out(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket)
    send(s3, upload, b"first try", b"not wanted")
    (part,) = send(s3, upload, b"second try")
    s3.complete_multipart_upload(MultipartUpload={"Parts": [part]}, **upload)  # type: ignore[list-item]
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"second try"


def test_limits(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket)
    error = refused(s3.upload_part, PartNumber=10_001, Body=b"x", **upload)
    assert (error["Code"], error["ArgumentName"]) == ("InvalidArgument", "partNumber")
    parts = send(s3, upload, b"too small", LAST)
    error = refused(s3.complete_multipart_upload, MultipartUpload={"Parts": parts}, **upload)
    assert (error["Code"], error["ProposedSize"], error["MinSizeAllowed"]) == (
        "EntityTooSmall",
        "9",
        "5242880",
    )
    turned = {"Parts": parts[::-1]}
    assert code(s3.complete_multipart_upload, MultipartUpload=turned, **upload) == "InvalidPartOrder"
    unknown = {"Parts": [{**parts[0], "ETag": '"0123456789abcdef0123456789abcdef"'}]}
    assert code(s3.complete_multipart_upload, MultipartUpload=unknown, **upload) == "InvalidPart"
    assert code(s3.complete_multipart_upload, MultipartUpload={"Parts": []}, **upload) == "MalformedXML"
    s3.abort_multipart_upload(**upload)
    assert code(s3.upload_part, PartNumber=1, Body=b"x", **upload) == "NoSuchUpload"
    assert code(s3.abort_multipart_upload, **upload) == "NoSuchUpload"


@pytest.mark.parametrize(
    ("algorithm", "kind", "expected"),
    [
        ("CRC32", "", "COMPOSITE"),
        ("SHA256", "", "COMPOSITE"),
        ("CRC32", "FULL_OBJECT", "FULL_OBJECT"),
        ("CRC64NVME", "", "FULL_OBJECT"),
    ],
)
def test_checksums_of_parts_become_one(
    s3: S3Client, bucket: str, algorithm: str, kind: str, expected: str
) -> None:
    more: dict[str, Any] = {"ChecksumAlgorithm": algorithm, **({"ChecksumType": kind} if kind else {})}
    upload = begin(s3, bucket, **more)
    parts = send(s3, upload, FIRST, LAST, ChecksumAlgorithm=algorithm)
    done: Any = s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)  # type: ignore[typeddict-item]
    assert done["ChecksumType"] == expected
    value = done[f"Checksum{algorithm}"]
    assert value.endswith("-2") == (expected == "COMPOSITE")
    head: Any = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == value
    again = begin(s3, bucket, **more)
    parts = send(s3, again, FIRST, LAST, ChecksumAlgorithm=algorithm)
    promised: Any = {f"Checksum{algorithm}": value}
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **again, **promised)  # type: ignore[typeddict-item]
    if expected == "FULL_OBJECT":
        whole: Any = s3.put_object(Bucket=bucket, Key="w", Body=FIRST + LAST, ChecksumAlgorithm=algorithm)  # type: ignore[arg-type]
        assert whole[f"Checksum{algorithm}"] == value


def test_a_part_with_another_checksum_is_not_the_part(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket, ChecksumAlgorithm="SHA256")
    (part,) = send(s3, upload, b"x", ChecksumAlgorithm="SHA256")
    wrong = {"Parts": [{**part, "ChecksumSHA256": hashlib.sha256(b"y").digest().hex()[:43] + "="}]}
    assert code(s3.complete_multipart_upload, MultipartUpload=wrong, **upload) == "InvalidPart"
    missing = {"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]}
    assert code(s3.complete_multipart_upload, MultipartUpload=missing, **upload) == "InvalidRequest"
    error = refused(s3.upload_part, PartNumber=2, Body=b"x", ChecksumAlgorithm="CRC32", **upload)
    assert "expected checksum Type: sha256, actual checksum Type: crc32" in error["Message"]


def test_uploads_and_parts_are_listed(s3: S3Client, bucket: str) -> None:
    uploads = [
        s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"] for key in ("a", "a", "b/1", "b/2")
    ]
    listed = s3.list_multipart_uploads(Bucket=bucket)
    assert [(one["Key"], one["UploadId"]) for one in listed["Uploads"]] == list(
        zip(("a", "a", "b/1", "b/2"), uploads, strict=True)
    )
    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["b/"]
    paged = [
        one["UploadId"]
        for page in s3.get_paginator("list_multipart_uploads").paginate(
            Bucket=bucket, PaginationConfig={"PageSize": 1}
        )
        for one in page["Uploads"]
    ]
    assert paged == uploads
    upload: Any = {"Bucket": bucket, "Key": "a", "UploadId": uploads[0]}
    send(s3, upload, b"1", b"22", b"333")
    pages = list(s3.get_paginator("list_parts").paginate(PaginationConfig={"PageSize": 2}, **upload))
    assert [(one["PartNumber"], one["Size"]) for page in pages for one in page["Parts"]] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert len(pages) == 2
    for one in listed["Uploads"]:
        s3.abort_multipart_upload(Bucket=bucket, Key=one["Key"], UploadId=one["UploadId"])
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)


def test_large_files_go_in_parts_and_come_back(s3: S3Client, bucket: str, tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(20 * MEBIBYTE + 17))
    config = TransferConfig(multipart_threshold=5 * MEBIBYTE, multipart_chunksize=5 * MEBIBYTE)
    s3.upload_file(str(source), bucket, "k", Config=config)
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-5"')
    s3.download_file(bucket, "k", str(back), Config=config)
    assert back.read_bytes() == source.read_bytes()


def test_a_part_is_verified_by_the_checksum_that_it_was_sent_with(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket)
    sent = s3.upload_part(**upload, PartNumber=1, Body=b"x", ChecksumAlgorithm="SHA256")
    part: Any = {
        "PartNumber": 1,
        "ETag": sent["ETag"],
        "ChecksumSHA256": base64.b64encode(bytes(32)).decode(),
    }
    assert code(s3.complete_multipart_upload, **upload, MultipartUpload={"Parts": [part]}) == "InvalidPart"
    part["ChecksumSHA256"] = sent["ChecksumSHA256"]
    done = s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": [part]})
    assert (done["ChecksumType"], "ChecksumSHA256" in done) == ("FULL_OBJECT", False)
