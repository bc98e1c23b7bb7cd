"""The IAM permissions that a request to Amazon S3 needs.

Contract: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import unquote

from werkzeug.wrappers import Request

from local_account.authorization.needs import Need

# By query parameter: the action that reads it from the bucket, and the one that writes it.
_SUBRESOURCES = {
    "location": ("GetBucketLocation", ""),
    "versioning": ("GetBucketVersioning", "PutBucketVersioning"),
    "tagging": ("GetBucketTagging", "PutBucketTagging"),
    "policy": ("GetBucketPolicy", "PutBucketPolicy"),
    "notification": ("GetBucketNotification", "PutBucketNotification"),
    "encryption": ("GetEncryptionConfiguration", "PutEncryptionConfiguration"),
    "lifecycle": ("GetLifecycleConfiguration", "PutLifecycleConfiguration"),
    "publicAccessBlock": ("GetBucketPublicAccessBlock", "PutBucketPublicAccessBlock"),
    "ownershipControls": ("GetBucketOwnershipControls", "PutBucketOwnershipControls"),
    "versions": ("ListBucketVersions", ""),
    "uploads": ("ListBucketMultipartUploads", ""),
}
_KEYS = re.compile(r"<Object>.*?<Key>(.*?)</Key>(?:.*?(<VersionId>))?.*?</Object>", re.DOTALL)


def needs(request: Request) -> list[Need]:
    """Return every permission that a path-style request needs."""
    bucket, _, key = request.path.lstrip("/").partition("/")
    if not bucket:
        return [Need("s3:ListAllMyBuckets")]
    of_bucket = f"arn:aws:s3:::{bucket}"
    return _object(request, f"{of_bucket}/{key}") if key else _bucket(request, of_bucket)


def _bucket(request: Request, arn: str) -> list[Need]:
    query, reads = request.args, request.method in ("GET", "HEAD")
    if request.method == "POST" and "delete" in query:
        return [
            Need(f"s3:DeleteObject{'Version' if version else ''}", f"{arn}/{key}")
            for key, version in _KEYS.findall(request.get_data(as_text=True))
        ]
    for name, (read, write) in _SUBRESOURCES.items():
        if name in query:
            prefix = _prefix(query) if read.startswith("List") else {}
            return [Need(f"s3:{read if reads else write}", arn, prefix)]
    if reads:
        return [Need("s3:ListBucket", arn, _prefix(query))]
    return [Need("s3:CreateBucket" if request.method == "PUT" else "s3:DeleteBucket", arn)]


def _prefix(query: Mapping[str, str]) -> dict[str, list[str]]:
    return {"s3:prefix": [query["prefix"]]} if "prefix" in query else {}


def _object(request: Request, arn: str) -> list[Need]:
    query, version = request.args, "Version" if "versionId" in request.args else ""
    tagging = "Tagging" if "tagging" in query else ""
    match request.method:
        case "GET" if "uploadId" in query:
            return [Need("s3:ListMultipartUploadParts", arn)]
        case "GET" | "HEAD":
            return [Need(f"s3:GetObject{version}{tagging}", arn)]
        case "DELETE" if "uploadId" in query:
            return [Need("s3:AbortMultipartUpload", arn)]
        case "DELETE":
            return [Need(f"s3:DeleteObject{version}{tagging}", arn)]
    required = [Need(f"s3:PutObject{tagging}", arn)]
    if source := request.headers.get("X-Amz-Copy-Source"):
        path, _, version = unquote(source).lstrip("/").partition("?versionId=")
        required.append(Need(f"s3:GetObject{'Version' if version else ''}", f"arn:aws:s3:::{path}"))
    return required
