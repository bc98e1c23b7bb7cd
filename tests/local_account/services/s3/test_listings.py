"""Lists of objects: in order, in pages, folded at a delimiter."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.refusing import code, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = ["a", "b/1", "b/2", "b/c/3", "d", "é", "日本", "\U0001f600"]


@pytest.fixture
def filled(s3: S3Client, bucket: str) -> str:
    for key in reversed(KEYS):
        s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    return bucket


def test_keys_are_in_the_order_of_their_bytes(s3: S3Client, filled: str) -> None:
    listed = s3.list_objects_v2(Bucket=filled)
    assert [one["Key"] for one in listed["Contents"]] == sorted(KEYS, key=str.encode)
    assert listed["KeyCount"] == len(KEYS)
    assert not listed["IsTruncated"]
    one = listed["Contents"][0]
    assert (one["Size"], one["StorageClass"], one["ChecksumType"]) == (1, "STANDARD", "FULL_OBJECT")
    assert one["ETag"] == s3.head_object(Bucket=filled, Key="a")["ETag"]


def test_a_delimiter_folds(s3: S3Client, filled: str) -> None:
    listed = s3.list_objects_v2(Bucket=filled, Delimiter="/")
    assert [one["Key"] for one in listed["Contents"]] == [key for key in KEYS if "/" not in key]
    assert [one["Prefix"] for one in listed["CommonPrefixes"]] == ["b/"]
    inner = s3.list_objects_v2(Bucket=filled, Delimiter="/", Prefix="b/")
    assert [one["Key"] for one in inner["Contents"]] == ["b/1", "b/2"]
    assert [one["Prefix"] for one in inner["CommonPrefixes"]] == ["b/c/"]
    assert s3.list_objects_v2(Bucket=filled, Prefix="none")["KeyCount"] == 0


@pytest.mark.parametrize("operation", ["list_objects_v2", "list_objects"])
@pytest.mark.parametrize("delimiter", ["", "/"])
def test_pages_have_everything_once(s3: S3Client, filled: str, operation: str, delimiter: str) -> None:
    whole = getattr(s3, operation)(Bucket=filled, Delimiter=delimiter)
    found, prefixes = [], []
    pages = s3.get_paginator(operation).paginate(  # type: ignore[call-overload]
        Bucket=filled, Delimiter=delimiter, PaginationConfig={"PageSize": 2}
    )
    for page in pages:
        found += [one["Key"] for one in page.get("Contents", [])]
        prefixes += [one["Prefix"] for one in page.get("CommonPrefixes", [])]
    assert found == [one["Key"] for one in whole["Contents"]]
    assert prefixes == [one["Prefix"] for one in whole.get("CommonPrefixes", [])]


def test_a_list_can_start_after_a_key(s3: S3Client, filled: str) -> None:
    listed = s3.list_objects_v2(Bucket=filled, StartAfter="b/2")
    assert [one["Key"] for one in listed["Contents"]] == KEYS[3:]
    assert listed["StartAfter"] == "b/2"
    older = s3.list_objects(Bucket=filled, Marker="b/2")
    assert [one["Key"] for one in older["Contents"]] == KEYS[3:]


def test_the_owner_is_said_if_it_is_asked_for(s3: S3Client, filled: str) -> None:
    assert "Owner" not in s3.list_objects_v2(Bucket=filled)["Contents"][0]
    owner = s3.list_objects_v2(Bucket=filled, FetchOwner=True)["Contents"][0]["Owner"]["ID"]
    assert owner == s3.get_bucket_acl(Bucket=filled)["Owner"]["ID"]


def test_a_token_is_opaque_and_checked(s3: S3Client, filled: str) -> None:
    token = s3.list_objects_v2(Bucket=filled, MaxKeys=2)["NextContinuationToken"]
    assert "b/1" not in token
    rest = s3.list_objects_v2(Bucket=filled, ContinuationToken=token)
    assert [one["Key"] for one in rest["Contents"]] == KEYS[2:]
    for wrong in ("", "made up"):
        error = refused(s3.list_objects_v2, Bucket=filled, ContinuationToken=wrong)
        assert (error["Code"], error["ArgumentName"]) == ("InvalidArgument", "continuation-token")


def test_no_keys_can_be_asked_for(s3: S3Client, filled: str) -> None:
    listed = s3.list_objects_v2(Bucket=filled, MaxKeys=0)
    assert (listed["KeyCount"], listed["IsTruncated"], listed["MaxKeys"]) == (0, False, 0)
    assert code(s3.list_objects_v2, Bucket=filled, MaxKeys=-1) == "InvalidArgument"


def test_a_page_has_at_most_a_thousand(s3: S3Client, bucket: str) -> None:
    for number in range(1001):
        s3.put_object(Bucket=bucket, Key=f"{number:05}", Body=b"")
    listed = s3.list_objects_v2(Bucket=bucket, MaxKeys=5000)
    assert (listed["KeyCount"], listed["IsTruncated"], listed["MaxKeys"]) == (1000, True, 1000)


def test_a_list_has_the_time_of_the_header(s3: S3Client, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    modified = s3.head_object(Bucket=versioned, Key="k")["LastModified"]
    assert s3.list_objects_v2(Bucket=versioned)["Contents"][0]["LastModified"] == modified
    assert s3.list_object_versions(Bucket=versioned)["Versions"][0]["LastModified"] == modified
