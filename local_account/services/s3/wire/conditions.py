"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.

Contract: RFC 9110, section 13; Amazon S3 User Guide, "Add preconditions to S3 operations with conditional
requests"; Amazon S3 API Reference, GetObject, PutObject, DeleteObject and CopyObject.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from local_account.services.s3.errors import S3Error

_NAMES = ("If-Match", "If-Unmodified-Since", "If-None-Match", "If-Modified-Since")
_COPY_NAMES = tuple(f"x-amz-copy-source-{name}" for name in _NAMES)
_HEADERS = frozenset(name.lower() for name in _NAMES)
_OF_DIRECTORIES = ("x-amz-if-match-last-modified-time", "x-amz-if-match-size")


def check_read(headers: Mapping[str, str], etag: str, modified: datetime, now: datetime) -> None:
    """Check the conditions of a GET or HEAD.

    ``headers`` have lower-case names; ``etag`` has no quotes. If-Modified-Since is ignored if it is later
    than ``now``, as S3 is recorded to do. Raises S3Error: PreconditionFailed (412, with
    Condition) or NotModified (304, to be answered without a body).
    """
    if headers.keys().isdisjoint(_HEADERS):
        return
    failed = _failed(headers, _NAMES, etag, modified, now)
    if failed in _NAMES[:2]:
        raise S3Error("PreconditionFailed", Condition=failed)
    if failed:
        raise S3Error("NotModified")


def check_copy_source(headers: Mapping[str, str], etag: str, modified: datetime, now: datetime) -> None:
    """Check ``x-amz-copy-source-if-…`` against the source. Raises S3Error PreconditionFailed."""
    if failed := _failed(headers, _COPY_NAMES, etag, modified, now):
        raise S3Error("PreconditionFailed", Condition=failed)


def check_write(headers: Mapping[str, str], key: str, etag: str | None) -> None:
    """Check the conditions of a PUT or of the completion of an upload against the current object.

    ``etag`` is None if there is no current object (or only a delete marker). Raises S3Error:
    PreconditionFailed; NoSuchKey for If-Match without an object; NotImplemented for what S3 does not have
    (If-None-Match with anything but ``*``, If-Match with it, both, dates).
    """
    if headers.keys().isdisjoint(_HEADERS):
        return
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    if match is not None and none_match is not None:
        raise _not_implemented(
            "If-Match,If-None-Match", "Multiple conditional request headers present in the request"
        )
    for name in _NAMES:
        if name.lower() in headers and (
            name.endswith("-Since")
            or (name == "If-Match" and match == "*")
            or (name == "If-None-Match" and none_match != "*")
        ):
            raise _not_implemented(name, f"We don't accept the provided value of {name} header for this API")
    if none_match is not None and etag is not None:
        raise S3Error("PreconditionFailed", Condition="If-None-Match")
    if match is not None:
        _require(match, key, etag)


def check_delete(headers: Mapping[str, str], key: str, etag: str | None) -> None:
    """Check If-Match of a DELETE against the current object.

    Raises S3Error PreconditionFailed, or NoSuchKey if there is none.
    """
    match = headers.get("if-match")
    if match is not None:
        _require(match, key, etag)


def check_delete_headers(headers: Mapping[str, str], *, versioned: bool) -> None:
    """Refuse the conditions that a deletion cannot have in a general purpose bucket.

    Raises S3Error NotImplemented for the size and the time (DeleteObject: "only supported for directory
    buckets"), and for If-Match of a version that is named: conditions "only apply to the current version".
    """
    for name in _OF_DIRECTORIES:
        if name in headers:
            raise S3Error("NotImplemented", Header=name)
    if versioned and "if-match" in headers:
        raise S3Error("NotImplemented", Header="If-Match")


def has_conditions(headers: Mapping[str, str]) -> bool:
    """Return whether any header makes the request conditional."""
    return not headers.keys().isdisjoint(_HEADERS)


def check_unchanged(headers: Mapping[str, str], key: str, *, changed: bool) -> None:
    """Raise S3Error ConditionalRequestConflict if an object changed since its upload in parts was begun.

    Only the completion of an upload with a condition can conflict: the upload has to begin again.
    """
    if changed and "if-match" in headers:
        raise S3Error("ConditionalRequestConflict", Condition="If-Match", Key=key)


def _not_implemented(header: str, why: str) -> S3Error:
    return S3Error("NotImplemented", Header=header, additionalMessage=why)


def _require(match: str, key: str, etag: str | None) -> None:
    if etag is None:
        raise S3Error("NoSuchKey", Key=key)
    if not _matches(match, etag):
        raise S3Error("PreconditionFailed", Condition="If-Match")


def _failed(
    headers: Mapping[str, str], names: tuple[str, ...], etag: str, modified: datetime, now: datetime
) -> str:
    """Return the name of the condition that does not hold, "" if all do.

    A condition on the ETag takes precedence over the one on the time that goes with it (RFC 9110, 13.2.2).
    """
    match, unmodified_since, none_match, modified_since = (headers.get(name.lower()) for name in names)
    written = modified.replace(microsecond=0)
    if match is not None:
        if not _matches(match, etag):
            return names[0]
    elif unmodified_since is not None and (limit := _date(unmodified_since)) and written > limit:
        return names[1]
    if none_match is not None:
        return names[2] if _matches(none_match, etag) else ""
    if modified_since is not None and (limit := _date(modified_since)) and written <= limit <= now:
        return names[3]
    return ""


def _matches(given: str, etag: str) -> bool:
    return given.strip() == "*" or any(
        tag.strip().removeprefix("W/").strip('"') == etag for tag in given.split(",")
    )


def _date(text: str) -> datetime | None:
    """Return the moment that a header names; None for what is not a date."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
