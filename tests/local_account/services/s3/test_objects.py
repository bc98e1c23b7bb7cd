"""Objects are stored, read in whole and in part, and deleted, as S3 does it."""

from __future__ import annotations

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
import requests

from local_account.services.s3 import attributes
from local_account.services.s3.storage import Bucket, ObjectVersion
from tests.refusing import code, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

KEYS = [
    "plain",
    "a b/c+d",
    "ü/日本語",
    "100%25/?#&=",
    "/leading",
    "double//slash",
    "dot/../dot",
    "\u2028",
    "'\"<>&",
]


@pytest.mark.parametrize("size", [0, 1, 70_000, 3_000_000])
def test_an_object_is_read_as_it_was_written(s3: S3Client, bucket: str, size: int) -> None:
    content = os.urandom(size)
    put: Any = s3.put_object(Bucket=bucket, Key="k", Body=content)
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == content
    assert put["ETag"] == got["ETag"] == f'"{hashlib.md5(content).hexdigest()}"'
    assert got["ContentLength"] == size
    assert got["ContentType"] == "binary/octet-stream"
    assert got["AcceptRanges"] == "bytes"
    assert put["ServerSideEncryption"] == got["ServerSideEncryption"] == "AES256"
    assert "VersionId" not in put
    assert datetime.now(UTC) - got["LastModified"] < timedelta(minutes=1)


@pytest.mark.parametrize("key", KEYS)
def test_any_key_is_kept(s3: S3Client, bucket: str, key: str) -> None:
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert code(s3.head_object, Bucket=bucket, Key=key) == "404"


def test_what_the_client_said_is_said_again(s3: S3Client, bucket: str) -> None:
    said: dict[str, Any] = {
        "CacheControl": "no-cache",
        "ContentDisposition": 'attachment; filename="a.txt"',
        "ContentEncoding": "deflate, gzip",
        "ContentLanguage": "de",
        "ContentType": "text/plain; charset=utf-8",
        "Expires": datetime(2030, 1, 1, tzinfo=UTC),
        "Metadata": {"team": "blue", "with_underscore": "1", "with-dash": "2"},
        "StorageClass": "STANDARD_IA",
        "WebsiteRedirectLocation": "/other",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=2%20%2B&c", **said)
    found: Any
    for found in (s3.get_object(Bucket=bucket, Key="k"), s3.head_object(Bucket=bucket, Key="k")):
        assert {name: found[name] for name in said if name != "Expires"} == {
            name: value for name, value in said.items() if name != "Expires"
        }
        assert found["ExpiresString"] == "Tue, 01 Jan 2030 00:00:00 GMT"
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2 +"}, {"Key": "c", "Value": ""}]
    assert s3.get_object(Bucket=bucket, Key="k")["TagCount"] == 3
    listed = s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    assert listed["StorageClass"] == "STANDARD_IA"


def test_metadata_that_is_not_ascii_is_encoded() -> None:
    said = "ÄMÄZÕÑ S3".encode().decode("latin-1")  # a head is made of bytes
    bucket = Bucket("b", datetime.now(UTC), "us-east-1", "", {})
    stored = attributes.of_request({"x-amz-meta-nonascii": said, "x-amz-meta-ascii": "AMAZONS3"}, bucket)
    version = ObjectVersion("b", "k", "null", True, False, 0, "", datetime.now(UTC), stored, 1)
    read = attributes.of_version(version)
    # the example of the user guide: S3 takes each byte for a character
    assert read["x-amz-meta-nonascii"] == "=?UTF-8?B?w4PChE3Dg8KEWsODwpXDg8KRIFMz?="
    assert read["x-amz-meta-ascii"] == "AMAZONS3"


def test_a_body_without_a_length_is_refused_by_name(s3: S3Client, bucket: str) -> None:
    url = s3.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k"})
    refusal = requests.put(url, data=iter([b"in", b"pieces"]), timeout=5)
    assert refusal.status_code == 501
    assert "<Code>NotImplemented</Code>" in refusal.text
    assert "<Header>Transfer-Encoding</Header>" in refusal.text


def test_a_tag_in_a_header_needs_no_value(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="seen&a=1")
    tags = s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"]
    assert tags == [{"Key": "seen", "Value": ""}, {"Key": "a", "Value": "1"}]
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&a=2")
    assert (error["Code"], error["ArgumentName"]) == ("InvalidArgument", "x-amz-tagging")


def test_a_query_can_replace_headers_of_the_answer(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain")
    got = s3.get_object(
        Bucket=bucket,
        Key="k",
        ResponseContentType="image/png",
        ResponseContentDisposition='inline; filename="ü"',
    )
    assert got["ContentType"] == "image/png"
    assert got["ContentDisposition"].encode("latin-1").decode() == 'inline; filename="ü"'


@pytest.mark.parametrize(
    ("asked", "content", "said"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=2-4", b"234", "bytes 2-4/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
    ],
)
def test_a_range_is_a_part_of_the_object(
    s3: S3Client, bucket: str, asked: str, content: bytes, said: str
) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=asked)
    assert got["Body"].read() == content
    assert got["ContentRange"] == said
    assert got["ContentLength"] == len(content)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == 206
    assert s3.head_object(Bucket=bucket, Key="k", Range=asked)["ContentLength"] == len(content)


def test_a_range_of_a_large_object(s3: S3Client, bucket: str) -> None:
    content = os.urandom(1_000_000)
    s3.put_object(Bucket=bucket, Key="k", Body=content)
    got = s3.get_object(Bucket=bucket, Key="k", Range="bytes=123456-789012")
    assert got["Body"].read() == content[123_456:789_013]


def test_a_range_beyond_the_object_is_refused(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    error = refused(s3.get_object, Bucket=bucket, Key="k", Range="bytes=10-")
    assert (error["Code"], error["Status"]) == ("InvalidRange", 416)
    assert error["ActualObjectSize"] == "10"


def test_conditions_of_reads(s3: S3Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    past, future = datetime(2020, 1, 1, tzinfo=UTC), datetime.now(UTC) + timedelta(hours=1)
    assert s3.get_object(Bucket=bucket, Key="k", IfMatch=etag)["ETag"] == etag
    assert s3.get_object(Bucket=bucket, Key="k", IfModifiedSince=past)["ETag"] == etag
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfMatch='"other"')["Code"] == "PreconditionFailed"
    assert refused(s3.get_object, Bucket=bucket, Key="k", IfNoneMatch=etag)["Status"] == 304
    assert refused(s3.head_object, Bucket=bucket, Key="k", IfUnmodifiedSince=past)["Status"] == 412
    # a date in the future is not valid, and ignored
    assert s3.get_object(Bucket=bucket, Key="k", IfUnmodifiedSince=future)["ETag"] == etag


def test_conditions_of_writes(s3: S3Client, bucket: str) -> None:
    first = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    error = refused(s3.put_object, Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")
    assert (error["Code"], error["Status"]) == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"1"
    second = s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfMatch=first)["ETag"]
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"3", IfMatch=first) == "PreconditionFailed"
    assert code(s3.put_object, Bucket=bucket, Key="none", Body=b"3", IfMatch=first) == "NoSuchKey"
    assert code(s3.delete_object, Bucket=bucket, Key="k", IfMatch=first) == "PreconditionFailed"
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=second)
    assert code(s3.head_object, Bucket=bucket, Key="k") == "404"


def test_what_is_not_there_is_named(s3: S3Client, bucket: str) -> None:
    error = refused(s3.get_object, Bucket=bucket, Key="none")
    assert (error["Code"], error["Status"], error["Key"]) == ("NoSuchKey", 404, "none")
    assert error["Message"] == "The specified key does not exist."
    error = refused(s3.get_object, Bucket="no-such-bucket", Key="none")
    assert (error["Code"], error["Status"], error["BucketName"]) == ("NoSuchBucket", 404, "no-such-bucket")
    with pytest.raises(s3.exceptions.NoSuchKey):
        s3.get_object(Bucket=bucket, Key="none")


def test_an_error_has_the_ids_of_its_request(s3: S3Client, bucket: str) -> None:
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "none"})
    answer = requests.get(url, timeout=5)
    request_id, host_id = answer.headers["x-amz-request-id"], answer.headers["x-amz-id-2"]
    assert f"<RequestId>{request_id}</RequestId><HostId>{host_id}</HostId></Error>" in answer.text
    assert answer.headers["Content-Type"] == "application/xml"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"Key": "k" * 1025}, "KeyTooLongError"),
        ({"Key": "k", "Metadata": {"a": "x" * 2048}}, "MetadataTooLarge"),
        ({"Key": "k", "StorageClass": "COLD"}, "InvalidStorageClass"),
        ({"Key": "k", "StorageClass": "GLACIER"}, "NotImplemented"),
        ({"Key": "k", "ServerSideEncryption": "aws:kms"}, "NotImplemented"),
        ({"Key": "k", "SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}, "NotImplemented"),
        ({"Key": "k", "ACL": "public-read"}, "AccessControlListNotSupported"),
        ({"Key": "k", "ObjectLockMode": "GOVERNANCE"}, "InvalidRequest"),
        ({"Key": "k", "Tagging": "a=1&a=2"}, "InvalidArgument"),
        ({"Key": "k", "Tagging": "&".join(f"t{number}=1" for number in range(11))}, "BadRequest"),
    ],
)
def test_what_s3_refuses_is_refused(s3: S3Client, bucket: str, params: dict[str, Any], expected: str) -> None:
    assert code(s3.put_object, Bucket=bucket, Body=b"x", **params) == expected
    assert "Contents" not in s3.list_objects_v2(Bucket=bucket)


def test_the_owner_of_the_bucket_can_be_demanded(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ExpectedBucketOwner="123456789012")
    error = refused(s3.get_object, Bucket=bucket, Key="k", ExpectedBucketOwner="210987654321")
    assert (error["Code"], error["Status"]) == ("AccessDenied", 403)


def test_many_are_deleted_at_once(s3: S3Client, bucket: str) -> None:
    for number in range(3):
        s3.put_object(Bucket=bucket, Key=f"k{number}", Body=b"x")
    doomed: Any = {"Objects": [{"Key": "k0"}, {"Key": "k1"}, {"Key": "never there"}]}
    answer: Any = s3.delete_objects(Bucket=bucket, Delete=doomed)
    assert sorted(one["Key"] for one in answer["Deleted"]) == ["k0", "k1", "never there"]
    assert "Errors" not in answer
    quiet: Any = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k2"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
    too_many: Any = {"Objects": [{"Key": str(number)} for number in range(1001)]}
    assert code(s3.delete_objects, Bucket=bucket, Delete=too_many) == "MalformedXML"


def test_deletions_can_be_conditional_one_by_one(s3: S3Client, bucket: str) -> None:
    etag = s3.put_object(Bucket=bucket, Key="a", Body=b"x")["ETag"]
    s3.put_object(Bucket=bucket, Key="b", Body=b"y")
    doomed: Any = {"Objects": [{"Key": "a", "ETag": etag}, {"Key": "b", "ETag": etag}]}
    answer = s3.delete_objects(Bucket=bucket, Delete=doomed)
    assert [one["Key"] for one in answer["Deleted"]] == ["a"]
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("b", "PreconditionFailed")]


@pytest.mark.parametrize("condition", [{"Size": 99}, {"LastModifiedTime": datetime(2015, 1, 1, tzinfo=UTC)}])
def test_conditions_of_directory_buckets_delete_nothing(
    s3: S3Client, bucket: str, condition: dict[str, Any]
) -> None:
    for key in ("a", "b"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    doomed: Any = {"Objects": [{"Key": "a"}, {"Key": "b", **condition}]}
    assert code(s3.delete_objects, Bucket=bucket, Delete=doomed) == "MalformedXML"
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 2


def test_a_version_is_deleted_without_conditions(s3: S3Client, versioned: str) -> None:
    put = s3.put_object(Bucket=versioned, Key="k", Body=b"x")
    doomed: Any = {"Objects": [{"Key": "k", "VersionId": put["VersionId"], "ETag": put["ETag"]}]}
    answer = s3.delete_objects(Bucket=versioned, Delete=doomed)
    assert [(one["Key"], one["Code"]) for one in answer["Errors"]] == [("k", "NotImplemented")]
    assert s3.get_object(Bucket=versioned, Key="k")["Body"].read() == b"x"


def test_tags_are_changed_without_a_new_object(s3: S3Client, bucket: str) -> None:
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="old=1")
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging={"TagSet": [{"Key": "new", "Value": "2"}]})
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "new", "Value": "2"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.head_object(Bucket=bucket, Key="k")["LastModified"] == modified
    twice: Any = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert code(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=twice) == "InvalidTag"
    system: Any = {"TagSet": [{"Key": "aws:x", "Value": "1"}]}
    assert code(s3.put_object_tagging, Bucket=bucket, Key="k", Tagging=system) == "InvalidTag"


def test_attributes_are_those_that_are_asked_for(s3: S3Client, bucket: str) -> None:
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"hello", ChecksumAlgorithm="SHA256")
    found = s3.get_object_attributes(
        Bucket=bucket,
        Key="k",
        ObjectAttributes=["ETag", "Checksum", "ObjectSize", "StorageClass", "ObjectParts"],
    )
    assert found["ETag"] == put["ETag"].strip('"')
    assert found["Checksum"] == {"ChecksumSHA256": put["ChecksumSHA256"], "ChecksumType": "FULL_OBJECT"}
    assert (found["ObjectSize"], found["StorageClass"]) == (5, "STANDARD")
    assert "ObjectParts" not in found


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("select_object_content", {"Key": "k", "Expression": "SELECT *", "ExpressionType": "SQL",
                                   "InputSerialization": {"CSV": {}}, "OutputSerialization": {"CSV": {}}}),
        ("get_object_retention", {"Key": "k"}),
        ("put_bucket_replication", {"ReplicationConfiguration": {
            "Role": "r", "Rules": [{"Status": "Enabled", "Destination": {"Bucket": "arn:aws:s3:::b"}}]}}),
        ("put_bucket_website", {"WebsiteConfiguration": {"IndexDocument": {"Suffix": "index.html"}}}),
        ("put_bucket_analytics_configuration", {"Id": "a", "AnalyticsConfiguration": {
            "Id": "a", "StorageClassAnalysis": {}}}),
        ("restore_object", {"Key": "k"}),
    ],
)  # fmt: skip
def test_what_is_lacking_is_named(s3: S3Client, bucket: str, operation: str, params: dict[str, Any]) -> None:
    error = refused(getattr(s3, operation), Bucket=bucket, **params)
    assert (error["Code"], error["Status"]) == ("NotImplemented", 501)
    assert s3.meta.method_to_api_mapping[operation] in error["Message"]
