"""Objects: put, get, head, delete; the operations that most requests are.

Contract: Amazon S3 API Reference, PutObject, GetObject, HeadObject, DeleteObject and DeleteObjects.

Differs from AWS (GetObject, DeleteObject, DeleteObjects): a version id that has the form of one, but was
never given to a version, is that of a version that is gone; AWS recognizes its own, and answers
`InvalidArgument` (DeleteObjects: `NoSuchVersion` for the key). Source: recorded on AWS, LocalStack's
test_delete_object.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from local_account.services.s3 import attributes, documents, needs
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import (
    Facilities,
    check_key,
    expiration_header,
    http_date,
    quoted,
    written_header,
)
from local_account.services.s3.refusals import refusal
from local_account.services.s3.storage import Attributes, StorageError, is_version_id
from local_account.services.s3.wire import checksums, chunked, conditions, ranges

if TYPE_CHECKING:
    from collections.abc import Callable

    from local_account.services.s3.storage import Body, Bucket, Content, Deleted, ObjectVersion, Part

T = TypeVar("T")
LARGEST_PUT = 5 * 1024**3
"""Bytes of one PUT, of one part, and of one copy ("Amazon S3 multipart upload limits")."""
PIECE = 256 * 1024
MOST_DELETED = 1000
_OF_DIRECTORIES = {"Size", "LastModifiedTime"}
"""Conditions of DeleteObjects for directory buckets only: to others, elements that their schema lacks."""


class Objects:
    """Operations on objects as a whole."""

    def __init__(self, facilities: Facilities) -> None:
        self._with = facilities
        self._storage = facilities.storage

    def put_object(self, call: Call) -> Reply:
        """PutObject."""
        bucket = self._storage.bucket(call.bucket)
        check_key(call.key)
        said = attributes.of_request(call.headers, bucket)
        if call.headers.get("if-match") or call.headers.get("if-none-match"):
            condition = written_if(call)
        else:
            condition = None

        def store(body: Body, digest: checksums.Digest) -> ObjectVersion:
            stored = Attributes(said.headers, said.user, said.tags, digest.checksums, checksums.FULL_OBJECT)
            return self._storage.put(
                call.bucket,
                call.key,
                [body],
                digest.etag,
                stored,
                now=self._with.now(),
                unless=condition,
            )

        version = self.receive(call, store)
        self._with.events.created(call, bucket, version, "PutObject")
        headers = {
            "ETag": quoted(version.etag),
            **attributes.checksums(version.attributes.checksums, version.attributes.checksum_type),
            **attributes.ENCRYPTION,
            **written_header(version, bucket.versioning),
            **expiration_header(bucket, version),
        }
        return Reply(200, headers)

    def receive(
        self,
        call: Call,
        store: Callable[[Body, checksums.Digest], T],
        *,
        default: str = "CRC64NVME",
        also: str = "",
    ) -> T:
        """Take the body of an upload, verify it, and return what ``store`` makes of it. Raises S3Error.

        ``default`` and ``also`` are those of `checksums.Verifier`.
        """
        if "transfer-encoding" in call.headers and "x-amz-decoded-content-length" not in call.headers:
            raise S3Error("NotImplemented", Header="Transfer-Encoding")
        body = chunked.body_of(call.stream, call.headers, call.signature)
        if body.length is None:
            raise S3Error("MissingContentLength")
        if body.length > LARGEST_PUT:
            raise S3Error("EntityTooLarge", ProposedSize=str(body.length), MaxSizeAllowed=str(LARGEST_PUT))
        verifier = checksums.Verifier(call.headers, default=default, also=also)
        with self._storage.receive() as receiver:
            while piece := body.read(PIECE):
                verifier.update(piece)
                receiver.write(piece)
            digest = verifier.finish(body.trailers)
            return store(receiver.finish(), digest)

    def get_object(self, call: Call) -> Reply:
        """GetObject."""
        bucket = self._storage.bucket(call.bucket)
        content = self._open(call, bucket)
        try:
            reply, span = self._described(call, bucket, content.version)
            if span is not None:
                content.narrow(span.start, span.end)
        except BaseException:
            content.close()
            raise
        if content.data is None:
            reply.body = content
        else:
            reply.body = content.data
            content.close()
        return reply

    def head_object(self, call: Call) -> Reply:
        """HeadObject."""
        bucket = self._storage.bucket(call.bucket)
        return self._described(call, bucket, self.version(call, bucket))[0]

    def _open(self, call: Call, bucket: Bucket) -> Content:
        try:
            content = self._storage.get(call.bucket, call.key, call.version_id)
        except StorageError as error:
            raise self._hidden(call, bucket, error) from error
        if content.version.is_delete_marker:
            version = content.version
            content.close()
            raise self._marker(call, bucket, version)
        return content

    def version(self, call: Call, bucket: Bucket) -> ObjectVersion:
        """Return the version that a request names or the newest one; never a marker. Raises S3Error."""
        version = self.version_or_marker(call, bucket)
        if version.is_delete_marker:
            raise self._marker(call, bucket, version)
        return version

    def version_or_marker(self, call: Call, bucket: Bucket) -> ObjectVersion:
        """Return the version or marker that a request names or the newest one. Raises S3Error."""
        version_id = call.version_id
        try:
            if version_id is None:
                return self._storage.latest(call.bucket, call.key)
            return self._storage.version(call.bucket, call.key, version_id)
        except StorageError as error:
            raise self._hidden(call, bucket, error) from error

    def _hidden(self, call: Call, bucket: Bucket, error: StorageError) -> S3Error:
        found = refusal(error, call)
        if found.code == "NoSuchKey" and not self._with.gate.may_list(call, bucket):
            return S3Error("AccessDenied")
        return found

    def _marker(self, call: Call, bucket: Bucket, marker: ObjectVersion) -> S3Error:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": marker.version_id}
        if call.version_id is not None:
            headers |= {"Last-Modified": http_date(marker.modified), "Allow": "DELETE"}
            method = "GET" if call.operation == "GetObject" else "HEAD"
            error = S3Error("MethodNotAllowed", Method=method, ResourceType="DeleteMarker")
        elif self._with.gate.may_list(call, bucket):
            error = S3Error("NoSuchKey", Key=call.key)
        else:
            error = S3Error("AccessDenied")
        error.headers = headers
        return error

    def _described(
        self, call: Call, bucket: Bucket, version: ObjectVersion
    ) -> tuple[Reply, ranges.Span | None]:
        """Return the answer without a body, and the span of the object that the request asks for."""
        headers = call.headers
        if conditions.has_conditions(headers):
            try:
                conditions.check_read(headers, version.etag, version.modified, self._with.now())
            except S3Error as error:
                if error.status == 304:
                    error.headers = {
                        "ETag": quoted(version.etag),
                        "Last-Modified": http_date(version.modified),
                        **written_header(version, bucket.versioning),
                    }
                raise
        said = attributes.of_version(version)
        if call.query:
            attributes.override(said, call.query, anonymous=call.anonymous)
        said["Last-Modified"] = http_date(version.modified)
        said["ETag"] = quoted(version.etag)
        said["Accept-Ranges"] = "bytes"
        if bucket.versioning:
            said["x-amz-version-id"] = version.version_id
        said.update(expiration_header(bucket, version))
        span = self._span(call, version)
        part = _part(call, version)
        if headers.get("x-amz-checksum-mode", "").upper() == "ENABLED":
            known = version.attributes
            if part is not None:
                said.update(attributes.checksums(part.checksums, known.checksum_type))
            elif span is None or span.length == version.size:
                said.update(attributes.checksums(known.checksums, known.checksum_type))
        if span is None:
            said["Content-Length"] = str(version.size)
            return Reply(200, said), None
        said["Content-Length"] = str(span.length)
        said["Content-Range"] = span.content_range
        if part is not None:
            said["x-amz-mp-parts-count"] = str(len(version.parts))
        return Reply(206, said), span

    def _span(self, call: Call, version: ObjectVersion) -> ranges.Span | None:
        header = call.headers.get("range")
        number = call.query.get("partNumber")
        if number is not None:
            if header:
                raise S3Error(
                    "InvalidRequest", "Cannot specify both Range header and partNumber query parameter"
                )
            return _part_span(number, version)
        if not header or call.headers.get("if-range", quoted(version.etag)) != quoted(version.etag):
            return None
        return ranges.requested(header, version.size)

    def delete_object(self, call: Call) -> Reply:
        """DeleteObject."""
        bucket = self._storage.bucket(call.bucket)
        _check_governance(call)
        version_id = call.version_id
        conditions.check_delete_headers(call.headers, versioned=version_id is not None)
        if version_id is None:
            condition = deleted_if(call.headers, call.key) if "if-match" in call.headers else None
            deleted = self._storage.delete(call.bucket, call.key, self._with.now(), unless=condition)
        else:
            deleted = self._storage.delete_version(call.bucket, call.key, version_id)
        self._with.events.deleted(call, bucket, call.key, version_id, deleted)
        headers = {}
        if bucket.versioning and deleted.version_id:
            headers["x-amz-version-id"] = deleted.version_id
        if deleted.is_delete_marker:
            headers["x-amz-delete-marker"] = "true"
        return Reply(204, headers)

    def delete_objects(self, call: Call) -> Reply:
        """DeleteObjects."""
        bucket = self._storage.bucket(call.bucket)
        if not any(name == "content-md5" or name.startswith("x-amz-checksum-") for name in call.headers) and (
            "x-amz-trailer" not in call.headers
        ):
            raise S3Error(
                "InvalidRequest", "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
            )
        _check_governance(call)
        asked = documents.read("DeleteObjects", call.document())
        listed = asked["Objects"]
        if not 1 <= len(listed) <= MOST_DELETED or any(_OF_DIRECTORIES & one.keys() for one in listed):
            raise S3Error("MalformedXML")
        done: list[dict[str, Any]] = []
        failed: list[dict[str, Any]] = []
        plain: list[tuple[str, str | None]] = []
        for one in listed:
            try:
                check_key(one["Key"])
                _check_version(one)
                if call.caller or call.anonymous or bucket.settings.get("policy"):
                    for need in needs.deletion(call, one["Key"], one.get("VersionId"), one.get("ETag")):
                        self._with.gate.require(call, bucket, need)
                if "ETag" in one:
                    done.append(self._delete_if(call, bucket, one))
                else:
                    plain.append((one["Key"], one.get("VersionId")))
            except (S3Error, StorageError) as error:
                failed.append(_failed(one, refusal(error, call)))
        done += self._delete_all(call, bucket, plain)
        shown: dict[str, Any] = {"Errors": failed}
        if not asked.get("Quiet"):
            shown["Deleted"] = done
        return xml(documents.answer("DeleteObjects", shown))

    def _delete_all(
        self, call: Call, bucket: Bucket, asked: list[tuple[str, str | None]]
    ) -> list[dict[str, Any]]:
        """Delete in one transaction."""
        results = self._storage.delete_many(call.bucket, asked, self._with.now())
        done = []
        for (key, version_id), deleted in zip(asked, results, strict=True):
            self._with.events.deleted(call, bucket, key, version_id, deleted)
            done.append(_done(key, version_id, deleted))
        return done

    def _delete_if(self, call: Call, bucket: Bucket, one: Mapping[str, Any]) -> dict[str, Any]:
        key, expected = one["Key"], {"if-match": one["ETag"]}
        conditions.check_delete_headers(expected, versioned="VersionId" in one)
        condition = deleted_if(expected, key)
        deleted = self._storage.delete(call.bucket, key, self._with.now(), unless=condition)
        self._with.events.deleted(call, bucket, key, None, deleted)
        return _done(key, None, deleted)


def written_if(call: Call) -> Callable[[ObjectVersion | None], None]:
    """Return the check of a write's conditions against what is there, made in the write's transaction."""

    def condition(current: ObjectVersion | None) -> None:
        conditions.check_write(call.headers, call.key, current.etag if current else None)

    return condition


def deleted_if(headers: Mapping[str, str], key: str) -> Callable[[ObjectVersion | None], None]:
    """Return the check of If-Match against what is there, made in the deletion's transaction."""

    def condition(current: ObjectVersion | None) -> None:
        conditions.check_delete(headers, key, current.etag if current else None)

    return condition


def _part_span(number: str, version: ObjectVersion) -> ranges.Span | None:
    if not number.isdecimal() or not 1 <= int(number) <= 10_000:
        raise S3Error(
            "InvalidArgument",
            "Part number must be an integer between 1 and 10000, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=number,
        )
    index = int(number) - 1
    if index >= max(1, len(version.parts)):
        raise S3Error(
            "InvalidPartNumber", PartNumberRequested=number, ActualPartCount=str(max(1, len(version.parts)))
        )
    if not version.parts:
        return ranges.Span(0, version.size, version.size) if version.size else None
    start = sum(part.size for part in version.parts[:index])
    return ranges.Span(start, start + version.parts[index].size, version.size)


def _part(call: Call, version: ObjectVersion) -> Part | None:
    """Return the part that a request asks for, once its number has been checked; None for none."""
    number = call.query.get("partNumber")
    return version.parts[int(number) - 1] if number is not None and version.parts else None


def _check_governance(call: Call) -> None:
    """Refuse to go around a retention that no bucket here can have."""
    name = "x-amz-bypass-governance-retention"
    if name in call.headers:
        raise S3Error(
            "InvalidArgument", f"{name} is only applicable to Object Lock enabled buckets.", ArgumentName=name
        )


def _check_version(one: Mapping[str, Any]) -> None:
    """Refuse a version that none can have: that key fails, the others are deleted."""
    if "VersionId" in one and not is_version_id(one["VersionId"]):
        raise S3Error("NoSuchVersion")


def _done(key: str, version_id: str | None, deleted: Deleted) -> dict[str, Any]:
    shown: dict[str, Any] = {"Key": key}
    if version_id is not None:
        shown["VersionId"] = version_id
    if deleted.is_delete_marker:
        shown |= {"DeleteMarker": True, "DeleteMarkerVersionId": deleted.version_id}
    return shown


def _failed(one: Mapping[str, Any], error: S3Error) -> dict[str, Any]:
    return {
        "Key": one["Key"],
        "VersionId": one.get("VersionId"),
        "Code": error.code,
        "Message": error.message,
    }
