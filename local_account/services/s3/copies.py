"""Copies: of objects, and of ranges of objects as parts of uploads.

Contract: Amazon S3 API Reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from local_account.services.s3 import attributes, copy_source, documents
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import (
    Facilities,
    check_key,
    expiration_header,
    quoted,
    version_header,
)
from local_account.services.s3.objects import LARGEST_PUT, written_if
from local_account.services.s3.refusals import refusal
from local_account.services.s3.storage import NULL_VERSION, Attributes, NoSuchVersion, StorageError
from local_account.services.s3.uploads import algorithm_of_upload, part_number
from local_account.services.s3.wire import checksums, conditions, ranges

if TYPE_CHECKING:
    from local_account.services.s3.storage import Bucket, ObjectVersion

_CHANGES = ("x-amz-storage-class", "x-amz-website-redirect-location", "x-amz-server-side-encryption")


class Copies:
    """Operations that read one object and write another."""

    def __init__(self, facilities: Facilities) -> None:
        self._with = facilities
        self._storage = facilities.storage

    def copy_object(self, call: Call) -> Reply:
        """CopyObject."""
        return _as_it_is_now(self._copy, call)

    def upload_part_copy(self, call: Call) -> Reply:
        """UploadPartCopy."""
        return _as_it_is_now(self._copy_part, call)

    def _copy(self, call: Call) -> Reply:
        bucket = self._storage.bucket(call.bucket)
        check_key(call.key)
        source, of_bucket, named = self._source(call)
        if source.size > LARGEST_PUT:
            raise S3Error(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source: "
                f"{LARGEST_PUT}",
            )
        replaced = _directive(call.headers, "x-amz-metadata-directive") == "REPLACE"
        itself = (source.bucket, source.key) == (call.bucket, call.key) and not named
        changed = replaced or any(name in call.headers for name in _CHANGES)
        # A bucket that names its encryption gives the copy these attributes.
        if itself and not changed and "encryption" not in bucket.settings:
            raise S3Error(
                "InvalidRequest",
                "This copy request is illegal because it is trying to copy an object to itself without "
                "changing the object's metadata, storage class, website redirect location or encryption "
                "attributes.",
            )
        said = attributes.of_request(call.headers, bucket)
        if not replaced:
            kept = {
                name: value
                for name, value in source.attributes.headers.items()
                if not name.startswith("x-amz-")
            }
            own = {name: value for name, value in said.headers.items() if name.startswith("x-amz-")}
            said = replace(said, headers=kept | own, user=source.attributes.user)
        if _directive(call.headers, "x-amz-tagging-directive") == "COPY":
            said = replace(said, tags=source.attributes.tags)
        digest = self._digest(call, source)
        stored = Attributes(said.headers, said.user, said.tags, digest.checksums, checksums.FULL_OBJECT)
        condition = written_if(call) if conditions.has_conditions(call.headers) else None
        with self._storage.copy_segments(source) as bodies:
            version = self._storage.put(
                call.bucket,
                call.key,
                bodies,
                digest.etag,
                stored,
                now=self._with.now(),
                unless=condition,
            )
        self._with.events.created(call, bucket, version, "CopyObject")
        result = {
            "ETag": quoted(version.etag),
            "LastModified": version.modified,
            "ChecksumType": checksums.FULL_OBJECT,
            **{f"Checksum{name}": value for name, value in digest.checksums.items()},
        }
        headers = {
            **attributes.ENCRYPTION,
            **version_header(version, bucket.versioning),
            **expiration_header(bucket, version),
            **_source_header(source, of_bucket),
        }
        return xml(documents.answer("CopyObject", {"CopyObjectResult": result}), headers)

    def _copy_part(self, call: Call) -> Reply:
        self._storage.bucket(call.bucket)
        number = part_number(call)
        upload = self._storage.upload(call.bucket, call.key, call.query["uploadId"])
        source, of_bucket, _ = self._source(call)
        span = ranges.Span(0, source.size, source.size)
        if given := call.headers.get("x-amz-copy-source-range"):
            span = ranges.copied(given, source.size)
        if span.length > LARGEST_PUT:
            raise S3Error(
                "InvalidRequest",
                "The specified copy source is larger than the maximum allowable size for a copy source: "
                f"{LARGEST_PUT}",
            )
        algorithm = algorithm_of_upload(upload)
        verifier = checksums.Verifier({}, default=algorithm)
        with self._storage.open(source, span.start, span.end) as content:
            for piece in content if content.data is None else [content.data]:
                verifier.update(piece)
        digest = verifier.finish()
        with self._storage.copy_segments(source, span.start, span.end) as bodies:
            part = self._storage.put_part(
                upload, number, bodies, digest.etag, digest.checksums, now=self._with.now()
            )
        result = {"ETag": quoted(part.etag), "LastModified": part.modified}
        if upload.said.get("algorithm"):
            result |= {f"Checksum{name}": value for name, value in part.checksums.items()}
        headers = {**attributes.ENCRYPTION, **_source_header(source, of_bucket)}
        return xml(documents.answer("UploadPartCopy", {"CopyPartResult": result}), headers)

    def _source(self, call: Call) -> tuple[ObjectVersion, Bucket, bool]:
        """Return the version to copy, its bucket, and whether the request names the version."""
        given = call.headers["x-amz-copy-source"]
        named = copy_source.of_header(given)
        name, key, version_id = named.bucket, named.key, named.version_id
        if name.startswith("arn:"):
            raise S3Error("NotImplemented", "Access points are not supported by the local account")
        if not name or not key:
            raise S3Error(
                "InvalidArgument",
                "Invalid copy source object key",
                ArgumentName="x-amz-copy-source",
                ArgumentValue=given,
            )
        owner = call.headers.get("x-amz-source-expected-bucket-owner")
        if owner and owner != self._with.account_id:
            raise S3Error("AccessDenied")
        of_source = replace(call, bucket=name, key=key, query={"versionId": version_id} if version_id else {})
        try:
            bucket = self._storage.bucket(name)
            version = (
                self._storage.version(name, key, version_id)
                if version_id
                else self._storage.latest(name, key)
            )
        except StorageError as error:
            raise refusal(error, of_source) from error
        if version.is_delete_marker:
            if version_id:
                raise S3Error(
                    "InvalidRequest",
                    "The source of a copy request may not specifically refer to a delete marker by version "
                    "id.",
                )
            raise S3Error("NoSuchKey", Key=key)
        conditions.check_copy_source(call.headers, version.etag, version.modified, self._with.now())
        return version, bucket, bool(version_id)

    def _digest(self, call: Call, source: ObjectVersion) -> checksums.Digest:
        """Return ETag and checksum of the copy. An upload in parts is copied as one, with another ETag."""
        asked = call.headers.get("x-amz-checksum-algorithm")
        known = source.attributes
        algorithm = checksums.algorithm_of(asked) if asked else next(iter(known.checksums), "CRC64NVME")
        whole = known.checksum_type == checksums.FULL_OBJECT and algorithm in known.checksums
        if whole and "-" not in source.etag:
            return checksums.Digest(source.size, source.etag, {algorithm: known.checksums[algorithm]})
        verifier = checksums.Verifier({}, default=algorithm)
        with self._storage.open(source) as content:
            for piece in content if content.data is None else [content.data]:
                verifier.update(piece)
        return verifier.finish()


def _as_it_is_now(copy: Callable[[Call], Reply], call: Call) -> Reply:
    """Copy; once more if the newest version of the source was found, and is gone before it is read."""
    while True:
        try:
            return copy(call)
        except NoSuchVersion:
            if copy_source.of_header(call.headers["x-amz-copy-source"]).version_id:
                raise


def _directive(headers: Mapping[str, str], name: str) -> str:
    given = headers.get(name, "COPY")
    if given not in ("COPY", "REPLACE"):
        kind = "metadata" if "metadata" in name else "tagging"
        raise S3Error("InvalidArgument", f"Unknown {kind} directive.", ArgumentName=name, ArgumentValue=given)
    return given


def _source_header(source: ObjectVersion, bucket: Bucket) -> dict[str, str]:
    named = bucket.versioning and source.version_id != NULL_VERSION
    return {"x-amz-copy-source-version-id": source.version_id} if named else {}
