"""The IAM permissions that a request to Amazon S3 needs.

Contract: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations"; the condition keys of the
Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

from __future__ import annotations

from urllib.parse import parse_qsl

from local_account.authorization.needs import Need
from local_account.services.s3 import copy_source
from local_account.services.s3.call import Call

# Operations whose action has another name.
_ACTIONS = {
    "CreateMultipartUpload": "PutObject",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "DeleteBucketCors": "PutBucketCORS",
    "DeleteBucketEncryption": "PutEncryptionConfiguration",
    "DeleteBucketLifecycle": "PutLifecycleConfiguration",
    "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
    "DeleteBucketReplication": "PutReplicationConfiguration",
    "DeleteBucketTagging": "PutBucketTagging",
    "DeletePublicAccessBlock": "PutBucketPublicAccessBlock",
    "GetBucketAccelerateConfiguration": "GetAccelerateConfiguration",
    "GetBucketAnalyticsConfiguration": "GetAnalyticsConfiguration",
    "GetBucketCors": "GetBucketCORS",
    "GetBucketEncryption": "GetEncryptionConfiguration",
    "GetBucketIntelligentTieringConfiguration": "GetIntelligentTieringConfiguration",
    "GetBucketInventoryConfiguration": "GetInventoryConfiguration",
    "GetBucketLifecycleConfiguration": "GetLifecycleConfiguration",
    "GetBucketMetricsConfiguration": "GetMetricsConfiguration",
    "GetBucketNotificationConfiguration": "GetBucketNotification",
    "GetBucketReplication": "GetReplicationConfiguration",
    "GetObjectLockConfiguration": "GetBucketObjectLockConfiguration",
    "GetPublicAccessBlock": "GetBucketPublicAccessBlock",
    "HeadBucket": "ListBucket",
    "HeadObject": "GetObject",
    "ListBucketAnalyticsConfigurations": "GetAnalyticsConfiguration",
    "ListBucketIntelligentTieringConfigurations": "GetIntelligentTieringConfiguration",
    "ListBucketInventoryConfigurations": "GetInventoryConfiguration",
    "ListBucketMetricsConfigurations": "GetMetricsConfiguration",
    "ListBuckets": "ListAllMyBuckets",
    "ListMultipartUploads": "ListBucketMultipartUploads",
    "ListObjectVersions": "ListBucketVersions",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
    "ListParts": "ListMultipartUploadParts",
    "PostObject": "PutObject",
    "PutBucketAccelerateConfiguration": "PutAccelerateConfiguration",
    "PutBucketCors": "PutBucketCORS",
    "PutBucketEncryption": "PutEncryptionConfiguration",
    "PutBucketLifecycleConfiguration": "PutLifecycleConfiguration",
    "PutBucketNotificationConfiguration": "PutBucketNotification",
    "PutPublicAccessBlock": "PutBucketPublicAccessBlock",
    "UploadPart": "PutObject",
    "UploadPartCopy": "PutObject",
}
# Actions on objects that are called otherwise when the request names a version.
_OF_VERSIONS = {
    "DeleteObject": "DeleteObjectVersion",
    "DeleteObjectTagging": "DeleteObjectVersionTagging",
    "GetObject": "GetObjectVersion",
    "GetObjectAcl": "GetObjectVersionAcl",
    "GetObjectAttributes": "GetObjectVersionAttributes",
    "GetObjectTagging": "GetObjectVersionTagging",
    "PutObjectAcl": "PutObjectVersionAcl",
    "PutObjectTagging": "PutObjectVersionTagging",
}
# Whether a request with s3:PutObject makes an object, or only prepares one ("Enforce conditional writes").
_CREATES = {
    **dict.fromkeys(("PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"), "true"),
    **dict.fromkeys(("CreateMultipartUpload", "UploadPart", "UploadPartCopy"), "false"),
}
_LIST_KEYS = {"prefix": "s3:prefix", "delimiter": "s3:delimiter", "max-keys": "s3:max-keys"}
_HEADER_KEYS = (
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-content-sha256",
    "x-amz-copy-source",
    "x-amz-grant-full-control",
    "x-amz-grant-read",
    "x-amz-grant-read-acp",
    "x-amz-grant-write",
    "x-amz-grant-write-acp",
    "x-amz-metadata-directive",
    "x-amz-object-ownership",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
    "x-amz-server-side-encryption-customer-algorithm",
    "x-amz-storage-class",
    "x-amz-website-redirect-location",
)


def arn_of(bucket: str, key: str = "") -> str:
    """Return the ARN of a bucket or of an object."""
    return f"arn:aws:s3:::{bucket}/{key}" if key else f"arn:aws:s3:::{bucket}"


def split(arn: str) -> tuple[str, str]:
    """Return the bucket and the key of an ARN; the key is empty for a bucket."""
    bucket, _, key = arn.removeprefix("arn:aws:s3:::").partition("/")
    return bucket, key


def needs(call: Call) -> list[Need]:
    """Return every permission that a request needs, but for those of DeleteObjects: it asks for each key."""
    operation = call.operation
    if operation in ("DeleteObjects", "PreflightRequest"):
        return []
    action = _ACTIONS.get(operation, operation)
    if operation == "ListBuckets":
        return [Need(f"s3:{action}")]
    if "versionId" in call.query:
        action = _OF_VERSIONS.get(action, action)
    context = _context(call)
    resource = arn_of(call.bucket, call.key)
    required = [Need(f"s3:{action}", resource, context)]
    if operation == "GetObjectAttributes":
        reads = "s3:GetObjectVersion" if call.query.get("versionId") else "s3:GetObject"
        required.append(Need(reads, resource, context))
    if operation in ("CopyObject", "UploadPartCopy"):
        source = copy_source.of_header(call.headers["x-amz-copy-source"])
        reads = "s3:GetObjectVersion" if source.version_id else "s3:GetObject"
        version = {"s3:versionid": [source.version_id]} if source.version_id else {}
        required.append(Need(reads, arn_of(source.bucket, source.key), common(call) | version))
    if action == "PutObject":
        if call.headers.get("x-amz-tagging"):
            required.append(Need("s3:PutObjectTagging", resource, context))
        if call.headers.get("x-amz-acl"):
            required.append(Need("s3:PutObjectAcl", resource, context))
    if operation == "DeleteObject" and _reads(call.headers.get("if-match")):
        required.append(Need("s3:GetObject", resource, context))
    return required


def deletion(call: Call, key: str, version_id: str | None, etag: str | None) -> list[Need]:
    """Return the permissions to delete one key, or one version of it, if it has the ETag (None: in any case).

    "Example 1: Only allow conditional deletes using the If-Match header": the key ``s3:if-match`` is the ETag
    of a key that DeleteObjects lists, too.
    """
    action = "DeleteObjectVersion" if version_id is not None else "DeleteObject"
    condition = {} if etag is None else {"s3:if-match": [etag]}
    required = [Need(f"s3:{action}", arn_of(call.bucket, key), common(call) | condition)]
    if _reads(etag):
        required.append(Need("s3:GetObject", arn_of(call.bucket, key), common(call) | condition))
    return required


def _reads(if_match: str | None) -> bool:
    """Return whether a deletion tells its caller about the object ("How to perform conditional deletes")."""
    return if_match is not None and if_match.strip() != "*"


def common(call: Call) -> dict[str, list[str]]:
    """Return the condition keys that every request has. On the loopback interface it counts as secure."""
    return {
        "aws:securetransport": ["true"],
        "aws:sourceip": [call.source_ip],
        "s3:signatureversion": ["AWS4-HMAC-SHA256"],
        "s3:authtype": [_auth_type(call)],
    }


def _auth_type(call: Call) -> str:
    return "REST-QUERY-STRING" if call.signature and call.signature.presigned else "REST-HEADER"


def _context(call: Call) -> dict[str, list[str]]:
    context = common(call)
    for parameter, name in _LIST_KEYS.items():
        if parameter in call.query:
            context[name] = [call.query[parameter]]
    for header in _HEADER_KEYS:
        if header in call.headers:
            context[f"s3:{header}"] = [call.headers[header]]
    if "versionId" in call.query:
        context["s3:versionid"] = [call.query["versionId"]]
    if call.operation in _CREATES:
        context["s3:objectcreationoperation"] = [_CREATES[call.operation]]
    if tagging := call.headers.get("x-amz-tagging"):
        tags = parse_qsl(tagging, keep_blank_values=True)
        context["s3:requestobjecttagkeys"] = [key for key, _ in tags]
        context |= {f"s3:requestobjecttag/{key.lower()}": [value] for key, value in tags}
    return context
