"""What is known about objects: tags, attributes, access control lists (of buckets, too).

Contract: Amazon S3 API Reference, the operations named below; Amazon S3 User Guide, "Access control list
(ACL) overview". Every list here says that the owner has full control.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local_account.services.s3 import attributes, documents, tags
from local_account.services.s3.call import Call, Reply, xml
from local_account.services.s3.errors import S3Error
from local_account.services.s3.facilities import Facilities, http_date, version_header

if TYPE_CHECKING:
    from local_account.services.s3.objects import Objects
    from local_account.services.s3.storage import Bucket, ObjectVersion

_PARTS = 1000
_MEMBERS = {"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}


class Details:
    """Operations on what is known about objects."""

    def __init__(self, facilities: Facilities, objects: Objects) -> None:
        self._with = facilities
        self._storage = facilities.storage
        self._objects = objects

    def get_object_tagging(self, call: Call) -> Reply:
        """GetObjectTagging."""
        bucket = self._storage.bucket(call.bucket)
        version = self._tagged(call, bucket)
        document = documents.answer(call.operation, {"TagSet": tags.tag_set(version.attributes.tags)})
        return xml(document, version_header(version, bucket.versioning))

    def put_object_tagging(self, call: Call) -> Reply:
        """PutObjectTagging."""
        given = tags.of_object(documents.read(call.operation, call.document()))
        return self._tag(call, given, 200)

    def delete_object_tagging(self, call: Call) -> Reply:
        """DeleteObjectTagging."""
        return self._tag(call, {}, 204)

    def _tag(self, call: Call, given: dict[str, str], status: int) -> Reply:
        bucket = self._storage.bucket(call.bucket)
        self._tagged(call, bucket)
        version = self._storage.set_tags(call.bucket, call.key, call.version_id, given)
        self._with.events.tagged(call, bucket, version)
        return Reply(status, version_header(version, bucket.versioning))

    def _tagged(self, call: Call, bucket: Bucket) -> ObjectVersion:
        """Return the version that a request is about: a marker has no tags, not even as the newest."""
        version = self._objects.version_or_marker(call, bucket)
        if version.is_delete_marker:
            method = call.operation.partition("Object")[0].upper()
            raise S3Error("MethodNotAllowed", Method=method, ResourceType="DeleteMarker")
        return version

    def get_object_attributes(self, call: Call) -> Reply:
        """GetObjectAttributes."""
        bucket = self._storage.bucket(call.bucket)
        asked = {
            one.strip() for one in call.headers.get("x-amz-object-attributes", "").split(",") if one.strip()
        }
        if not asked or asked - _MEMBERS:
            raise S3Error("InvalidArgument", "Invalid attribute name specified.")
        version = self._objects.version(call, bucket)
        known = version.attributes
        result: dict[str, Any] = {}
        if "ETag" in asked:
            result["ETag"] = version.etag
        if "Checksum" in asked and known.checksums:
            result["Checksum"] = {f"Checksum{name}": value for name, value in known.checksums.items()}
            result["Checksum"]["ChecksumType"] = known.checksum_type
        if "ObjectParts" in asked and version.parts:
            result["ObjectParts"] = _parts(call, version)
        if "StorageClass" in asked:
            result["StorageClass"] = known.headers.get("x-amz-storage-class", "STANDARD")
        if "ObjectSize" in asked:
            result["ObjectSize"] = version.size
        headers = {"Last-Modified": http_date(version.modified), **version_header(version, bucket.versioning)}
        return xml(documents.answer(call.operation, result), headers)

    def get_bucket_acl(self, call: Call) -> Reply:
        """GetBucketAcl."""
        self._storage.bucket(call.bucket)
        return self._acl(call)

    def get_object_acl(self, call: Call) -> Reply:
        """GetObjectAcl."""
        self._objects.version(call, self._storage.bucket(call.bucket))
        return self._acl(call)

    def put_bucket_acl(self, call: Call) -> Reply:
        """PutBucketAcl: of what it could say, only that the owner has full control."""
        self._check_acl(call, self._storage.bucket(call.bucket))
        return Reply(200)

    def put_object_acl(self, call: Call) -> Reply:
        """PutObjectAcl: of what it could say, only that the owner has full control."""
        bucket = self._storage.bucket(call.bucket)
        self._objects.version(call, bucket)
        self._check_acl(call, bucket)
        return Reply(200)

    def _acl(self, call: Call) -> Reply:
        grantee = {"Type": "CanonicalUser", **self._with.owner}
        grants = [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]
        return xml(documents.answer(call.operation, {"Owner": self._with.owner, "Grants": grants}))

    def _check_acl(self, call: Call, bucket: Bucket) -> None:
        for name, value in call.headers.items():
            if name == "x-amz-acl" or name.startswith("x-amz-grant-"):
                attributes.check_acl(name, value, bucket)
                return
        given = documents.read(call.operation, call.document())
        for grant in given.get("Grants", []):
            grantee = grant.get("Grantee", {})
            if grantee.get("ID") != self._with.owner["ID"] or grant.get("Permission") != "FULL_CONTROL":
                who = grantee.get("URI") or grantee.get("ID") or ""
                attributes.check_acl("x-amz-grant", f"{grant.get('Permission')} of {who}", bucket)


def _parts(call: Call, version: ObjectVersion) -> dict[str, Any]:
    limit = _header_number(call, "x-amz-max-parts", _PARTS)
    after = _header_number(call, "x-amz-part-number-marker", 0)
    if not any(part.checksums for part in version.parts):  # only uploads with an algorithm list their parts
        return {"TotalPartsCount": len(version.parts)}
    later = [part for part in version.parts if part.number > after]
    shown = later[: min(limit, _PARTS)]
    return {
        "TotalPartsCount": len(version.parts),
        "PartNumberMarker": after,
        "NextPartNumberMarker": shown[-1].number if shown else 0,
        "MaxParts": min(limit, _PARTS),
        "IsTruncated": len(later) > len(shown),
        "Parts": [
            {
                "PartNumber": part.number,
                "Size": part.size,
                **{f"Checksum{name}": value for name, value in part.checksums.items()},
            }
            for part in shown
        ],
    }


def _header_number(call: Call, name: str, default: int) -> int:
    given = call.headers.get(name, "")
    if not given:
        return default
    if not given.isascii() or not given.isdecimal():
        raise S3Error(
            "InvalidArgument", f"Provided {name} not an integer", ArgumentName=name, ArgumentValue=given
        )
    return int(given)
