"""What the object storage refuses; the S3 service gives each the code and words of the API reference."""

from __future__ import annotations


class StorageError(Exception):
    """The storage refused; nothing was changed."""


class BucketAlreadyExists(StorageError):  # noqa: N818
    """There is a bucket of that name."""


class NoSuchBucket(StorageError):  # noqa: N818
    """There is no bucket of that name."""


class BucketNotEmpty(StorageError):  # noqa: N818
    """The bucket holds versions or delete markers; ``versioned`` if it has ever been versioned."""

    def __init__(self, name: str, versioned: bool) -> None:
        super().__init__(f"the bucket {name!r} holds versions or delete markers")
        self.versioned = versioned


class NoSuchKey(StorageError):  # noqa: N818
    """The key has no version."""


class NoSuchVersion(StorageError):  # noqa: N818
    """The key has no version of that id."""


class InvalidVersionId(StorageError):  # noqa: N818
    """No version can have that id."""


class NoSuchUpload(StorageError):  # noqa: N818
    """The upload does not exist: it was never begun, or was completed or aborted."""


class InvalidPart(StorageError):  # noqa: N818
    """A part was not uploaded, or has another ETag."""

    def __init__(self, number: int, etag: str) -> None:
        super().__init__(f"part {number} with ETag {etag!r} was not uploaded")
        self.number = number
        self.etag = etag


class InvalidPartOrder(StorageError):  # noqa: N818
    """The parts are not in ascending order."""


class EntityTooSmall(StorageError):  # noqa: N818
    """A part that is not the last one is smaller than 5 MiB."""

    def __init__(self, number: int, size: int, etag: str) -> None:
        super().__init__(f"part {number} has {size} bytes")
        self.number = number
        self.size = size
        self.etag = etag
