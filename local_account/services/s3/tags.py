"""Tags of buckets and objects: as a header, as a document, and which ones S3 accepts.

Contract: Amazon S3 User Guide, "Categorizing your objects using tags" and "Using cost allocation S3 bucket
tags".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from local_account.services.s3.errors import S3Error

_SYSTEM = "System tags cannot be added/updated by requester"
OBJECT_LIMIT = 10
BUCKET_LIMIT = 50
_ALLOWED = re.compile(r"[\w\s+\-=.:/@]*")


def from_header(header: str) -> dict[str, str]:
    """Return the tags of a header ``x-amz-tagging`` (a query string). Raises S3Error InvalidArgument."""
    try:
        pairs = parse_qsl(header, keep_blank_values=True, errors="strict")
    except ValueError as error:
        raise _unparsed(header) from error
    tags = dict(pairs)
    if len(tags) < len(pairs) or not all(map(_ALLOWED.fullmatch, (*tags, *tags.values()))):
        raise _unparsed(header)
    _check(list(tags.items()), OBJECT_LIMIT, "Object")
    return tags


def of_object(document: Mapping[str, Any]) -> dict[str, str]:
    """Return the tags of a document ``Tagging`` for an object. Raises S3Error InvalidTag, BadRequest."""
    return _of(document["TagSet"], OBJECT_LIMIT, "Object")


def of_bucket(document: Mapping[str, Any], system: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of a document ``Tagging`` for a bucket, which has to repeat those that AWS has set.

    Raises S3Error InvalidTag, BadRequest.
    """
    given = [(one["Key"], one["Value"]) for one in document["TagSet"]]
    if any(pair not in given for pair in system.items()):
        raise S3Error("InvalidTag", "System tags cannot be removed by requester")
    others = [one for one in document["TagSet"] if (one["Key"], one["Value"]) not in system.items()]
    return {**_of(others, BUCKET_LIMIT, "Bucket"), **system}


def tag_set(tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return tags as the member ``TagSet`` has them."""
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _of(listed: Sequence[Mapping[str, str]], limit: int, kind: str) -> dict[str, str]:
    pairs = [(one["Key"], one["Value"]) for one in listed]
    if len(dict(pairs)) < len(pairs):
        (twice, _), *_ = (pair for number, pair in enumerate(pairs) if pair[0] in dict(pairs[:number]))
        raise S3Error("InvalidTag", "Cannot provide multiple Tags with the same key", TagKey=twice)
    _check(pairs, limit, kind)
    return dict(pairs)


def _check(pairs: Sequence[tuple[str, str]], limit: int, kind: str) -> None:
    if len(pairs) > limit:
        raise S3Error("BadRequest", f"{kind} tags cannot be greater than {limit}")
    for key, value in pairs:
        if not 1 <= len(key) <= 128 or not _ALLOWED.fullmatch(key):
            raise S3Error("InvalidTag", "The TagKey you have provided is invalid", TagKey=key)
        if len(value) > 256 or not _ALLOWED.fullmatch(value):
            raise S3Error(
                "InvalidTag", "The TagValue you have provided is invalid", TagKey=key, TagValue=value
            )
        if key.lower().startswith("aws:"):
            words = "Your TagKey cannot be prefixed with aws:" if kind == "Object" else _SYSTEM
            raise S3Error("InvalidTag", words, TagKey=key)


def _unparsed(header: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        "The header 'x-amz-tagging' shall be encoded as UTF-8 then URLEncoded URL query parameters without "
        "tag name duplicates.",
        ArgumentName="x-amz-tagging",
        ArgumentValue=header,
    )
