"""Settings of buckets: documents that are checked when they are put, and given back as they are kept.

Contract: Amazon S3 API Reference, the operations named in the tables; what a setting says when it was never
made is in the reference of its Get operation.

Kept only (PutBucketAccelerateConfiguration, PutBucketRequestPayment): the setting has no effect.

Refuses (PutBucketLogging, PutBucketNotificationConfiguration, PutBucketEncryption): access logs;
notifications to Lambda, SNS and SQS (use EventBridgeConfiguration and a rule); encryption other than AES256.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.foundation.system_tags import HEADER, is_reserved
from local_account.moto_backend import principals
from local_account.services.s3 import cors, documents, lifecycle_rules, policies, tags
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import Facilities

if TYPE_CHECKING:
    from local_account.services.s3.storage import Bucket

Document = Mapping[str, Any]
_AES256 = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}, "BucketKeyEnabled": False}
_MINIMUM_SIZE = "x-amz-transition-default-minimum-object-size"
_MINIMUM_SIZES = ("all_storage_classes_128K", "varies_by_storage_class")
"""The first is the default (S3 API Reference, PutBucketLifecycleConfiguration)."""
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _encryption(document: Document, _: Bucket) -> Document:
    if len(document["Rules"]) != 1:
        raise S3Error("MalformedXML")
    (rule,) = document["Rules"]
    default = rule.get("ApplyServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"})
    if default["SSEAlgorithm"] != "AES256":
        raise S3Error(
            "NotImplemented",
            f"Encryption with {default['SSEAlgorithm']} is not supported by the local account",
        )
    if default.get("KMSMasterKeyID"):
        raise S3Error(
            "InvalidArgument",
            "a KMSMasterKeyID is not applicable if the default sse algorithm is not aws:kms or aws:kms:dsse",
            ArgumentName="ApplyServerSideEncryptionByDefault",
        )
    kept = {name: value for name, value in rule.items() if name != "BlockedEncryptionTypes"}
    return {"Rules": [{**_AES256, **kept}]}


def _notification(document: Document, _: Bucket) -> Document | None:
    if others := sorted(set(document) - {"EventBridgeConfiguration"}):
        raise S3Error(
            "NotImplemented",
            f"{others[0]} is not supported by the local account; use EventBridgeConfiguration and a rule",
        )
    return document or None


def _ownership(document: Document, _: Bucket) -> Document:
    if len(document["Rules"]) != 1:
        raise S3Error("MalformedXML")
    return document


def _public_access_block(document: Document, _: Bucket) -> Document:
    return {name: bool(document.get(name, False)) for name in _BLOCKS}


def _tagging(document: Document, bucket: Bucket) -> Document | None:
    given = tags.of_bucket(document, _system_tags(bucket))
    return {"TagSet": tags.tag_set(given)} if given else None


def _system_tags(bucket: Bucket) -> dict[str, str]:
    kept = (bucket.settings.get("tagging") or {}).get("TagSet", [])
    return {tag["Key"]: tag["Value"] for tag in kept if is_reserved(tag["Key"])}


def _accelerate(document: Document, bucket: Bucket) -> Document:
    if "." in bucket.name:
        raise S3Error(
            "InvalidRequest",
            "S3 Transfer Acceleration is not supported for buckets with periods (.) in their names",
        )
    if "Status" not in document:
        raise S3Error("MalformedXML")
    return document


def _logging(document: Document, _: Bucket) -> Document | None:
    if "LoggingEnabled" in document:
        raise S3Error("NotImplemented", "Server access logs are not supported by the local account")
    return None


def _minimum_size(call: Call) -> str:
    """Return from which size objects are moved to other storage classes, which no rule here does.

    Kept only (PutBucketLifecycleConfiguration): `TransitionDefaultMinimumObjectSize`. A value that AWS does
    not know is an `InvalidRequest`; AWS does not document its words.
    """
    given = call.headers.get(_MINIMUM_SIZE, _MINIMUM_SIZES[0])
    if given not in _MINIMUM_SIZES:
        raise S3Error("InvalidRequest", f"{_MINIMUM_SIZE} must be one of {', '.join(_MINIMUM_SIZES)}")
    return given


@dataclass(frozen=True)
class Setting:
    """A setting: where it is kept, how it is checked, and what is answered without it."""

    name: str
    check: Callable[[Document, Bucket], Document | None]
    missing: str = ""
    """The error code of Get without it."""
    default: Document | None = None
    """What Get answers without it."""
    member: str = ""
    """Member of the answer to Get that has the document, if it is not the answer itself."""


_ENCRYPTION = Setting(
    "encryption", _encryption, default={"Rules": [_AES256]}, member="ServerSideEncryptionConfiguration"
)
_LIFECYCLE = Setting(
    "lifecycle", lambda document, _: lifecycle_rules.check(document), "NoSuchLifecycleConfiguration"
)
_CORS = Setting("cors", lambda document, _: cors.check(document), "NoSuchCORSConfiguration")
_NOTIFICATION = Setting("notification", _notification, default={})
_OWNERSHIP = Setting("ownership", _ownership, "OwnershipControlsNotFoundError", member="OwnershipControls")
_PUBLIC_ACCESS_BLOCK = Setting(
    "publicAccessBlock",
    _public_access_block,
    "NoSuchPublicAccessBlockConfiguration",
    member="PublicAccessBlockConfiguration",
)
_TAGGING = Setting("tagging", _tagging, "NoSuchTagSet")
_ACCELERATE = Setting("accelerate", _accelerate, default={})
_LOGGING = Setting("logging", _logging, default={})
_REQUEST_PAYMENT = Setting("requestPayment", lambda document, _: document, default={"Payer": "BucketOwner"})
_WEBSITE = Setting("website", lambda document, _: document, "NoSuchWebsiteConfiguration")
# What the account lacks is not configured, as on AWS in a bucket that nobody has configured.
_REPLICATION = Setting("replication", lambda document, _: document, "ReplicationConfigurationNotFoundError")
_OBJECT_LOCK = Setting("objectLock", lambda document, _: document, "ObjectLockConfigurationNotFoundError")
_ONE_OF_NONE = Setting("several", lambda document, _: document, "NoSuchConfiguration")
_NONE = Setting("several", lambda document, _: document, default={"IsTruncated": False})

READS = {
    "GetBucketAccelerateConfiguration": _ACCELERATE,
    "GetBucketAnalyticsConfiguration": _ONE_OF_NONE,
    "GetBucketCors": _CORS,
    "GetBucketEncryption": _ENCRYPTION,
    "GetBucketIntelligentTieringConfiguration": _ONE_OF_NONE,
    "GetBucketInventoryConfiguration": _ONE_OF_NONE,
    "GetBucketLifecycleConfiguration": _LIFECYCLE,
    "GetBucketLogging": _LOGGING,
    "GetBucketMetricsConfiguration": _ONE_OF_NONE,
    "GetBucketNotificationConfiguration": _NOTIFICATION,
    "GetBucketOwnershipControls": _OWNERSHIP,
    "GetBucketReplication": _REPLICATION,
    "GetBucketRequestPayment": _REQUEST_PAYMENT,
    "GetBucketTagging": _TAGGING,
    "GetBucketWebsite": _WEBSITE,
    "GetObjectLockConfiguration": _OBJECT_LOCK,
    "GetPublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
    "ListBucketAnalyticsConfigurations": _NONE,
    "ListBucketIntelligentTieringConfigurations": _NONE,
    "ListBucketInventoryConfigurations": _NONE,
    "ListBucketMetricsConfigurations": _NONE,
}
WRITES = {
    "PutBucketAccelerateConfiguration": _ACCELERATE,
    "PutBucketCors": _CORS,
    "PutBucketEncryption": _ENCRYPTION,
    "PutBucketLifecycleConfiguration": _LIFECYCLE,
    "PutBucketLogging": _LOGGING,
    "PutBucketNotificationConfiguration": _NOTIFICATION,
    "PutBucketOwnershipControls": _OWNERSHIP,
    "PutBucketRequestPayment": _REQUEST_PAYMENT,
    "PutBucketTagging": _TAGGING,
    "PutPublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
}
DELETES = {
    "DeleteBucketCors": _CORS,
    "DeleteBucketEncryption": _ENCRYPTION,
    "DeleteBucketLifecycle": _LIFECYCLE,
    "DeleteBucketOwnershipControls": _OWNERSHIP,
    "DeleteBucketReplication": _REPLICATION,
    "DeleteBucketTagging": _TAGGING,
    "DeleteBucketWebsite": _WEBSITE,
    "DeletePublicAccessBlock": _PUBLIC_ACCESS_BLOCK,
}


class Settings:
    """Operations on settings of buckets."""

    def __init__(self, facilities: Facilities) -> None:
        self._with = facilities
        self._storage = facilities.storage

    def read(self, call: Call) -> Reply:
        """Answer a Get operation of `READS`."""
        setting = READS[call.operation]
        document = self._storage.bucket(call.bucket).settings.get(setting.name, setting.default)
        if document is None:
            raise S3Error(setting.missing, BucketName=call.bucket)
        result = {setting.member: document} if setting.member else document
        headers = {}
        if setting is _LIFECYCLE:
            result = dict(result)
            headers[_MINIMUM_SIZE] = result.pop(_MINIMUM_SIZE, _MINIMUM_SIZES[0])
        return xml(documents.answer(call.operation, result), headers)

    def write(self, call: Call) -> Reply:
        """Answer a Put operation of `WRITES`."""
        setting = WRITES[call.operation]
        bucket = self._storage.bucket(call.bucket)
        given = documents.read(call.operation, call.document())
        if call.operation == "PutBucketTagging" and call.headers.get(HEADER.lower()) and call.is_own:
            document: Document | None = given
        else:
            document = setting.check(given, bucket)
        headers = {}
        if setting is _LIFECYCLE:
            headers[_MINIMUM_SIZE] = _minimum_size(call)
            document = {**(document or {}), **headers}
        self._storage.configure(call.bucket, setting.name, document)
        return Reply(204 if call.operation == "PutBucketTagging" else 200, headers)

    def delete(self, call: Call) -> Reply:
        """Answer a Delete operation of `DELETES`."""
        bucket = self._storage.bucket(call.bucket)
        kept = _system_tags(bucket) if call.operation == "DeleteBucketTagging" else {}
        left = {"TagSet": tags.tag_set(kept)} if kept else None
        self._storage.configure(call.bucket, DELETES[call.operation].name, left)
        return Reply(204)

    def get_bucket_versioning(self, call: Call) -> Reply:
        """GetBucketVersioning: empty until it is set."""
        status = self._storage.bucket(call.bucket).versioning
        return xml(documents.answer(call.operation, {"Status": status} if status else {}))

    def put_bucket_versioning(self, call: Call) -> Reply:
        """PutBucketVersioning."""
        self._storage.bucket(call.bucket)
        document = documents.read(call.operation, call.document())
        if "Status" not in document:
            raise S3Error("IllegalVersioningConfigurationException")
        if document.get("MFADelete") == "Enabled" or "x-amz-mfa" in call.headers:
            raise S3Error("NotImplemented", "MFADelete is not supported by the local account")
        self._storage.set_versioning(call.bucket, document["Status"])
        return Reply(200)

    def get_bucket_policy(self, call: Call) -> Reply:
        """GetBucketPolicy: the text as it was put."""
        return Reply(200, {"Content-Type": "application/json"}, self._policy(call).encode())

    def get_bucket_policy_status(self, call: Call) -> Reply:
        """GetBucketPolicyStatus."""
        status = {"IsPublic": policies.is_public(self._policy(call))}
        return xml(documents.answer(call.operation, {"PolicyStatus": status}))

    def put_bucket_policy(self, call: Call) -> Reply:
        """PutBucketPolicy."""
        bucket = self._storage.bucket(call.bucket)
        try:
            document = call.document().decode()
        except UnicodeDecodeError as error:
            raise S3Error("MalformedPolicy") from error
        policies.check(document, call.bucket)
        if name := principals.unknown(self._with.account_id, json.loads(document)):
            raise S3Error("MalformedPolicy", "Invalid principal in policy", Detail=name)
        block = bucket.settings.get("publicAccessBlock") or {}
        if block.get("BlockPublicPolicy") and policies.is_public(document):
            who = call.caller.arn if call.caller else f"arn:aws:iam::{self._with.account_id}:root"
            raise S3Error(
                "AccessDenied",
                f"User: {who} is not authorized to perform: s3:PutBucketPolicy on resource: "
                f'"arn:aws:s3:::{call.bucket}" '
                "because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public "
                "Access.",
            )
        self._storage.configure(call.bucket, "policy", json.dumps(json.loads(document)))
        return Reply(204)

    def delete_bucket_policy(self, call: Call) -> Reply:
        """DeleteBucketPolicy."""
        self._storage.bucket(call.bucket)
        self._storage.configure(call.bucket, "policy", None)
        return Reply(204)

    def _policy(self, call: Call) -> str:
        policy = self._storage.bucket(call.bucket).settings.get("policy")
        if policy is None:
            raise S3Error("NoSuchBucketPolicy", BucketName=call.bucket)
        return str(policy)
