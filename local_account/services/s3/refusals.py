"""The storage's refusals in S3's words.

Contract: Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from local_account.services.s3 import storage
from local_account.services.s3.errors import S3Error

if TYPE_CHECKING:
    from local_account.services.s3.call import Call

_MINIMUM = str(storage.MINIMUM_PART)


def _too_small(error: Exception, _: Call) -> S3Error:
    if not isinstance(error, storage.EntityTooSmall):
        raise TypeError(error)
    return S3Error(
        "EntityTooSmall",
        ProposedSize=str(error.size),
        MinSizeAllowed=_MINIMUM,
        PartNumber=str(error.number),
        ETag=error.etag,
    )


def _invalid_part(error: Exception, call: Call) -> S3Error:
    if not isinstance(error, storage.InvalidPart):
        raise TypeError(error)
    return S3Error(
        "InvalidPart",
        UploadId=call.query.get("uploadId", ""),
        PartNumber=str(error.number),
        ETag=error.etag,
    )


def _not_empty(error: Exception, call: Call) -> S3Error:
    versioned = isinstance(error, storage.BucketNotEmpty) and error.versioned
    words = "The bucket you tried to delete is not empty. You must delete all versions in the bucket."
    return S3Error("BucketNotEmpty", words if versioned else "", BucketName=call.bucket)


_REFUSALS: dict[type[Exception], Callable[[Exception, Call], S3Error]] = {
    storage.BucketAlreadyExists: lambda _, call: S3Error("BucketAlreadyOwnedByYou", BucketName=call.bucket),
    storage.BucketNotEmpty: _not_empty,
    storage.EntityTooSmall: _too_small,
    storage.InvalidPart: _invalid_part,
    storage.InvalidPartOrder: lambda _, call: S3Error(
        "InvalidPartOrder", UploadId=call.query.get("uploadId", "")
    ),
    storage.InvalidVersionId: lambda _, call: S3Error(
        "InvalidArgument",
        "Invalid version id specified",
        ArgumentName="versionId",
        ArgumentValue=call.query.get("versionId", ""),
    ),
    storage.NoSuchBucket: lambda _, call: S3Error("NoSuchBucket", BucketName=call.bucket),
    storage.NoSuchKey: lambda _, call: S3Error("NoSuchKey", Key=call.key),
    storage.NoSuchUpload: lambda _, call: S3Error("NoSuchUpload", UploadId=call.query.get("uploadId", "")),
    storage.NoSuchVersion: lambda _, call: S3Error(
        "NoSuchVersion", Key=call.key, VersionId=call.query.get("versionId", "")
    ),
}


def refusal(error: Exception, call: Call) -> S3Error:
    """Return what S3 answers where the storage refused; an S3Error as it is."""
    if isinstance(error, S3Error):
        return error
    return _REFUSALS[type(error)](error, call)
