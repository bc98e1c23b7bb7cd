"""Buckets as trees, and objects: what is known about them, the beginning of a text, and the content to keep.

Nothing that an object contains is ever a page here: what looks like HTML is shown as text, and downloaded as
a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from werkzeug.wrappers import Response

from local_account.console import links, rendering
from local_account.console.texts import SHOWN, text_of
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

_SECTION = "Buckets"
_SHOWN = 200
_CHUNK = 256 * 1024


def listing(visit: Visit) -> Answer:
    """All buckets."""
    client: S3Client = visit.client("s3")
    return Page("buckets.html", _SECTION, _SECTION, {"buckets": client.list_buckets()["Buckets"]})


def folder(visit: Visit, name: str) -> Answer:
    """What a bucket has under a prefix: folders first, then objects."""
    client: S3Client = visit.client("s3")
    prefix, after = visit.argument("prefix"), visit.argument("after")
    more: dict[str, Any] = {"ContinuationToken": after} if after else {}
    found = client.list_objects_v2(Bucket=name, Prefix=prefix, Delimiter="/", MaxKeys=_SHOWN, **more)
    values = {
        "name": name,
        "prefix": prefix,
        "folders": [one["Prefix"] for one in found.get("CommonPrefixes", [])],
        "objects": found.get("Contents", []),
        "next": found.get("NextContinuationToken", ""),
    }
    crumbs = [(_SECTION, links.buckets()), *_above(name, prefix)]
    return Page("bucket.html", f"{name}/{prefix}" if prefix else name, _SECTION, values, crumbs)


def item(visit: Visit, name: str) -> Answer:
    """An object: what is known about it, and the beginning of its text."""
    client: S3Client = visit.client("s3")
    key, version = visit.argument("prefix"), visit.argument("versionId")
    if not key:
        raise NotFoundError("The address names no object: it has no prefix.")
    which: dict[str, Any] = {"Bucket": name, "Key": key, **({"VersionId": version} if version else {})}
    head = client.head_object(**which)
    text = None
    if head["ContentLength"]:
        body = client.get_object(**which, Range=f"bytes=0-{SHOWN - 1}")["Body"]
        with body:
            text = text_of(body.read())
    found = client.list_object_versions(Bucket=name, Prefix=key, MaxKeys=20)
    values = {
        "name": name,
        "key": key,
        "version": version,
        "head": head,
        "text": text,
        "cut": head["ContentLength"] > SHOWN,
        "versions": [one for one in found.get("Versions", []) if one["Key"] == key],
    }
    crumbs = [(_SECTION, links.buckets()), *_above(name, key)]
    return Page("object.html", key, _SECTION, values, crumbs)


def download(visit: Visit, name: str) -> Answer:
    """The content of an object, as a file to keep."""
    client: S3Client = visit.client("s3")
    key, version = visit.argument("prefix"), visit.argument("versionId")
    which: dict[str, Any] = {"VersionId": version} if version else {}
    found = client.get_object(Bucket=name, Key=key, **which)

    def chunks() -> Iterator[bytes]:
        with found["Body"] as body:
            while chunk := body.read(_CHUNK):
                yield chunk

    response = Response(chunks(), content_type="application/octet-stream")
    response.content_length = found["ContentLength"]
    file = quote(key.rpartition("/")[2] or "object", safe="")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{file}"
    rendering.secure(response)
    return response


def _above(name: str, key: str) -> list[tuple[str, str]]:
    """Return the bucket and the folders above a key or prefix, with their addresses."""
    parts = key.rstrip("/").split("/")[:-1]
    folders = [(part, links.bucket(name, "/".join(parts[: at + 1]) + "/")) for at, part in enumerate(parts)]
    return [(name, links.bucket(name)), *folders] if key else []


PAGES: Mapping[str, Render] = {
    "/s3/home": listing,
    "/s3/buckets": listing,
    "/s3/buckets/<name>": folder,
    "/s3/object/<name>": item,
    "/s3/download/<name>": download,
}
