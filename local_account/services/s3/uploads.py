"""Uploads in parts: begin, send parts, list them, complete, abort.

Contract: Amazon S3 User Guide, "Uploading and copying objects using multipart upload" and "Amazon S3
multipart upload limits"; Amazon S3 API Reference, the operations named below.

Differs from AWS (CompleteMultipartUpload): with `If-None-Match`, an object that was deleted since the upload
began is no conflict; AWS answers `ConditionalRequestConflict`, and the upload has to begin again. Source:
recorded on AWS, LocalStack's test_multipart_if_none_match_with_delete.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local_account.services.s3 import attributes, documents
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import (
    Facilities,
    check_key,
    expiration_header,
    quoted,
    written_header,
)
from local_account.services.s3.storage import Attributes, NoSuchKey, NoSuchUpload
from local_account.services.s3.wire import checksums, conditions

if TYPE_CHECKING:
    from local_account.services.s3.objects import Objects
    from local_account.services.s3.storage import Body, Bucket, ObjectVersion, Part, Upload

MOST_PARTS = 10_000
PAGE = 1000
MOST_COMPLETIONS = 10_000
"""Uploads whose completion can be asked for again."""
DEFAULT_ALGORITHM = "CRC64NVME"


class Uploads:
    """Operations on uploads in parts."""

    def __init__(self, facilities: Facilities, objects: Objects) -> None:
        self._with = facilities
        self._storage = facilities.storage
        self._objects = objects
        self._completions: dict[str, int] = {}
        """Sequences of the versions that the latest uploads became, by upload id."""

    def create_multipart_upload(self, call: Call) -> Reply:
        """CreateMultipartUpload."""
        bucket = self._storage.bucket(call.bucket)
        check_key(call.key)
        said = attributes.of_request(call.headers, bucket)
        asked, kind = (
            call.headers.get("x-amz-checksum-algorithm"),
            call.headers.get("x-amz-checksum-type", ""),
        )
        if kind and not asked:
            raise S3Error(
                "InvalidRequest",
                "The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.",
            )
        algorithm = checksums.algorithm_of(asked) if asked else ""
        kind = checksums.checksum_type(algorithm or DEFAULT_ALGORITHM, kind)
        upload = self._storage.create_upload(
            call.bucket, call.key, said, self._with.now(), {"algorithm": algorithm, "type": kind}
        )
        headers = dict(attributes.ENCRYPTION)
        if algorithm:
            headers |= {"x-amz-checksum-algorithm": algorithm, "x-amz-checksum-type": kind}
        result = {"Bucket": call.bucket, "Key": call.key, "UploadId": upload.id}
        return xml(documents.answer("CreateMultipartUpload", result), headers)

    def upload_part(self, call: Call) -> Reply:
        """UploadPart."""
        self._storage.bucket(call.bucket)
        number = part_number(call)
        upload = self._storage.upload(call.bucket, call.key, call.query["uploadId"])
        wanted = upload.said.get("algorithm") or ""
        sent: dict[str, str] = {}

        def store(body: Body, digest: checksums.Digest) -> Part:
            given = next((name for name in digest.checksums if name != also), "")
            checksums.check_part(wanted, given)
            if given:
                sent[given] = digest.checksums[given]
            return self._storage.put_part(
                upload, number, [body], digest.etag, digest.checksums, now=self._with.now()
            )

        # An upload without an algorithm gets S3's own, whatever its parts are sent with.
        also = "" if wanted else DEFAULT_ALGORITHM
        part = self._objects.receive(call, store, default="", also=also)
        headers = {"ETag": quoted(part.etag), **attributes.ENCRYPTION}
        return Reply(200, headers | attributes.checksums(sent, ""))

    def complete_multipart_upload(self, call: Call) -> Reply:
        """CompleteMultipartUpload."""
        bucket = self._storage.bucket(call.bucket)
        # A checksum in a header is the object's here, not the body's.
        about_body = {
            name: value for name, value in call.headers.items() if not name.startswith("x-amz-checksum-")
        }
        body = call.document(about_body)
        try:
            upload = self._storage.upload(call.bucket, call.key, call.query["uploadId"])
        except NoSuchUpload:
            if not body.strip() or (done := self._completed(call, _wanted(_listed(body)))) is None:
                raise
            return _completion(call, bucket, done)
        listed = _listed(body)
        wanted = _wanted(listed)
        parts = self._storage.chosen(upload, wanted)
        algorithm, kind = algorithm_of_upload(upload), upload.said["type"]
        _check_parts(upload, listed, parts)
        value = _checksum(algorithm, kind, parts)
        _check_whole(call.headers, algorithm, kind, value, sum(part.size for part in parts))
        said = upload.attributes
        stored = Attributes(said.headers, said.user, said.tags, {algorithm: value}, kind)
        condition = None
        if conditions.has_conditions(call.headers):

            def condition(current: ObjectVersion | None) -> None:
                conditions.check_write(call.headers, call.key, current.etag if current else None)
                changed = current is not None and current.sequence > upload.sequence
                conditions.check_unchanged(call.headers, call.key, changed=changed)

        etag = checksums.multipart_etag([part.etag for part in parts])
        version = self._storage.complete(
            upload,
            wanted,
            etag,
            stored,
            self._with.now(),
            unless=condition,
            part_checksums=bool(upload.said.get("algorithm")),
        )
        self._remember(upload.id, version)
        self._with.events.created(call, bucket, version, "CompleteMultipartUpload")
        return _completion(call, bucket, version)

    def _remember(self, upload_id: str, version: ObjectVersion) -> None:
        if len(self._completions) >= MOST_COMPLETIONS:
            self._completions.clear()
        self._completions[upload_id] = version.sequence

    def _completed(self, call: Call, wanted: Sequence[tuple[int, str]]) -> ObjectVersion | None:
        """Return the object that these parts of this upload became: a client that lost the answer asks again.

        Never that of another upload, which may have been aborted, or have had the same parts.
        """
        sequence = self._completions.get(call.query["uploadId"])
        if sequence is None:
            return None
        try:
            latest = self._storage.latest(call.bucket, call.key)
        except NoSuchKey:
            return None
        parts = [(part.number, part.etag) for part in latest.parts]
        return latest if (latest.sequence, parts) == (sequence, list(wanted)) else None

    def abort_multipart_upload(self, call: Call) -> Reply:
        """AbortMultipartUpload."""
        self._storage.bucket(call.bucket)
        self._storage.abort(self._storage.upload(call.bucket, call.key, call.query["uploadId"]))
        return Reply(204)

    def list_parts(self, call: Call) -> Reply:
        """ListParts."""
        self._storage.bucket(call.bucket)
        upload = self._storage.upload(call.bucket, call.key, call.query["uploadId"])
        limit = call.number("max-parts", PAGE, PAGE)
        after = call.number("part-number-marker", 0, 2_147_483_647)
        page = self._storage.parts(upload, after, limit)
        result: dict[str, Any] = {
            "Bucket": call.bucket,
            "Key": call.key,
            "UploadId": upload.id,
            "PartNumberMarker": after,
            "NextPartNumberMarker": page.parts[-1].number if page.parts else 0,
            "MaxParts": limit,
            "IsTruncated": page.truncated,
            "Parts": [_shown(upload, part) for part in page.parts],
            "Initiator": self._with.owner,
            "Owner": self._with.owner,
            "StorageClass": upload.attributes.headers.get("x-amz-storage-class", "STANDARD"),
        }
        if upload.said.get("algorithm"):
            result |= {"ChecksumAlgorithm": upload.said["algorithm"], "ChecksumType": upload.said["type"]}
        return xml(documents.answer("ListParts", result))


def _listed(body: bytes) -> Sequence[Mapping[str, Any]]:
    """Return the parts that a completion lists. Raises S3Error."""
    if not body.strip():
        raise S3Error("InvalidRequest", "You must specify at least one part")
    listed: Sequence[Mapping[str, Any]] = documents.read("CompleteMultipartUpload", body).get("Parts", [])
    if not 1 <= len(listed) <= MOST_PARTS or any(
        "PartNumber" not in one or "ETag" not in one for one in listed
    ):
        raise S3Error("MalformedXML")
    return listed


def _wanted(listed: Sequence[Mapping[str, Any]]) -> list[tuple[int, str]]:
    return [(one["PartNumber"], one["ETag"].strip('"')) for one in listed]


def _completion(call: Call, bucket: Bucket, version: ObjectVersion) -> Reply:
    host = call.headers.get("host", "s3.amazonaws.com")
    result = {
        "Location": f"http://{host}/{call.bucket}/{quote(call.key)}",
        "Bucket": call.bucket,
        "Key": call.key,
        "ETag": quoted(version.etag),
        "ChecksumType": version.attributes.checksum_type,
        **{f"Checksum{name}": value for name, value in version.attributes.checksums.items()},
    }
    headers = {
        **attributes.ENCRYPTION,
        **written_header(version, bucket.versioning),
        **expiration_header(bucket, version),
    }
    return xml(documents.answer("CompleteMultipartUpload", result), headers)


def algorithm_of_upload(upload: Upload) -> str:
    """Return the checksum algorithm of an upload: what the client chose, or S3's default."""
    return upload.said.get("algorithm") or DEFAULT_ALGORITHM


def part_number(call: Call) -> int:
    """Return the number of the part that a request is about. Raises S3Error InvalidArgument."""
    given = call.query.get("partNumber", "")
    if not given.isascii() or not given.isdecimal() or not 1 <= int(given) <= MOST_PARTS:
        raise S3Error(
            "InvalidArgument",
            f"Part number must be an integer between 1 and {MOST_PARTS}, inclusive",
            ArgumentName="partNumber",
            ArgumentValue=given,
        )
    return int(given)


def _check_parts(upload: Upload, listed: Sequence[Mapping[str, Any]], parts: Sequence[Part]) -> None:
    """Compare the checksums that a completion lists with those of the parts."""
    algorithm = upload.said.get("algorithm") or ""
    composite = upload.said["type"] == checksums.COMPOSITE
    for one, part in zip(listed, parts, strict=True):
        given = {name: one[f"Checksum{name}"] for name in checksums.ALGORITHMS if f"Checksum{name}" in one}
        if algorithm and composite and algorithm not in given:
            raise S3Error(
                "InvalidRequest",
                f"The upload was created using a {algorithm.lower()} checksum. The complete request must "
                f"include the checksum for each part. It was missing for part {part.number} in the request.",
            )
        if any(part.checksums.get(name) != value for name, value in given.items()):
            raise S3Error("InvalidPart", UploadId=upload.id, PartNumber=str(part.number), ETag=part.etag)


def _checksum(algorithm: str, kind: str, parts: Sequence[Part]) -> str:
    if kind == checksums.COMPOSITE:
        return checksums.composite(algorithm, [part.checksums[algorithm] for part in parts])
    return checksums.full_object(algorithm, [(part.checksums[algorithm], part.size) for part in parts])


def _check_whole(headers: Mapping[str, str], algorithm: str, kind: str, value: str, size: int) -> None:
    """Compare what a completion says about the object with what came of the parts."""
    asked = headers.get("x-amz-checksum-type", kind)
    if asked != kind:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {kind} checksum mode. The complete request must use the same "
            "checksum mode.",
        )
    given = headers.get(checksums.header_of(algorithm))
    if given is not None and given not in (value, value.partition("-")[0]):
        raise S3Error("BadDigest", f"The {algorithm.lower()} you specified did not match what we received.")
    total = headers.get("x-amz-mp-object-size")
    if total is not None and total != str(size):
        raise S3Error(
            "InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed."
        )


def _shown(upload: Upload, part: Part) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "PartNumber": part.number,
        "LastModified": part.modified,
        "ETag": quoted(part.etag),
        "Size": part.size,
    }
    if upload.said.get("algorithm"):
        shown |= {f"Checksum{name}": value for name, value in part.checksums.items()}
    return shown
