"""Object storage without HTTP: buckets, versions, multipart uploads. Metadata in SQLite, bytes in files."""

from local_account.services.s3.storage.bodies import Body, Receiver
from local_account.services.s3.storage.content import Content
from local_account.services.s3.storage.errors import (
    BucketAlreadyExists,
    BucketNotEmpty,
    EntityTooSmall,
    InvalidPart,
    InvalidPartOrder,
    InvalidVersionId,
    NoSuchBucket,
    NoSuchKey,
    NoSuchUpload,
    NoSuchVersion,
    StorageError,
)
from local_account.services.s3.storage.identifiers import is_version_id
from local_account.services.s3.storage.records import (
    MINIMUM_PART,
    NULL_VERSION,
    Attributes,
    Bucket,
    Candidates,
    Deleted,
    ObjectVersion,
    Page,
    Part,
    PartsPage,
    Upload,
    UploadsPage,
)
from local_account.services.s3.storage.storage import Storage
from local_account.services.s3.storage.versions import Unless

__all__ = [
    "MINIMUM_PART",
    "NULL_VERSION",
    "Attributes",
    "Body",
    "Bucket",
    "BucketAlreadyExists",
    "BucketNotEmpty",
    "Candidates",
    "Content",
    "Deleted",
    "EntityTooSmall",
    "InvalidPart",
    "InvalidPartOrder",
    "InvalidVersionId",
    "NoSuchBucket",
    "NoSuchKey",
    "NoSuchUpload",
    "NoSuchVersion",
    "ObjectVersion",
    "Page",
    "Part",
    "PartsPage",
    "Receiver",
    "Storage",
    "StorageError",
    "Unless",
    "Upload",
    "UploadsPage",
    "is_version_id",
]
