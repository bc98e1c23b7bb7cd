"""Records from rows of the index, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from local_account.services.s3.storage.records import EMPTY, Attributes, ObjectVersion, Part, Upload

Row = tuple[Any, ...]

_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

LISTED = (
    "key, version_id, latest, marker, size, etag, modified, headers, user, tags, checksums, checksum_type, "
    "sequence, noncurrent_since"
)
"""Columns of what `listed` reads."""
WHOLE = LISTED + ", parts, body"
"""Columns of what `whole` reads."""
BODY = 15
"""Where a row of WHOLE has its body."""


def microseconds(moment: datetime) -> int:
    """Return the microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND


def moment(value: int) -> datetime:
    """Return the time of `microseconds`."""
    return _EPOCH + timedelta(microseconds=value)


def text(mapping: Mapping[str, Any]) -> str:
    """Return a mapping as the index keeps it."""
    return _encode(dict(mapping)) if mapping else ""


@lru_cache(1024)  # as for `mapping`
def _headers(items: tuple[tuple[str, str], ...]) -> str:
    return text(dict(items))


@lru_cache(4096)  # most objects have the same few headers and no tags
def mapping(kept: str) -> Mapping[str, Any]:
    """Return a mapping that nobody can change from what the index keeps."""
    return MappingProxyType(json.loads(kept)) if kept else EMPTY


def checksums(kept: str) -> Mapping[str, str]:
    """Return checksums from what the index keeps; hardly two are the same, so this is quicker than JSON."""
    return dict([pair.split(":", 1) for pair in kept.split(",")]) if kept else EMPTY


def checksums_text(values: Mapping[str, str]) -> str:
    """Return checksums as the index keeps them."""
    return ",".join(f"{algorithm}:{value}" for algorithm, value in values.items())


def columns(attributes: Attributes) -> tuple[str, str, str, str, str]:
    """Return attributes as headers, user, tags, checksums, checksum_type."""
    return (
        _headers(tuple(attributes.headers.items())),
        text(attributes.user),
        text(attributes.tags),
        checksums_text(attributes.checksums),
        attributes.checksum_type,
    )


def listed(bucket: str, row: Row) -> ObjectVersion:
    """Return the version of a row that begins with LISTED, without its parts."""
    since = row[13]
    return ObjectVersion(
        bucket,
        row[0],
        row[1],
        row[2] == 1,
        row[3] == 1,
        row[4],
        row[5],
        _EPOCH + timedelta(microseconds=row[6]),
        Attributes(mapping(row[7]), mapping(row[8]), mapping(row[9]), checksums(row[10]), row[11]),
        row[12],
        None if since is None else moment(since),
    )


def whole(bucket: str, row: Row) -> ObjectVersion:
    """Return the version of a row that begins with WHOLE."""
    version = listed(bucket, row)
    if row[14]:
        version.parts = parts(row[14])
    return version


def parts_text(chosen: Sequence[Part]) -> str:
    """Return parts as a version keeps them."""
    if not chosen:
        return ""
    return json.dumps(
        [[p.number, p.size, p.etag, dict(p.checksums), microseconds(p.modified)] for p in chosen]
    )


def parts(kept: str) -> tuple[Part, ...]:
    """Return the parts that a version keeps."""
    return tuple(Part(n, size, etag, sums, moment(at)) for n, size, etag, sums, at in json.loads(kept))


PART = "number, size, etag, checksums, modified"
"""Columns of what `part` reads."""


def part(row: Row) -> Part:
    """Return the part of an upload from a row that begins with PART."""
    return Part(row[0], row[1], row[2], checksums(row[3]), moment(row[4]))


UPLOAD = "key, id, initiated, headers, user, tags, checksums, checksum_type, said, sequence"
"""Columns of what `upload` reads."""


def upload(bucket: str, row: Row) -> Upload:
    """Return an upload from a row of UPLOAD."""
    attributes = Attributes(mapping(row[3]), mapping(row[4]), mapping(row[5]), checksums(row[6]), row[7])
    return Upload(bucket, row[0], row[1], moment(row[2]), attributes, mapping(row[8]), row[9])
