"""Buckets: create, find, list, delete.

Contract: Amazon S3 API Reference, CreateBucket, HeadBucket, GetBucketLocation, ListBuckets and DeleteBucket;
Amazon S3 User Guide, "General purpose bucket naming rules".
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from botocore.model import Shape

from local_account.services.s3 import documents, tags
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import Facilities
from local_account.services.s3.tokens import text_of, token_of

MOST_BUCKETS = 10_000
"""Of an account ("General purpose bucket quotas")."""
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_RESERVED_PREFIXES = ("xn--", "sthree-", "amzn-s3-demo-")
_RESERVED_SUFFIXES = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")
_PUBLIC_ACCESS = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)
_OWNERSHIPS = ("BucketOwnerEnforced", "BucketOwnerPreferred", "ObjectWriter")


class Buckets:
    """Operations on buckets as a whole."""

    def __init__(self, facilities: Facilities) -> None:
        self._with = facilities
        self._storage = facilities.storage

    def create_bucket(self, call: Call) -> Reply:
        """CreateBucket.

        As S3 does since April 2023, it disables ACLs and blocks public access. Creating a bucket again
        succeeds in us-east-1 only.
        """
        name, region = call.bucket, self._with.region
        check_name(name)
        given = _configuration(call)
        _check_location(given.get("LocationConstraint"), region)
        ownership = call.headers.get("x-amz-object-ownership", "BucketOwnerEnforced")
        if ownership not in _OWNERSHIPS:
            raise S3Error(
                "InvalidArgument",
                f"Invalid x-amz-object-ownership header: {ownership}",
                ArgumentName="x-amz-object-ownership",
            )
        if call.headers.get("x-amz-acl", "private") != "private" or any(
            header.startswith("x-amz-grant-") for header in call.headers
        ):
            if ownership == "BucketOwnerEnforced":
                raise S3Error("InvalidBucketAclWithObjectOwnership", BucketName=name)
            raise S3Error("NotImplemented", "ACLs for others are not supported by the local account")
        if call.headers.get("x-amz-bucket-object-lock-enabled", "").lower() == "true":
            raise S3Error("NotImplemented", "Object Lock is not supported by the local account")
        tagged = tags.of_bucket({"TagSet": given.get("Tags", [])}, {})
        exists = any(one.name == name for one in self._storage.buckets())
        if exists and region == "us-east-1":
            return Reply(200, {"Location": f"/{name}"})
        if len(self._storage.buckets()) >= MOST_BUCKETS:
            raise S3Error("TooManyBuckets")
        settings: dict[str, Any] = {
            "ownership": {"Rules": [{"ObjectOwnership": ownership}]},
            "publicAccessBlock": _PUBLIC_ACCESS,
        }
        if tagged:
            settings["tagging"] = {"TagSet": tags.tag_set(tagged)}
        self._storage.create_bucket(name, region, self._with.now(), settings)
        return Reply(
            200, {"Location": f"/{name}" if region == "us-east-1" else f"http://{name}.s3.amazonaws.com/"}
        )

    def head_bucket(self, call: Call) -> Reply:
        """HeadBucket."""
        bucket = self._storage.bucket(call.bucket)
        headers = {
            "x-amz-bucket-region": bucket.region,
            "x-amz-access-point-alias": "false",
            "x-amz-bucket-arn": f"arn:aws:s3:::{bucket.name}",
            "Content-Type": "application/xml",
        }
        return Reply(200, headers)

    def get_bucket_location(self, call: Call) -> Reply:
        """GetBucketLocation: empty for us-east-1."""
        region = self._storage.bucket(call.bucket).region
        inner = "" if region == "us-east-1" else region
        name = f'LocationConstraint xmlns="{documents.NAMESPACE}"'
        return xml(f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}>{inner}</LocationConstraint>'.encode())

    def list_buckets(self, call: Call) -> Reply:
        """ListBuckets."""
        prefix, region = call.query.get("prefix", ""), call.query.get("bucket-region")
        limit = call.number("max-buckets", MOST_BUCKETS, MOST_BUCKETS)
        if limit < 1:
            raise S3Error(
                "InvalidArgument",
                f"Argument max-buckets must be an integer between 1 and {MOST_BUCKETS}",
                ArgumentName="max-buckets",
                ArgumentValue=call.query["max-buckets"],
            )
        token = call.query.get("continuation-token")
        after = text_of(token) if token else ""
        found = [
            one
            for one in self._storage.buckets()
            if one.name.startswith(prefix) and one.name > after and region in (None, one.region)
        ]
        shown = [
            {
                "Name": one.name,
                "CreationDate": one.created,
                "BucketRegion": one.region,
                "BucketArn": f"arn:aws:s3:::{one.name}",
            }
            for one in found[:limit]
        ]
        result: dict[str, Any] = {"Buckets": shown, "Owner": self._with.owner}
        if prefix:
            result["Prefix"] = prefix
        if len(found) > limit:
            result["ContinuationToken"] = token_of(found[limit - 1].name)
        shape: Shape = documents.operation("ListBuckets").output_shape  # type: ignore[assignment]
        return xml(documents.write("ListAllMyBucketsResult", shape, result))

    def delete_bucket(self, call: Call) -> Reply:
        """DeleteBucket."""
        self._storage.delete_bucket(call.bucket)
        return Reply(204)


def check_name(name: str) -> None:
    """Raise S3Error InvalidBucketName unless a name follows the rules for new buckets."""
    valid = (
        _NAME.fullmatch(name)
        and ".." not in name
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
        and not _is_address(name)
    )
    if not valid:
        raise S3Error("InvalidBucketName", BucketName=name)


def _is_address(name: str) -> bool:
    try:
        ipaddress.IPv4Address(name)
    except ValueError:
        return False
    return True


def _configuration(call: Call) -> dict[str, Any]:
    body = call.document()
    return documents.read("CreateBucket", body) if body.strip() else {}


def _check_location(constraint: str | None, region: str) -> None:
    if not constraint and region == "us-east-1":
        return
    if not constraint:
        raise S3Error("IllegalLocationConstraintException")
    if constraint == "us-east-1" or not re.fullmatch(r"[a-z]{2}(-[a-z]+)+-\d|EU", constraint):
        raise S3Error("InvalidLocationConstraint", LocationConstraint=constraint)
    if {"EU": "eu-west-1"}.get(constraint, constraint) != region:
        raise S3Error(
            "IllegalLocationConstraintException",
            f"The {constraint} location constraint is incompatible for the region specific endpoint this "
            "request was sent to.",
        )
