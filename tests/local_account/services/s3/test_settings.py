"""Buckets and their settings: rules of names, defaults, what is kept, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import requests

from tests.local_account.account_process import AccountProcess
from tests.refusing import code, refused

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.mark.parametrize("name", ["under_score", "Upper", "192.168.0.1", "a..b", "xn--a", "a-s3alias"])
def test_a_name_that_is_not_valid_is_refused(s3: S3Client, name: str) -> None:
    error = refused(s3.create_bucket, Bucket=name)
    assert (error["Code"], error["Status"], error["BucketName"]) == ("InvalidBucketName", 400, name)


def test_a_bucket_is_created_found_and_deleted(s3: S3Client) -> None:
    s3.create_bucket(Bucket="settings-life")
    head = s3.head_bucket(Bucket="settings-life")
    assert head["BucketRegion"] == "us-east-1"
    assert "LocationConstraint" not in s3.get_bucket_location(Bucket="settings-life") or (
        s3.get_bucket_location(Bucket="settings-life")["LocationConstraint"] is None
    )
    s3.create_bucket(Bucket="settings-life")  # in us-east-1 this is no error
    s3.put_object(Bucket="settings-life", Key="k", Body=b"x")
    error = refused(s3.delete_bucket, Bucket="settings-life")
    assert (error["Code"], error["Status"]) == ("BucketNotEmpty", 409)
    s3.delete_object(Bucket="settings-life", Key="k")
    s3.delete_bucket(Bucket="settings-life")
    assert code(s3.head_bucket, Bucket="settings-life") == "404"
    assert code(s3.delete_bucket, Bucket="settings-life") == "NoSuchBucket"


def test_another_region_is_refused(s3: S3Client) -> None:
    elsewhere: Any = {"LocationConstraint": "eu-west-1"}
    error = refused(s3.create_bucket, Bucket="settings-elsewhere", CreateBucketConfiguration=elsewhere)
    assert error["Code"] == "IllegalLocationConstraintException"
    nowhere: Any = {"LocationConstraint": "moon"}
    error = refused(s3.create_bucket, Bucket="settings-elsewhere", CreateBucketConfiguration=nowhere)
    assert error["Code"] == "InvalidLocationConstraint"


def test_buckets_are_listed_by_prefix_and_in_pages(s3: S3Client) -> None:
    for name in ("settings-list-a", "settings-list-b", "settings-list-c"):
        s3.create_bucket(Bucket=name)
    listed = s3.list_buckets(Prefix="settings-list-", MaxBuckets=2)
    assert [one["Name"] for one in listed["Buckets"]] == ["settings-list-a", "settings-list-b"]
    assert listed["Buckets"][0]["BucketRegion"] == "us-east-1"
    rest = s3.list_buckets(Prefix="settings-list-", ContinuationToken=listed["ContinuationToken"])
    assert [one["Name"] for one in rest["Buckets"]] == ["settings-list-c"]
    assert "ContinuationToken" not in rest


def test_a_new_bucket_is_private_and_encrypted(s3: S3Client, bucket: str) -> None:
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert all(block.values())
    assert len(block) == 4
    rules = s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]
    assert rules == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (rule,) = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rule["ApplyServerSideEncryptionByDefault"]["SSEAlgorithm"] == "AES256"
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"
    (grant,) = s3.get_bucket_acl(Bucket=bucket)["Grants"]
    assert grant["Permission"] == "FULL_CONTROL"
    assert grant["Grantee"]["Type"] == "CanonicalUser"


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("get_bucket_cors", "NoSuchCORSConfiguration"),
        ("get_bucket_lifecycle_configuration", "NoSuchLifecycleConfiguration"),
        ("get_bucket_policy", "NoSuchBucketPolicy"),
        ("get_bucket_policy_status", "NoSuchBucketPolicy"),
        ("get_bucket_tagging", "NoSuchTagSet"),
        ("get_bucket_website", "NoSuchWebsiteConfiguration"),
        ("get_bucket_replication", "ReplicationConfigurationNotFoundError"),
        ("get_object_lock_configuration", "ObjectLockConfigurationNotFoundError"),
    ],
)
def test_what_was_never_set_is_not_there(s3: S3Client, bucket: str, operation: str, expected: str) -> None:
    error = refused(getattr(s3, operation), Bucket=bucket)
    assert (error["Code"], error["Status"], error["BucketName"]) == (expected, 404, bucket)


_RULES = [
    {"ID": "a", "Status": "Enabled", "Filter": {"Prefix": "tmp/"}, "Expiration": {"Days": 1}},
    {
        "ID": "b",
        "Status": "Disabled",
        "Filter": {"And": {"Prefix": "x", "Tags": [{"Key": "t", "Value": "1"}]}},
        "NoncurrentVersionExpiration": {"NoncurrentDays": 3, "NewerNoncurrentVersions": 2},
    },
    {
        "ID": "c",
        "Status": "Enabled",
        "Prefix": "",
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 7},
    },
]
_CORS = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://*.example.org"], "MaxAgeSeconds": 60}
_BLOCK = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": False,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": False,
}
_WRITER = {"Rules": [{"ObjectOwnership": "ObjectWriter"}]}


@pytest.mark.parametrize(
    ("setting", "member", "value"),
    [
        ("bucket_cors", "CORSConfiguration", {"CORSRules": [_CORS]}),
        ("bucket_lifecycle_configuration", "LifecycleConfiguration", {"Rules": _RULES}),
        ("bucket_tagging", "Tagging", {"TagSet": [{"Key": "team", "Value": "a + b"}]}),
        ("bucket_accelerate_configuration", "AccelerateConfiguration", {"Status": "Suspended"}),
        ("bucket_ownership_controls", "OwnershipControls", _WRITER),
        ("public_access_block", "PublicAccessBlockConfiguration", _BLOCK),
        ("bucket_notification_configuration", "NotificationConfiguration", {"EventBridgeConfiguration": {}}),
        ("bucket_versioning", "VersioningConfiguration", {"Status": "Enabled"}),
    ],
)
def test_a_setting_is_given_back_as_it_was_put(
    s3: S3Client, bucket: str, setting: str, member: str, value: dict[str, Any]
) -> None:
    getattr(s3, f"put_{setting}")(Bucket=bucket, **{member: value})
    found = getattr(s3, f"get_{setting}")(Bucket=bucket)
    found.pop("ResponseMetadata")
    found.pop("TransitionDefaultMinimumObjectSize", None)
    assert found.get(member, found) == value


def test_the_size_from_which_objects_move_is_kept_with_the_rules(s3: S3Client, bucket: str) -> None:
    rules: Any = {"Bucket": bucket, "LifecycleConfiguration": {"Rules": _RULES}}
    assert s3.put_bucket_lifecycle_configuration(**rules)["TransitionDefaultMinimumObjectSize"] == (
        "all_storage_classes_128K"
    )
    s3.put_bucket_lifecycle_configuration(
        **rules, TransitionDefaultMinimumObjectSize="varies_by_storage_class"
    )
    found = s3.get_bucket_lifecycle_configuration(Bucket=bucket)
    assert (found["TransitionDefaultMinimumObjectSize"], found["Rules"]) == (
        "varies_by_storage_class",
        _RULES,
    )
    error = refused(s3.put_bucket_lifecycle_configuration, **rules, TransitionDefaultMinimumObjectSize="some")
    assert error["Code"] == "InvalidRequest"


def rule(**action: Any) -> dict[str, Any]:
    """A lifecycle configuration with one rule."""
    return {"LifecycleConfiguration": {"Rules": [{"Status": "Enabled", "Filter": {"Prefix": ""}, **action}]}}


_KMS = {"Rules": [{"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "aws:kms"}}]}
_QUEUE = {"QueueArn": "arn:aws:sqs:us-east-1:123456789012:q", "Events": ["s3:ObjectCreated:*"]}
_LOGS = {"LoggingEnabled": {"TargetBucket": "b", "TargetPrefix": "p"}}
_PATCH = {"CORSRules": [{"AllowedMethods": ["PATCH"], "AllowedOrigins": ["*"]}]}
_TO_GLACIER = [{"Days": 1, "StorageClass": "GLACIER"}]
_REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "put_bucket_encryption": [({"ServerSideEncryptionConfiguration": _KMS}, "NotImplemented")],
    "put_bucket_notification_configuration": [
        ({"NotificationConfiguration": {"QueueConfigurations": [_QUEUE]}}, "NotImplemented")
    ],
    "put_bucket_logging": [({"BucketLoggingStatus": _LOGS}, "NotImplemented")],
    "put_bucket_website": [({"WebsiteConfiguration": {"IndexDocument": {"Suffix": "i"}}}, "NotImplemented")],
    "put_bucket_cors": [({"CORSConfiguration": _PATCH}, "InvalidRequest")],
    "put_bucket_lifecycle_configuration": [
        (rule(), "InvalidRequest"),
        (rule(Expiration={"Days": 0}), "InvalidArgument"),
        (rule(Expiration={"Days": 1, "ExpiredObjectDeleteMarker": True}), "MalformedXML"),
        (rule(Expiration={"Days": 1}, Status="Perhaps"), "MalformedXML"),
        (rule(Transitions=_TO_GLACIER), "NotImplemented"),
    ],
    "put_bucket_tagging": [({"Tagging": {"TagSet": [{"Key": "aws:x", "Value": "1"}]}}, "InvalidTag")],
    "put_bucket_acl": [({"ACL": "public-read"}, "AccessControlListNotSupported")],
    "put_bucket_versioning": [({"VersioningConfiguration": {}}, "IllegalVersioningConfigurationException")],
}


@pytest.mark.parametrize(
    ("operation", "document", "expected"),
    [(operation, *case) for operation, cases in _REFUSED.items() for case in cases],
)
def test_a_setting_that_cannot_be_is_refused(
    s3: S3Client, bucket: str, operation: str, document: dict[str, Any], expected: str
) -> None:
    assert code(getattr(s3, operation), Bucket=bucket, **document) == expected


def test_what_was_removed_is_gone(s3: S3Client, bucket: str) -> None:
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    s3.delete_bucket_tagging(Bucket=bucket)
    assert code(s3.get_bucket_tagging, Bucket=bucket) == "NoSuchTagSet"
    s3.delete_public_access_block(Bucket=bucket)
    assert code(s3.get_public_access_block, Bucket=bucket) == "NoSuchPublicAccessBlockConfiguration"
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert code(s3.get_bucket_ownership_controls, Bucket=bucket) == "OwnershipControlsNotFoundError"
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ACL="private")
    assert code(s3.put_object, Bucket=bucket, Key="k", Body=b"x", ACL="public-read") == "NotImplemented"


def test_a_browser_is_told_by_the_rules_what_it_may(
    s3: S3Client, local_account: AccountProcess, bucket: str
) -> None:
    url = f"{local_account.endpoint_url}/{bucket}/k"
    asked = {
        "Origin": "https://a.example.org",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "content-type",
    }
    assert requests.options(url, headers=asked, timeout=5).status_code == 403
    allowed: Any = {
        "AllowedMethods": ["GET", "PUT"],
        "AllowedOrigins": ["https://*.example.org"],
        "AllowedHeaders": ["*"],
        "ExposeHeaders": ["ETag"],
        "MaxAgeSeconds": 60,
    }
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [allowed]})
    told = requests.options(url, headers=asked, timeout=5)
    assert told.status_code == 200
    assert told.headers["Access-Control-Allow-Origin"] == "https://a.example.org"
    assert told.headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert told.headers["Access-Control-Max-Age"] == "60"
    stranger = requests.options(url, headers={**asked, "Origin": "https://example.com"}, timeout=5)
    assert "AccessForbidden" in stranger.text
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    link = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
    got = requests.get(link, headers={"Origin": "https://a.example.org"}, timeout=5)
    assert got.headers["Access-Control-Expose-Headers"] == "ETag"


def test_a_document_that_is_no_xml_is_refused(s3: S3Client, bucket: str) -> None:
    url = s3.generate_presigned_url(
        "put_bucket_versioning", Params={"Bucket": bucket, "VersioningConfiguration": {}}
    )
    for body in (
        b"<",
        b"<a/>",
        b"<VersioningConfiguration><What/></VersioningConfiguration>",
        b"<!DOCTYPE a><a/>",
    ):
        answer = requests.put(url, data=body, timeout=5)
        assert answer.status_code == 400
        assert "<Code>MalformedXML</Code>" in answer.text or "IllegalVersioning" in answer.text


def test_a_page_of_another_origin_can_read_errors_too(s3: S3Client, bucket: str) -> None:
    allowed: Any = {"AllowedMethods": ["GET"], "AllowedOrigins": ["https://app.example.org"]}
    s3.put_bucket_cors(Bucket=bucket, CORSConfiguration={"CORSRules": [allowed]})
    url = s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "none"})
    for link, status in ((url, 404), (url.partition("?")[0], 403)):
        answer = requests.get(link, headers={"Origin": "https://app.example.org"}, timeout=5)
        assert answer.status_code == status
        assert answer.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
        other = requests.get(link, headers={"Origin": "https://other.example.org"}, timeout=5)
        assert "Access-Control-Allow-Origin" not in other.headers
