"""Versions: kept, hidden by delete markers, removed for good; suspended and resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.refusing import code, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def test_every_version_stays(s3: S3Client, versioned: str) -> None:
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"2")["VersionId"]
    assert first != second
    latest = s3.get_object(Bucket=versioned, Key="k")
    assert (latest["Body"].read(), latest["VersionId"]) == (b"2", second)
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=first)["Body"].read() == b"1"
    listed = s3.list_object_versions(Bucket=versioned)["Versions"]
    assert [(one["VersionId"], one["IsLatest"]) for one in listed] == [(second, True), (first, False)]


def test_a_delete_marker_hides_what_is_there(s3: S3Client, versioned: str) -> None:
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    deleted = s3.delete_object(Bucket=versioned, Key="k")
    marker = deleted["VersionId"]
    assert deleted["DeleteMarker"]
    with pytest.raises(s3.exceptions.NoSuchKey) as missing:
        s3.get_object(Bucket=versioned, Key="k")
    headers = missing.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert (headers["x-amz-delete-marker"], headers["x-amz-version-id"]) == ("true", marker)
    assert refused(s3.head_object, Bucket=versioned, Key="k", VersionId=marker)["Status"] == 405
    assert code(s3.get_object, Bucket=versioned, Key="k", VersionId=marker) == "MethodNotAllowed"
    assert s3.get_object(Bucket=versioned, Key="k", VersionId=version)["Body"].read() == b"1"
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    found = s3.list_object_versions(Bucket=versioned)
    assert [one["VersionId"] for one in found["DeleteMarkers"]] == [marker]
    removed = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker)
    assert removed["DeleteMarker"]
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"1"
    s3.delete_object(Bucket=versioned, Key="k", VersionId=version)
    assert code(s3.get_object, Bucket=versioned, Key="k", VersionId=version) == "NoSuchVersion"


def test_many_versions_are_deleted_at_once(s3: S3Client, versioned: str) -> None:
    versions = [s3.put_object(Bucket=versioned, Key="k", Body=b"x")["VersionId"] for _ in range(3)]
    doomed: Any = {"Objects": [{"Key": "k", "VersionId": one} for one in versions] + [{"Key": "other"}]}
    deleted = s3.delete_objects(Bucket=versioned, Delete=doomed)["Deleted"]
    markers = [one["DeleteMarkerVersionId"] for one in deleted if one.get("DeleteMarker")]
    assert len(markers) == 1
    assert s3.list_object_versions(Bucket=versioned)["DeleteMarkers"][0]["VersionId"] == markers[0]


def test_a_version_that_none_can_have_fails_alone(s3: S3Client, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    doomed: Any = {"Objects": [{"Key": "k", "VersionId": "made-up"}, {"Key": "k"}]}
    answer = s3.delete_objects(Bucket=versioned, Delete=doomed)
    (error,) = answer["Errors"]
    assert (error["Key"], error["VersionId"], error["Code"]) == ("k", "made-up", "NoSuchVersion")
    assert [one["DeleteMarker"] for one in answer["Deleted"]] == [True]


def test_a_bucket_of_old_objects_gets_versions_and_loses_them_again(s3: S3Client, bucket: str) -> None:
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"before")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"enabled")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    assert s3.get_bucket_versioning(Bucket=bucket)["Status"] == "Suspended"
    assert "VersionId" not in s3.put_object(Bucket=bucket, Key="k", Body=b"suspended")
    assert s3.head_object(Bucket=bucket, Key="k")["VersionId"] == "null"
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [one["VersionId"] for one in listed] == ["null", version]
    deleted = s3.delete_object(Bucket=bucket, Key="k")
    assert (deleted["DeleteMarker"], deleted["VersionId"]) == (True, "null")
    found = s3.list_object_versions(Bucket=bucket)
    assert [one["VersionId"] for one in found["Versions"]] == [version]
    assert [one["VersionId"] for one in found["DeleteMarkers"]] == ["null"]


def test_a_version_id_that_cannot_be_one_is_refused(s3: S3Client, versioned: str) -> None:
    s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    error = refused(s3.get_object, Bucket=versioned, Key="k", VersionId="not a version")
    assert (error["Code"], error["Message"]) == ("InvalidArgument", "Invalid version id specified")


def test_versions_are_listed_in_pages(s3: S3Client, versioned: str) -> None:
    for key in ("a", "b/1", "b/2", "c"):
        for body in (b"1", b"2"):
            s3.put_object(Bucket=versioned, Key=key, Body=body)
    pages = list(
        s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 3})
    )
    found = [(one["Key"], one["IsLatest"]) for page in pages for one in page["Versions"]]
    assert found == [(key, latest) for key in ("a", "b/1", "b/2", "c") for latest in (True, False)]
    assert len(pages) == 3
    folded = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["b/"]
    assert len(folded["Versions"]) == 4
