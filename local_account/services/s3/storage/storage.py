"""The object storage of the local account: what it can do, in one class."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from local_account.services.s3.storage.bodies import Bodies, Body, Receiver
from local_account.services.s3.storage.buckets import Buckets
from local_account.services.s3.storage.content import Content
from local_account.services.s3.storage.index import Index
from local_account.services.s3.storage.lifecycle import Lifecycle
from local_account.services.s3.storage.listing import Listing
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
)
from local_account.services.s3.storage.uploads import Uploads
from local_account.services.s3.storage.versions import Unless, Versions


class Storage:
    """Buckets, object versions and multipart uploads in one directory; for many threads of one process.

    What a method changed survives a killed process once it has returned. A full disk raises OSError
    (ENOSPC) or sqlite3.OperationalError ("database or disk is full"), and changes nothing. Every method
    that names a bucket raises NoSuchBucket if there is none.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._index = Index(directory / "index.sqlite")
        try:
            self._bodies = Bodies(directory, self._index)
            self._buckets = Buckets(self._index)
        except BaseException:
            self._index.close()
            raise
        self._versions = Versions(self._index, self._buckets, self._bodies)
        self._uploads = Uploads(self._index, self._buckets, self._bodies, self._versions)
        self._listing = Listing(self._index, self._buckets)
        self._lifecycle = Lifecycle(self._index, self._buckets)

    def trim(self) -> None:
        """Give back the memory of pages of the index that have been read."""
        self._index.trim()

    def close(self) -> None:
        """Close the files; nothing is lost."""
        self._index.close()

    # --- buckets

    def create_bucket(
        self, name: str, region: str, now: datetime, settings: Mapping[str, Any] | None = None
    ) -> Bucket:
        """Return the new bucket, with its settings from the start. Raises BucketAlreadyExists."""
        return self._buckets.create(name, region, now, settings or {})

    def bucket(self, name: str) -> Bucket:
        """Return the bucket."""
        return self._buckets.known(name).bucket

    def buckets(self) -> list[Bucket]:
        """Return all buckets in order of their names."""
        return self._buckets.all()

    def delete_bucket(self, name: str) -> None:
        """Delete an empty bucket; its uploads are aborted. Raises BucketNotEmpty."""
        with self._index as execute:
            known = self._buckets.known(name)
            self._buckets.delete(execute, known)
            self._uploads.abort_all(execute, known)

    def configure(self, name: str, setting: str, document: object | None) -> Bucket:
        """Set a setting of the bucket to a JSON document, or remove it with None. Return the bucket."""
        return self._buckets.configure(name, setting, document)

    def set_versioning(self, name: str, status: str) -> Bucket:
        """Set "Enabled" or "Suspended". Return the bucket."""
        return self._buckets.set_versioning(name, status)

    # --- bodies

    def receive(self) -> Receiver:
        """Return a context manager that takes a body.

        ``write(data)`` it in pieces, ``finish()`` it, and store its Body within the block: a body that is
        not stored when the block ends is deleted.
        """
        return Receiver(self._bodies, self._index.number)

    @contextmanager
    def copy_segments(
        self, version: ObjectVersion, start: int = 0, end: int | None = None
    ) -> Iterator[list[Body]]:
        """Return a context manager with bodies for the bytes ``start`` to ``end`` (exclusive) of a version.

        Store them within the block. Whole bodies are shared, so copying an object copies no bytes; at the
        edges of a range bytes are copied. Raises NoSuchVersion if the version is gone.
        """
        with self.open(version, start, end) as content:
            segments: list[Body] = []
            try:
                if content.data:
                    segments.append(Body(0, len(content.data), content.data))
                for (identifier, size), offset, length in content.pieces():
                    if length == size:
                        segments.append(Body(identifier, size, None, shared=True))
                    else:
                        segments.append(self._bodies.copy(identifier, offset, length))
                yield segments
            finally:
                for body in segments:
                    self._bodies.discard(body)

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
        return self._versions.put(
            bucket, key, segments, etag, attributes, now=now, parts=parts, unless=unless
        )

    def latest(self, bucket: str, key: str) -> ObjectVersion:
        """Return the newest version, which can be a delete marker. Raises NoSuchKey."""
        return self._versions.latest(bucket, key)

    def version(self, bucket: str, key: str, version_id: str) -> ObjectVersion:
        """Return a version or delete marker. Raises NoSuchVersion, InvalidVersionId."""
        return self._versions.version(bucket, key, version_id)

    def get(self, bucket: str, key: str, version_id: str | None = None) -> Content:
        """Return the newest version or the given one with its bytes, in one look: the cheapest way to read.

        ``content.version`` can be a delete marker, which has no bytes. Close the content: until then its
        bytes stay, whatever is written or deleted. Raises NoSuchKey, NoSuchVersion, InvalidVersionId.
        """
        return self._versions.get(bucket, key, version_id)

    def open(self, version: ObjectVersion, start: int = 0, end: int | None = None) -> Content:
        """Return the bytes ``start`` to ``end`` (exclusive) of a version. Raises NoSuchVersion."""
        content = self._versions.open(version)
        if start or end is not None:
            content.narrow(start, version.size if end is None else end)
        return content

    def delete(self, bucket: str, key: str, now: datetime, *, unless: Unless | None = None) -> Deleted:
        """Delete as the bucket's versioning says: the object, or by a delete marker.

        "Deleting object versions from a versioning-enabled bucket" and "… versioning-suspended buckets",
        S3 User Guide. It is no error if there is nothing to delete.
        """
        return self._versions.delete(bucket, key, now=now, unless=unless)

    def delete_version(
        self, bucket: str, key: str, version_id: str, *, unless: Unless | None = None
    ) -> Deleted:
        """Remove a version or delete marker for good; the one before becomes the latest.

        ``unless`` gets the version (None if it is absent or a marker). It is no error if there is none.
        Raises InvalidVersionId.
        """
        return self._versions.delete_version(bucket, key, version_id, unless)

    def delete_many(
        self, bucket: str, objects: Iterable[tuple[str, str | None]], now: datetime
    ) -> list[Deleted]:
        """Delete keys, or versions of keys, in one transaction. Raises InvalidVersionId."""
        return self._versions.delete_many(bucket, objects, now)

    def set_tags(
        self, bucket: str, key: str, version_id: str | None, tags: Mapping[str, str]
    ) -> ObjectVersion:
        """Replace the tags of a version, or of the newest one. A delete marker is returned unchanged.

        Raises NoSuchKey, NoSuchVersion, InvalidVersionId.
        """
        return self._versions.set_tags(bucket, key, version_id, tags)

    # --- lists

    def list_objects(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Page:
        """Return the current versions and common prefixes after a key or common prefix.

        ``limit`` bounds keys and common prefixes together. The cost is that of the page, not of the keys
        under its common prefixes.
        """
        return self._listing.objects(bucket, prefix, delimiter, after, limit)

    def list_versions(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, version_id_marker: str, *, limit: int
    ) -> Page:
        """Return versions and markers after a key, or after a version of it. Raises InvalidVersionId."""
        return self._listing.versions(bucket, prefix, delimiter, key_marker, version_id_marker, limit=limit)

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
        return self._uploads.create(bucket, key, attributes, now, said or {})

    def upload(self, bucket: str, key: str, upload_id: str) -> Upload:
        """Return an upload in progress. Raises NoSuchUpload."""
        return self._uploads.upload(bucket, key, upload_id)

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
        return self._uploads.put_part(upload, number, segments, etag, checksums, now=now)

    def parts(self, upload: Upload, after: int = 0, limit: int = 1000) -> PartsPage:
        """Return the parts after a number. Raises NoSuchUpload."""
        return self._uploads.parts(upload, after, limit)

    def chosen(self, upload: Upload, wanted: Sequence[tuple[int, str]]) -> list[Part]:
        """Return the parts that a client lists, by number and ETag, to complete an upload.

        Raises NoSuchUpload, InvalidPartOrder, InvalidPart, EntityTooSmall.
        """
        return self._uploads.chosen(upload, wanted)

    def uploads(
        self, bucket: str, prefix: str, delimiter: str, key_marker: str, id_marker: str, *, limit: int
    ) -> UploadsPage:
        """Return the uploads in progress after a key, or after an upload of it (ListMultipartUploads)."""
        return self._listing.uploads(bucket, prefix, delimiter, key_marker, id_marker, limit=limit)

    def complete(
        self,
        upload: Upload,
        wanted: Sequence[tuple[int, str]],
        etag: str,
        attributes: Attributes,
        now: datetime,
        *,
        unless: Unless | None = None,
        part_checksums: bool = True,
    ) -> ObjectVersion:
        """Make a version of the parts; no bytes are copied, and parts that are not wanted are deleted.

        ``part_checksums`` says whether the version keeps those of its parts; ``etag`` and ``attributes`` come
        of the parts that ``chosen`` returned. Raises what that raises.
        """
        return self._uploads.complete(
            upload, wanted, etag, attributes, now=now, unless=unless, part_checksums=part_checksums
        )

    def abort(self, upload: Upload) -> None:
        """End an upload and delete its parts. Raises NoSuchUpload."""
        self._uploads.abort(upload)

    # --- lifecycle: small pages in order of keys, so that a rule costs others nothing

    def expired(
        self, bucket: str, prefix: str, older_than: datetime, after: tuple[str, int] | None, limit: int
    ) -> Candidates:
        """Return current versions written before a time; ``limit`` bounds the rows that are read."""
        return self._lifecycle.expired(bucket, prefix, older_than, after, limit)

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
        return self._lifecycle.noncurrent(bucket, prefix, older_than, keep=keep, after=after, limit=limit)

    def lone_markers(self, bucket: str, prefix: str, after: tuple[str, int] | None, limit: int) -> Candidates:
        """Return delete markers that are all that is left of their key (ExpiredObjectDeleteMarker)."""
        return self._lifecycle.lone_markers(bucket, prefix, after, limit)

    def stale_uploads(self, bucket: str, prefix: str, older_than: datetime, limit: int) -> list[Upload]:
        """Return uploads that were begun before a time, the oldest first."""
        return self._lifecycle.stale_uploads(bucket, prefix, older_than, limit)
