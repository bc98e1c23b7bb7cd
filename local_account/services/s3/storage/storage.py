"""The object storage of the local account: what it can do, in one class."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path
from typing import Any

from local_account.services.s3.storage.bodies import Body, Receiver
from local_account.services.s3.storage.content import Content
from local_account.services.s3.storage.records import (
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
    Usage,
)

Unless = Callable[[ObjectVersion | None], None]
"""Called in the transaction with the current version (None if absent or a delete marker); raise to refuse."""


class Storage:
    """Buckets, object versions and multipart uploads in one directory; for many threads of one process.

    What a method changed survives a killed process once it has returned. A full disk raises OSError
    (ENOSPC) or sqlite3.OperationalError ("database or disk is full"), and changes nothing. Every method
    that names a bucket raises NoSuchBucket if there is none.
    """

    def __init__(self, directory: Path) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Close the files; nothing is lost."""
        raise NotImplementedError

    # --- buckets

    def create_bucket(self, name: str, region: str, now: datetime) -> Bucket:
        """Return the new bucket. Raises BucketAlreadyExists."""
        raise NotImplementedError

    def bucket(self, name: str) -> Bucket:
        """Return the bucket."""
        raise NotImplementedError

    def buckets(self) -> list[Bucket]:
        """Return all buckets in order of their names."""
        raise NotImplementedError

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket; its uploads are aborted. Raises BucketNotEmpty."""
        raise NotImplementedError

    def configure(self, name: str, setting: str, document: object | None) -> Bucket:
        """Set a setting of the bucket to a JSON document, or remove it with None. Return the bucket."""
        raise NotImplementedError

    def set_versioning(self, name: str, status: str) -> Bucket:
        """Set "Enabled" or "Suspended". Return the bucket."""
        raise NotImplementedError

    def usage(self, name: str) -> Usage:
        """Return what the bucket holds; counted as it changes, so it costs the same at any size."""
        raise NotImplementedError

    # --- bodies

    def receive(self) -> Receiver:
        """Return a context manager that takes a body.

        ``write(data)`` it in pieces, ``finish()`` it, and store its Body within the block: a body that is
        not stored when the block ends is deleted.
        """
        raise NotImplementedError

    def copy_segments(
        self, version: ObjectVersion, start: int = 0, end: int | None = None
    ) -> AbstractContextManager[list[Body]]:
        """Return a context manager with bodies for the bytes ``start`` to ``end`` (exclusive) of a version.

        Store them within the block. Whole bodies are shared, so copying an object copies no bytes; at the
        edges of a range bytes are copied. Raises NoSuchVersion if the version is gone.
        """
        raise NotImplementedError

    # --- versions

    def put(
        self,
        bucket: str,
        key: str,
        segments: Sequence[Body],
        etag: str,
        attributes: Attributes,
        *,
        now: datetime,
        parts: Sequence[Part] = (),
        unless: Unless | None = None,
    ) -> ObjectVersion:
        """Store a version as the bucket's versioning says, and return it.

        It replaces the "null" version unless versioning is enabled.
        """
        raise NotImplementedError

    def latest(self, bucket: str, key: str) -> ObjectVersion:
        """Return the newest version, which can be a delete marker. Raises NoSuchKey."""
        raise NotImplementedError

    def version(self, bucket: str, key: str, version_id: str) -> ObjectVersion:
        """Return a version or delete marker. Raises NoSuchVersion, InvalidVersionId."""
        raise NotImplementedError

    def get(self, bucket: str, key: str, version_id: str | None = None) -> Content:
        """Return the newest version or the given one with its bytes, in one look: the cheapest way to read.

        ``content.version`` can be a delete marker, which has no bytes. Close the content: until then its
        bytes stay, whatever is written or deleted. Raises NoSuchKey, NoSuchVersion, InvalidVersionId.
        """
        raise NotImplementedError

    def open(self, version: ObjectVersion, start: int = 0, end: int | None = None) -> Content:
        """Return the bytes ``start`` to ``end`` (exclusive) of a version. Raises NoSuchVersion."""
        raise NotImplementedError

    def delete(self, bucket: str, key: str, now: datetime, *, unless: Unless | None = None) -> Deleted:
        """Delete as the bucket's versioning says: the object, or by a delete marker.

        "Deleting object versions from a versioning-enabled bucket" and "… versioning-suspended buckets",
        S3 User Guide. It is no error if there is nothing to delete.
        """
        raise NotImplementedError

    def delete_version(
        self, bucket: str, key: str, version_id: str, *, unless: Unless | None = None
    ) -> Deleted:
        """Remove a version or delete marker for good; the one before becomes the latest.

        ``unless`` gets the version (None if it is absent or a marker). It is no error if there is none.
        Raises InvalidVersionId.
        """
        raise NotImplementedError

    def delete_many(
        self, bucket: str, objects: Iterable[tuple[str, str | None]], now: datetime
    ) -> list[Deleted]:
        """Delete keys, or versions of keys, in one transaction. Raises InvalidVersionId."""
        raise NotImplementedError

    def set_tags(
        self, bucket: str, key: str, version_id: str | None, tags: Mapping[str, str]
    ) -> ObjectVersion:
        """Replace the tags of a version, or of the newest one. A delete marker is returned unchanged.

        Raises NoSuchKey, NoSuchVersion, InvalidVersionId.
        """
        raise NotImplementedError

    # --- lists

    def list_objects(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """Return the current versions and common prefixes after a key or common prefix.

        ``limit`` bounds keys and common prefixes together. The cost is that of the page, not of the keys
        under its common prefixes.
        """
        raise NotImplementedError

    def list_versions(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, version_id_marker: str, *, limit: int
    ) -> Page:
        """Return versions and markers after a key, or after a version of it. Raises InvalidVersionId."""
        raise NotImplementedError

    # --- multipart uploads

    def create_upload(
        self,
        bucket: str,
        key: str,
        attributes: Attributes,
        now: datetime,
        said: Mapping[str, Any] | None = None,
    ) -> Upload:
        """Begin an upload; ``said`` is a JSON document that is kept with it. Ids sort by initiation."""
        raise NotImplementedError

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload in progress. Raises NoSuchUpload."""
        raise NotImplementedError

    def put_part(
        self,
        upload: Upload,
        number: int,
        segments: Sequence[Body],
        etag: str,
        checksums: Mapping[str, str],
        *,
        now: datetime,
    ) -> Part:
        """Store a part, new or in place of the one of that number. Raises NoSuchUpload."""
        raise NotImplementedError

    def parts(self, upload: Upload, after: int = 0, limit: int = 1000) -> PartsPage:
        """Return the parts after a number. Raises NoSuchUpload."""
        raise NotImplementedError

    def chosen(self, upload: Upload, wanted: Sequence[tuple[int, str]]) -> list[Part]:
        """Return the parts that a client lists, by number and ETag, to complete an upload.

        Raises NoSuchUpload, InvalidPartOrder, InvalidPart, EntityTooSmall.
        """
        raise NotImplementedError

    def uploads(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, id_marker: str, *, limit: int
    ) -> UploadsPage:
        """Return the uploads in progress after a key, or after an upload of it (ListMultipartUploads)."""
        raise NotImplementedError

    def complete(
        self,
        upload: Upload,
        wanted: Sequence[tuple[int, str]],
        etag: str,
        attributes: Attributes,
        now: datetime,
        *,
        unless: Unless | None = None,
    ) -> ObjectVersion:
        """Make a version of the parts; no bytes are copied, and parts that are not wanted are deleted.

        Raises what ``chosen`` raises; ``etag`` and ``attributes`` come of the parts that it returned.
        """
        raise NotImplementedError

    def abort(self, upload: Upload) -> None:
        """End an upload and delete its parts. Raises NoSuchUpload."""
        raise NotImplementedError

    # --- lifecycle: small pages in order of keys, so that a rule costs others nothing

    def expired(
        self, bucket: str, prefix: str, older_than: datetime, after: tuple[str, int] | None, limit: int
    ) -> Candidates:
        """Return current versions written before a time; ``limit`` bounds the rows that are read."""
        raise NotImplementedError

    def noncurrent(
        self,
        bucket: str,
        prefix: str,
        older_than: datetime,
        *,
        keep: int,
        after: tuple[str, int] | None,
        limit: int,
    ) -> Candidates:
        """Return versions that became noncurrent before a time, except the ``keep`` newest of each key."""
        raise NotImplementedError

    def lone_markers(self, bucket: str, prefix: str, after: tuple[str, int] | None, limit: int) -> Candidates:
        """Return delete markers that are all that is left of their key (ExpiredObjectDeleteMarker)."""
        raise NotImplementedError

    def stale_uploads(self, bucket: str, prefix: str, older_than: datetime, limit: int) -> list[Upload]:
        """Return uploads that were begun before a time, the oldest first."""
        raise NotImplementedError
