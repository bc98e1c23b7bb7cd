"""Copies: of objects with what is known about them, and of ranges as parts."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.local_account.services.s3.test_lifecycle import BUCKET, Aging
from tests.local_account.services.s3.test_uploads import FIRST, LAST, begin, send
from tests.refusing import code, refused

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mypy_boto3_s3 import S3Client


def test_a_copy_has_everything_of_its_source(s3: S3Client, bucket: str) -> None:
    s3.put_object(
        Bucket=bucket, Key="a b/ü", Body=b"x" * 100_000, ContentType="text/plain", Metadata={"m": "1"},
        Tagging="t=1", StorageClass="STANDARD_IA",
    )  # fmt: skip
    done = s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "a b/ü"})
    s3.delete_object(Bucket=bucket, Key="a b/ü")
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["Body"].read() == b"x" * 100_000
    assert (got["ContentType"], got["Metadata"], got["TagCount"]) == ("text/plain", {"m": "1"}, 1)
    assert done["CopyObjectResult"]["ETag"] == got["ETag"]
    assert "StorageClass" not in got, "the class is that of the request, or the default"


def test_a_copy_can_have_other_metadata_and_tags(s3: S3Client, bucket: str) -> None:
    source = {"Bucket": bucket, "Key": "k"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"m": "1"}, Tagging="t=1")
    s3.copy_object(
        Bucket=bucket, Key="k", CopySource=source, MetadataDirective="REPLACE", Metadata={"m": "2"},  # type: ignore[arg-type]
        TaggingDirective="REPLACE", Tagging="u=2",
    )  # fmt: skip
    assert s3.head_object(Bucket=bucket, Key="k")["Metadata"] == {"m": "2"}
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "u", "Value": "2"}]
    error = refused(s3.copy_object, Bucket=bucket, Key="k", CopySource=source)
    assert error["Code"] == "InvalidRequest"
    assert "without changing the object's metadata" in error["Message"]


def test_a_version_can_be_copied_over_the_latest(s3: S3Client, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    s3.put_object(Bucket=versioned, Key="k", Body=b"2")
    done = s3.copy_object(
        Bucket=versioned, Key="k", CopySource={"Bucket": versioned, "Key": "k", "VersionId": first}
    )
    assert done["CopySourceVersionId"] == first
    got = s3.get_object(Bucket=versioned, Key="k")
    assert (got["Body"].read(), got["VersionId"]) == (b"1", done["VersionId"])


def test_a_copy_of_an_upload_in_parts_is_one_part(s3: S3Client, bucket: str) -> None:
    upload = begin(s3, bucket)
    parts = send(s3, upload, FIRST, LAST)
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)  # type: ignore[typeddict-item]
    s3.copy_object(Bucket=bucket, Key="copy", CopySource={"Bucket": bucket, "Key": "k"})
    got = s3.get_object(Bucket=bucket, Key="copy")
    assert got["ETag"] == f'"{hashlib.md5(FIRST + LAST).hexdigest()}"'
    assert got["Body"].read() == FIRST + LAST


def test_ranges_can_be_parts(s3: S3Client, bucket: str) -> None:
    content = os.urandom(6_000_000)
    s3.put_object(Bucket=bucket, Key="source", Body=content)
    upload, source = begin(s3, bucket), {"Bucket": bucket, "Key": "source"}
    parts: Any = []
    for number, span in enumerate(("bytes=0-5999999", "bytes=100-199"), 1):
        result = s3.upload_part_copy(PartNumber=number, CopySource=source, CopySourceRange=span, **upload)  # type: ignore[arg-type]
        parts.append({"PartNumber": number, "ETag": result["CopyPartResult"]["ETag"]})
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == content + content[100:200]
    beyond = begin(s3, bucket)
    far = "bytes=0-6000000"
    assert code(s3.upload_part_copy, PartNumber=1, CopySource=source, CopySourceRange=far, **beyond) == (
        "InvalidArgument"
    )


@pytest.mark.parametrize(
    ("source", "more", "expected"),
    [
        ("{bucket}/none", {}, "NoSuchKey"),
        ("no-such-bucket/k", {}, "NoSuchBucket"),
        ("k", {}, "InvalidArgument"),
        ("{bucket}/k", {"CopySourceIfMatch": '"other"'}, "PreconditionFailed"),
        ("{bucket}/k", {"IfNoneMatch": "*"}, "PreconditionFailed"),
        ("{bucket}/k", {"ExpectedSourceBucketOwner": "210987654321"}, "AccessDenied"),
    ],
)
def test_what_cannot_be_copied(
    s3: S3Client, bucket: str, source: str, more: dict[str, Any], expected: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_object(Bucket=bucket, Key="there", Body=b"x")
    found = code(s3.copy_object, Bucket=bucket, Key="there", CopySource=source.format(bucket=bucket), **more)
    assert found == expected


def test_a_source_that_changes_meanwhile_is_copied_as_it_is_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Aging(tmp_path / "state")
    s3, storage = account.client, account.service.storage
    genuine = storage.copy_segments
    changes: list[Callable[[], Any]] = [
        lambda: s3.put_object(Bucket=BUCKET, Key="k", Body=b"second"),
        lambda: s3.delete_object(Bucket=BUCKET, Key="k"),
    ]

    def change_first(*args: Any) -> Any:
        if changes:
            changes.pop(0)()
        return genuine(*args)

    try:
        s3.put_object(Bucket=BUCKET, Key="k", Body=b"first")
        monkeypatch.setattr(storage, "copy_segments", change_first)
        source: Any = {"Bucket": BUCKET, "Key": "k"}
        held = changes.pop()
        s3.copy_object(Bucket=BUCKET, Key="copy", CopySource=source)
        assert s3.get_object(Bucket=BUCKET, Key="copy")["Body"].read() == b"second"
        changes.append(held)
        assert code(s3.copy_object, Bucket=BUCKET, Key="copy", CopySource=source) == "NoSuchKey"
    finally:
        account.close()
