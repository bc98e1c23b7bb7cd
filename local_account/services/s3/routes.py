"""Which operation a request is for: method, bucket or key, and subresource.

Contract: Amazon S3 API Reference, "Actions"; a test compares the table with botocore's model.
"""

from __future__ import annotations

from collections.abc import Mapping

# Subresource: the operations that read, write and delete it, for a bucket.
_BUCKET: dict[str, dict[str, str]] = {
    "abac": {"GET": "GetBucketAbac", "PUT": "PutBucketAbac"},
    "accelerate": {"GET": "GetBucketAccelerateConfiguration", "PUT": "PutBucketAccelerateConfiguration"},
    "acl": {"GET": "GetBucketAcl", "PUT": "PutBucketAcl"},
    "analytics": {
        "GET": "GetBucketAnalyticsConfiguration",
        "PUT": "PutBucketAnalyticsConfiguration",
        "DELETE": "DeleteBucketAnalyticsConfiguration",
    },
    "cors": {"GET": "GetBucketCors", "PUT": "PutBucketCors", "DELETE": "DeleteBucketCors"},
    "delete": {"POST": "DeleteObjects"},
    "encryption": {
        "GET": "GetBucketEncryption",
        "PUT": "PutBucketEncryption",
        "DELETE": "DeleteBucketEncryption",
    },
    "intelligent-tiering": {
        "GET": "GetBucketIntelligentTieringConfiguration",
        "PUT": "PutBucketIntelligentTieringConfiguration",
        "DELETE": "DeleteBucketIntelligentTieringConfiguration",
    },
    "inventory": {
        "GET": "GetBucketInventoryConfiguration",
        "PUT": "PutBucketInventoryConfiguration",
        "DELETE": "DeleteBucketInventoryConfiguration",
    },
    "lifecycle": {
        "GET": "GetBucketLifecycleConfiguration",
        "PUT": "PutBucketLifecycleConfiguration",
        "DELETE": "DeleteBucketLifecycle",
    },
    "location": {"GET": "GetBucketLocation"},
    "logging": {"GET": "GetBucketLogging", "PUT": "PutBucketLogging"},
    "metadataAnnotationTable": {"PUT": "UpdateBucketMetadataAnnotationTableConfiguration"},
    "metadataConfiguration": {
        "POST": "CreateBucketMetadataConfiguration",
        "GET": "GetBucketMetadataConfiguration",
        "DELETE": "DeleteBucketMetadataConfiguration",
    },
    "metadataInventoryTable": {"PUT": "UpdateBucketMetadataInventoryTableConfiguration"},
    "metadataJournalTable": {"PUT": "UpdateBucketMetadataJournalTableConfiguration"},
    "metadataTable": {
        "POST": "CreateBucketMetadataTableConfiguration",
        "GET": "GetBucketMetadataTableConfiguration",
        "DELETE": "DeleteBucketMetadataTableConfiguration",
    },
    "metrics": {
        "GET": "GetBucketMetricsConfiguration",
        "PUT": "PutBucketMetricsConfiguration",
        "DELETE": "DeleteBucketMetricsConfiguration",
    },
    "notification": {
        "GET": "GetBucketNotificationConfiguration",
        "PUT": "PutBucketNotificationConfiguration",
    },
    "object-lock": {"GET": "GetObjectLockConfiguration", "PUT": "PutObjectLockConfiguration"},
    "ownershipControls": {
        "GET": "GetBucketOwnershipControls",
        "PUT": "PutBucketOwnershipControls",
        "DELETE": "DeleteBucketOwnershipControls",
    },
    "policy": {"GET": "GetBucketPolicy", "PUT": "PutBucketPolicy", "DELETE": "DeleteBucketPolicy"},
    "policyStatus": {"GET": "GetBucketPolicyStatus"},
    "publicAccessBlock": {
        "GET": "GetPublicAccessBlock",
        "PUT": "PutPublicAccessBlock",
        "DELETE": "DeletePublicAccessBlock",
    },
    "replication": {
        "GET": "GetBucketReplication",
        "PUT": "PutBucketReplication",
        "DELETE": "DeleteBucketReplication",
    },
    "requestPayment": {"GET": "GetBucketRequestPayment", "PUT": "PutBucketRequestPayment"},
    "session": {"GET": "CreateSession"},
    "tagging": {"GET": "GetBucketTagging", "PUT": "PutBucketTagging", "DELETE": "DeleteBucketTagging"},
    "uploads": {"GET": "ListMultipartUploads"},
    "versioning": {"GET": "GetBucketVersioning", "PUT": "PutBucketVersioning"},
    "versions": {"GET": "ListObjectVersions"},
    "website": {"GET": "GetBucketWebsite", "PUT": "PutBucketWebsite", "DELETE": "DeleteBucketWebsite"},
}
_OBJECT: dict[str, dict[str, str]] = {
    "acl": {"GET": "GetObjectAcl", "PUT": "PutObjectAcl"},
    "annotation": {
        "GET": "GetObjectAnnotation",
        "PUT": "PutObjectAnnotation",
        "DELETE": "DeleteObjectAnnotation",
    },
    "attributes": {"GET": "GetObjectAttributes"},
    "encryption": {"PUT": "UpdateObjectEncryption"},
    "legal-hold": {"GET": "GetObjectLegalHold", "PUT": "PutObjectLegalHold"},
    "renameObject": {"PUT": "RenameObject"},
    "restore": {"POST": "RestoreObject"},
    "retention": {"GET": "GetObjectRetention", "PUT": "PutObjectRetention"},
    "select": {"POST": "SelectObjectContent"},
    "tagging": {"GET": "GetObjectTagging", "PUT": "PutObjectTagging", "DELETE": "DeleteObjectTagging"},
    "torrent": {"GET": "GetObjectTorrent"},
    "uploadId": {
        "GET": "ListParts",
        "PUT": "UploadPart",
        "POST": "CompleteMultipartUpload",
        "DELETE": "AbortMultipartUpload",
    },
    "uploads": {"POST": "CreateMultipartUpload"},
}
_ONE_OBJECT = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_ONE_BUCKET = {
    "GET": "ListObjects",
    "HEAD": "HeadBucket",
    "PUT": "CreateBucket",
    "DELETE": "DeleteBucket",
    "POST": "PostObject",
}
# Lists of settings, of which a bucket has several: with an id it is one of them.
_LISTED = {
    "GetBucketAnalyticsConfiguration": "ListBucketAnalyticsConfigurations",
    "GetBucketIntelligentTieringConfiguration": "ListBucketIntelligentTieringConfigurations",
    "GetBucketInventoryConfiguration": "ListBucketInventoryConfigurations",
    "GetBucketMetricsConfiguration": "ListBucketMetricsConfigurations",
}
_COPIES = {"PutObject": "CopyObject", "UploadPart": "UploadPartCopy"}


OPERATIONS = frozenset(
    [
        "ListBuckets",
        "ListObjectAnnotations",
        "ListObjectsV2",
        *_ONE_OBJECT.values(),
        *_ONE_BUCKET.values(),
        *_LISTED.values(),
        *_COPIES.values(),
        *(name for table in (_BUCKET, _OBJECT) for methods in table.values() for name in methods.values()),
    ]
)
"""Every operation that a request can be for."""


def find(method: str, bucket: str, key: str, query: Mapping[str, str], *, copies: bool) -> str:
    """Return the operation that a request is for; empty if S3 has none (``MethodNotAllowed``).

    Parameters
    ----------
    query
        The query parameters. Those of signatures and of SDKs do not count.
    copies
        Whether the request has an ``x-amz-copy-source``.
    """
    if method == "OPTIONS":
        return "PreflightRequest" if bucket else ""
    if not bucket:
        return "ListBuckets" if method == "GET" and not key else ""
    if key:
        found = _find(_OBJECT, _ONE_OBJECT, method, query)
        if found == "GetObjectAnnotation" and "annotationName" not in query:
            return "ListObjectAnnotations"
        return _COPIES.get(found, found) if copies else found
    found = _find(_BUCKET, _ONE_BUCKET, method, query)
    if found == "ListObjects":
        return "ListObjectsV2" if query.get("list-type") == "2" else found
    return found if "id" in query else _LISTED.get(found, found)


def _find(
    subresources: Mapping[str, Mapping[str, str]],
    plain: Mapping[str, str],
    method: str,
    query: Mapping[str, str],
) -> str:
    for name in query:
        if name in subresources:
            return subresources[name].get(method, "")
    return plain.get(method, "")
