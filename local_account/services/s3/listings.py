"""Lists: objects (both versions of the operation), versions, and uploads in progress.

Contract: Amazon S3 API Reference, ListObjects, ListObjectsV2, ListObjectVersions and ListMultipartUploads.
Their documents are written here, not by the model: a page has a thousand entries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from urllib.parse import quote

from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.documents import NAMESPACE, escape, iso
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import Facilities
from local_account.services.s3.tokens import text_of, token_of

if TYPE_CHECKING:
    from local_account.services.s3.storage import ObjectVersion, Upload

PAGE = 1000
_MARK = "1"
"""Begins what the tokens of ListObjectsV2 stand for."""
_HEAD = f'<?xml version="1.0" encoding="UTF-8"?>\n<{{}} xmlns="{NAMESPACE}">'
Encode = Callable[[str], str]


class Listings:
    """Operations that list what a bucket holds."""

    def __init__(self, facilities: Facilities) -> None:
        self._with = facilities
        self._storage = facilities.storage

    def list_objects_v2(self, call: Call) -> Reply:
        """ListObjectsV2."""
        self._storage.bucket(call.bucket)
        query, encode = call.query, _encoding(call)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        limit = call.number("max-keys", PAGE, PAGE)
        token, after = query.get("continuation-token"), query.get("start-after", "")
        start = after if token is None else text_of(token, _MARK)
        page = self._storage.list_objects(call.bucket, prefix, delimiter, start, limit)
        parts = [
            _HEAD.format("ListBucketResult"),
            _element("Name", call.bucket),
            _element("Prefix", encode(prefix)),
        ]
        if token is not None:
            parts.append(_element("ContinuationToken", token))
        if page.truncated:
            parts.append(_element("NextContinuationToken", token_of(page.last, _MARK)))
        if "start-after" in query and token is None:  # it says where the first page began
            parts.append(_element("StartAfter", encode(after)))
        parts.append(f"<KeyCount>{len(page.versions) + len(page.common_prefixes)}</KeyCount>")
        parts += _frame(call, encode, limit, truncated=page.truncated)
        owner = self._owner() if query.get("fetch-owner") == "true" else ""
        parts += [_content(one, encode, owner) for one in page.versions]
        parts += _prefixes(page.common_prefixes, encode)
        parts.append("</ListBucketResult>")
        return xml("".join(parts).encode())

    def list_objects(self, call: Call) -> Reply:
        """ListObjects."""
        self._storage.bucket(call.bucket)
        query, encode = call.query, _encoding(call)
        prefix, delimiter, marker = (query.get(name, "") for name in ("prefix", "delimiter", "marker"))
        limit = call.number("max-keys", PAGE, PAGE)
        page = self._storage.list_objects(call.bucket, prefix, delimiter, marker, limit)
        parts = [
            _HEAD.format("ListBucketResult"),
            _element("Name", call.bucket),
            _element("Prefix", encode(prefix)),
            _element("Marker", encode(marker)),
        ]
        if page.truncated and delimiter:  # without a delimiter, the last key is the next marker
            parts.append(_element("NextMarker", encode(page.last)))
        parts += _frame(call, encode, limit, truncated=page.truncated)
        owner = self._owner()
        parts += [_content(one, encode, owner) for one in page.versions]
        parts += _prefixes(page.common_prefixes, encode)
        parts.append("</ListBucketResult>")
        return xml("".join(parts).encode())

    def list_object_versions(self, call: Call) -> Reply:
        """ListObjectVersions."""
        self._storage.bucket(call.bucket)
        query, encode = call.query, _encoding(call)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, version_marker = query.get("key-marker", ""), query.get("version-id-marker", "")
        if "version-id-marker" in query and not key_marker:
            raise S3Error(
                "InvalidArgument",
                "A version-id marker cannot be specified without a key marker.",
                ArgumentName="version-id-marker",
                ArgumentValue=version_marker,
            )
        limit = call.number("max-keys", PAGE, PAGE)
        page = self._storage.list_versions(
            call.bucket, prefix, delimiter, key_marker, version_marker, limit=limit
        )
        parts = [
            _HEAD.format("ListVersionsResult"),
            _element("Name", call.bucket),
            _element("Prefix", encode(prefix)),
            _element("KeyMarker", encode(key_marker)),
            _element("VersionIdMarker", version_marker),
        ]
        if page.truncated:
            parts.append(_element("NextKeyMarker", encode(page.last)))
            if page.last_version_id:
                parts.append(_element("NextVersionIdMarker", page.last_version_id))
        parts += _frame(call, encode, limit, truncated=page.truncated)
        owner = self._owner()
        parts += [_version(one, encode, owner) for one in page.versions]
        parts += _prefixes(page.common_prefixes, encode)
        parts.append("</ListVersionsResult>")
        return xml("".join(parts).encode())

    def list_multipart_uploads(self, call: Call) -> Reply:
        """ListMultipartUploads."""
        self._storage.bucket(call.bucket)
        query, encode = call.query, _encoding(call)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        key_marker, id_marker = query.get("key-marker", ""), query.get("upload-id-marker", "")
        limit = call.number("max-uploads", PAGE, PAGE)
        if not key_marker:
            id_marker = ""  # as S3 ignores it
        page = self._storage.uploads(call.bucket, prefix, delimiter, key_marker, id_marker, limit=limit)
        parts = [
            _HEAD.format("ListMultipartUploadsResult"),
            _element("Bucket", call.bucket),
            _element("KeyMarker", encode(key_marker)),
            _element("UploadIdMarker", id_marker),
            _element("NextKeyMarker", encode(page.last) if page.truncated else ""),
            _element("NextUploadIdMarker", page.last_id if page.truncated else ""),
            _element("Prefix", encode(prefix)),
        ]
        if delimiter:
            parts.append(_element("Delimiter", encode(delimiter)))
        if query.get("encoding-type"):
            parts.append("<EncodingType>url</EncodingType>")
        truncated = "true" if page.truncated else "false"
        parts.append(f"<MaxUploads>{limit}</MaxUploads><IsTruncated>{truncated}</IsTruncated>")
        owner = self._owner()
        parts += [_upload(one, encode, owner) for one in page.uploads]
        parts += _prefixes(page.common_prefixes, encode)
        parts.append("</ListMultipartUploadsResult>")
        return xml("".join(parts).encode())

    def _owner(self) -> str:
        return f"<Owner><ID>{self._with.owner['ID']}</ID></Owner>"


def _encoding(call: Call) -> Encode:
    """Return how keys are written. Raises S3Error InvalidArgument for an unknown encoding."""
    given = call.query.get("encoding-type")
    if given is not None and given != "url":
        raise S3Error(
            "InvalidArgument",
            "Invalid Encoding Method specified in Request",
            ArgumentName="encoding-type",
            ArgumentValue=given,
        )
    return _url if given else escape


def _url(key: str) -> str:
    """Percent-encode a key as S3 does: everything but unreserved characters, ``/`` and ``*``."""
    return key if key.isascii() and key.replace("/", "").isalnum() else quote(key, safe="/*")


def _element(name: str, text: str) -> str:
    return f"<{name}>{text}</{name}>" if text else f"<{name}/>"


def _frame(call: Call, encode: Encode, limit: int, *, truncated: bool) -> Sequence[str]:
    parts = [f"<MaxKeys>{limit}</MaxKeys>"]
    if delimiter := call.query.get("delimiter"):
        parts.append(_element("Delimiter", encode(delimiter)))
    if call.query.get("encoding-type"):
        parts.append("<EncodingType>url</EncodingType>")
    parts.append(f"<IsTruncated>{'true' if truncated else 'false'}</IsTruncated>")
    return parts


def _content(one: ObjectVersion, encode: Encode, owner: str) -> str:
    return f"<Contents>{_described(one, encode)}{owner}</Contents>"


def _described(one: ObjectVersion, encode: Encode) -> str:
    attributes = one.attributes
    algorithms = "".join(f"<ChecksumAlgorithm>{name}</ChecksumAlgorithm>" for name in attributes.checksums)
    if algorithms and attributes.checksum_type:
        algorithms += f"<ChecksumType>{attributes.checksum_type}</ChecksumType>"
    storage_class = attributes.headers.get("x-amz-storage-class", "STANDARD")
    return (
        f"<Key>{encode(one.key)}</Key><LastModified>{iso(one.modified)}</LastModified>"
        f"<ETag>&quot;{one.etag}&quot;</ETag>{algorithms}<Size>{one.size}</Size>"
        f"<StorageClass>{storage_class}</StorageClass>"
    )


def _version(one: ObjectVersion, encode: Encode, owner: str) -> str:
    latest = "true" if one.is_latest else "false"
    known = f"<VersionId>{one.version_id}</VersionId><IsLatest>{latest}</IsLatest>{owner}"
    if one.is_delete_marker:
        return (
            f"<DeleteMarker><Key>{encode(one.key)}</Key>{known}"
            f"<LastModified>{iso(one.modified)}</LastModified></DeleteMarker>"
        )
    return f"<Version>{_described(one, encode)}{known}</Version>"


def _upload(one: Upload, encode: Encode, owner: str) -> str:
    algorithm = one.said.get("algorithm")
    checksum = ""
    if algorithm:
        kind = one.said["type"]
        checksum = f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm><ChecksumType>{kind}</ChecksumType>"
    initiator = owner.replace("Owner>", "Initiator>")
    storage_class = one.attributes.headers.get("x-amz-storage-class", "STANDARD")
    return (
        f"<Upload><Key>{encode(one.key)}</Key><UploadId>{one.id}</UploadId>{initiator}{owner}"
        f"<StorageClass>{storage_class}</StorageClass><Initiated>{iso(one.initiated)}</Initiated>"
        f"{checksum}</Upload>"
    )


def _prefixes(prefixes: Sequence[str], encode: Encode) -> list[str]:
    return [f"<CommonPrefixes><Prefix>{encode(one)}</Prefix></CommonPrefixes>" for one in prefixes]
