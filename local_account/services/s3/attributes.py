"""What a client says about an object with headers, checked, and said again when the object is read.

Contract: Amazon S3 API Reference, PutObject and GetObject; Amazon S3 User Guide, "Working with object
metadata" and "Controlling ownership of objects and disabling ACLs for your bucket".

Differs from AWS: storage classes without a wait (`STANDARD_IA`, …) are kept with the object, and change
nothing. Bodies are not encrypted on the disk, although `AES256` is answered.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.services.s3 import tags
from local_account.services.s3.errors import S3Error
from local_account.services.s3.storage import Attributes
from local_account.services.s3.wire.checksums import header_of
from local_account.services.s3.wire.chunked import stored_encoding

if TYPE_CHECKING:
    from local_account.services.s3.storage import Bucket, ObjectVersion

MOST_METADATA = 2048
"""Bytes of all user metadata, names and values."""
ENCRYPTION = {"x-amz-server-side-encryption": "AES256"}
"""Every object is encrypted with SSE-S3 ("Default encryption"); here it is the disk's matter."""
DEFAULT_TYPE = "binary/octet-stream"
_USER = "x-amz-meta-"
# A form, or the query of a presigned URL, can hold what no header can.
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_KEPT = {
    "cache-control": "Cache-Control",
    "content-disposition": "Content-Disposition",
    "content-language": "Content-Language",
    "expires": "Expires",
    "x-amz-website-redirect-location": "x-amz-website-redirect-location",
}
# Headers that most requests have, and that say nothing about the object.
_OF_REQUEST = frozenset(
    {
        *("host", "authorization", "content-length", "user-agent", "x-amz-date", "x-amz-content-sha256"),
        *(
            "x-amz-security-token",
            "x-amz-sdk-checksum-algorithm",
            "x-amz-trailer",
            "x-amz-decoded-content-length",
        ),
        *("accept-encoding", "amz-sdk-invocation-id", "amz-sdk-request", "expect", "connection"),
    }
)
_SAID_AGAIN = {*_KEPT, "content-type", "content-encoding"}
_STORAGE_CLASSES = {
    "STANDARD",
    "REDUCED_REDUNDANCY",
    "STANDARD_IA",
    "ONEZONE_IA",
    "INTELLIGENT_TIERING",
    "GLACIER_IR",
}
_ARCHIVES = {"GLACIER", "DEEP_ARCHIVE"}
_OWNER_ONLY = {"bucket-owner-full-control"}
_PRIVATE = {"private", "bucket-owner-full-control", "bucket-owner-read"}
_OVERRIDES = {
    "response-cache-control": "Cache-Control",
    "response-content-disposition": "Content-Disposition",
    "response-content-encoding": "Content-Encoding",
    "response-content-language": "Content-Language",
    "response-content-type": "Content-Type",
    "response-expires": "Expires",
}


def of_request(headers: Mapping[str, str], bucket: Bucket) -> Attributes:
    """Return what a request that creates an object says about it. Raises S3Error."""
    kept = {"Content-Type": headers.get("content-type") or DEFAULT_TYPE}
    user: dict[str, str] = {}
    size = 0
    for name, value in headers.items():
        if name in _OF_REQUEST:
            continue
        if name in _SAID_AGAIN and _CONTROL.search(value):
            raise S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=value)
        if name in _KEPT:
            kept[_KEPT[name]] = value
        elif name.startswith("x-amz-"):
            if name.startswith(_USER):
                user[name[len(_USER) :]] = value
                size += len(name) - len(_USER) + len(value.encode())
            else:
                _check_header(name, value, bucket)
        elif name == "content-encoding" and (encoding := stored_encoding(value)):
            kept["Content-Encoding"] = encoding
    if size > MOST_METADATA:
        raise S3Error("MetadataTooLarge", Size=str(size), MaxSizeAllowed=str(MOST_METADATA))
    storage_class = headers.get("x-amz-storage-class", "STANDARD")
    if storage_class != "STANDARD":
        kept["x-amz-storage-class"] = storage_class
    given_tags = headers.get("x-amz-tagging")
    return Attributes(kept, user, tags.from_header(given_tags) if given_tags else {})


def _check_header(name: str, value: str, bucket: Bucket) -> None:
    if name == "x-amz-storage-class":
        if value in _ARCHIVES:
            raise S3Error(
                "NotImplemented", f"The storage class {value} is not supported by the local account"
            )
        if value not in _STORAGE_CLASSES:
            raise S3Error("InvalidStorageClass", StorageClassRequested=value)
    elif name == "x-amz-server-side-encryption":
        if value.startswith("aws:"):
            raise S3Error("NotImplemented", f"Encryption with {value} is not supported by the local account")
        if value != "AES256":
            raise S3Error("InvalidEncryptionAlgorithmError")
    elif "server-side-encryption-customer-" in name:
        raise S3Error("NotImplemented", "Encryption with customer keys is not supported by the local account")
    elif name.startswith("x-amz-object-lock-"):
        raise S3Error("InvalidRequest", "Bucket is missing Object Lock Configuration")
    elif (name == "x-amz-acl" or name.startswith("x-amz-grant-")) and value:  # empty: of an older s3fs
        check_acl(name, value, bucket)
    elif name == "x-amz-write-offset-bytes":
        raise S3Error("NotImplemented")


def check_acl(name: str, value: str, bucket: Bucket) -> None:
    """Raise S3Error unless an ACL leaves everything with the bucket's owner: every ACL here says that.

    Refuses (PutBucketAcl, PutObjectAcl, PutObject): access for others than the owner. Every ACL says that the
    owner may do everything.
    """
    ownership = bucket.settings.get("ownership")
    enforced = ownership is not None and ownership["Rules"][0]["ObjectOwnership"] == "BucketOwnerEnforced"
    if name == "x-amz-acl" and value in (_OWNER_ONLY if enforced else _PRIVATE):
        return
    if enforced:
        raise S3Error("AccessControlListNotSupported")
    if (bucket.settings.get("publicAccessBlock") or {}).get("BlockPublicAcls") and value.startswith(
        "public-"
    ):
        raise S3Error("AccessDenied")
    raise S3Error("NotImplemented", f"{name}: {value} is not supported by the local account")


def of_version(version: ObjectVersion) -> dict[str, str]:
    """Return the headers that an object is read with, without its checksums.

    Metadata that is not US-ASCII is encoded (RFC 2047); what is not printable is only counted.

    Differs from AWS: the encoding is always Base64 (`=?UTF-8?B?…?=`), as in AWS's example; AWS may choose
    quoted-printable (`=?UTF-8?Q?…?=`) for a value that is mostly ASCII, and does not document when. Source:
    S3 User Guide, "Working with object metadata".
    """
    attributes = version.attributes
    headers = dict(attributes.headers)
    missing = 0
    for name, value in attributes.user.items():
        if _CONTROL.search(value):
            missing += 1
        elif value.isascii():
            headers[_USER + name] = value
        else:
            headers[_USER + name] = f"=?UTF-8?B?{base64.b64encode(value.encode()).decode()}?="
    if missing:
        headers["x-amz-missing-meta"] = str(missing)
    if attributes.tags:
        headers["x-amz-tagging-count"] = str(len(attributes.tags))
    headers.update(ENCRYPTION)
    return headers


def override(headers: dict[str, str], query: Mapping[str, str], *, anonymous: bool) -> None:
    """Replace headers of an answer by what the query's ``response-…`` say. Raises S3Error InvalidRequest."""
    for name, header in _OVERRIDES.items():
        if name in query:
            if anonymous:
                raise S3Error(
                    "InvalidRequest",
                    "Request specific response headers cannot be used for anonymous GET requests.",
                )
            value = query[name]
            if not value.isprintable():
                raise S3Error("InvalidArgument", ArgumentName=name, ArgumentValue=value)
            headers[header] = value.encode().decode("latin-1")


def checksums(values: Mapping[str, str], kind: str) -> dict[str, str]:
    """Return the headers of an object's checksums."""
    if not values:
        return {}
    headers = {header_of(algorithm): value for algorithm, value in values.items()}
    if kind:
        headers["x-amz-checksum-type"] = kind
    return headers
