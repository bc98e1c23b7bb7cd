"""What the storage keeps and answers: buckets, versions, parts, uploads, pages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any

EMPTY: Mapping[str, str] = MappingProxyType({})
NULL_VERSION = "null"
"""The version id of what was written without versioning ("Working with null versions", S3 User Guide)."""
MINIMUM_PART = 5 * 1024 * 1024
"""Bytes of every part but the last ("Amazon S3 multipart upload limits", S3 User Guide)."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket; ``versioning`` is "" until it is set, then "Enabled" or "Suspended".

    ``settings`` are the S3 service's JSON documents by name ("policy", "lifecycle", …).
    """

    name: str
    created: datetime
    region: str
    versioning: str
    settings: Mapping[str, Any]


@dataclass(slots=True)  # not frozen, see ObjectVersion
class Attributes:
    """What the client said about an object, as it came. Do not change it.

    ``headers`` by their names (Content-Type, x-amz-storage-class, …), ``user`` without ``x-amz-meta-``,
    ``checksums`` in base64 by algorithm ("CRC32"; composite ones end in "-<parts>"), ``checksum_type`` is
    "FULL_OBJECT", "COMPOSITE" or "".
    """

    headers: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    user: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    tags: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    checksums: Mapping[str, str] = field(default_factory=lambda: EMPTY)
    checksum_type: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a multipart upload, or of the object that came of it; the size is in bytes."""

    number: int
    size: int
    etag: str
    checksums: Mapping[str, str]
    modified: datetime


@dataclass(slots=True)  # not frozen: a page has a thousand of them, and frozen ones take three times as long
class ObjectVersion:
    """A version of an object, or a delete marker. Do not change it.

    ``etag`` has no quotes. ``parts`` are those of a multipart upload; pages of lists leave them out.
    ``sequence`` grows with every write to the storage. ``noncurrent_since`` is when a newer version came.
    """

    bucket: str
    key: str
    version_id: str
    is_latest: bool
    is_delete_marker: bool
    size: int
    etag: str
    modified: datetime
    attributes: Attributes
    sequence: int
    noncurrent_since: datetime | None = None
    parts: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Deleted:
    """What a deletion did.

    ``version_id`` is that of the marker that was added, or of the version that was removed; None if the
    bucket has no versions. ``removed`` is the version that is gone for good, if there was one.
    """

    version_id: str | None
    is_delete_marker: bool
    removed: ObjectVersion | None = None


@dataclass(slots=True)
class Page:
    """A page of a list, in UTF-8 order of keys; the versions of a key from the newest to the oldest.

    ``last`` is the last key or common prefix of the page ("" if it is empty), and ``last_version_id`` its
    version ("" for a common prefix): the markers of the next page.
    """

    versions: list[ObjectVersion] = field(default_factory=list)
    common_prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""
    last_version_id: str = ""


@dataclass(frozen=True, slots=True)
class Upload:
    """A multipart upload in progress; ``said`` is what else the client said when it began."""

    bucket: str
    key: str
    id: str
    initiated: datetime
    attributes: Attributes
    said: Mapping[str, Any]
    sequence: int


@dataclass(slots=True)
class PartsPage:
    """Parts of an upload in order of their numbers."""

    parts: list[Part]
    truncated: bool


@dataclass(slots=True)
class UploadsPage:
    """Uploads in order of key, then of initiation; ``last`` and ``last_id`` are the next page's markers."""

    uploads: list[Upload] = field(default_factory=list)
    common_prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""
    last_id: str = ""


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a lifecycle rule applies to, of the rows that were read; go on at ``after`` unless it is None."""

    versions: Sequence[ObjectVersion]
    after: tuple[str, int] | None
