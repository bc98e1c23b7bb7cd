"""Conditional requests: If-Match, If-None-Match, If-Modified-Since, If-Unmodified-Since.

Contract: RFC 9110, section 13; Amazon S3 User Guide, "Add preconditions to S3 operations with conditional
requests"; Amazon S3 API Reference, GetObject, PutObject, DeleteObject and CopyObject.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime


def check_read(headers: Mapping[str, str], etag: str, modified: datetime) -> None:
    """Check the conditions of a GET or HEAD.

    ``headers`` have lower-case names; ``etag`` has no quotes. Raises S3Error: PreconditionFailed (412, with
    Condition) or NotModified (304, to be answered without a body).
    """
    raise NotImplementedError


def check_copy_source(headers: Mapping[str, str], etag: str, modified: datetime) -> None:
    """Check ``x-amz-copy-source-if-…`` against the source. Raises S3Error PreconditionFailed."""
    raise NotImplementedError


def check_write(headers: Mapping[str, str], key: str, etag: str | None) -> None:
    """Check the conditions of a PUT or of the completion of an upload against the current object.

    ``etag`` is None if there is no current object (or only a delete marker). Raises S3Error:
    PreconditionFailed; NoSuchKey for If-Match without an object; NotImplemented for what S3 does not have
    (If-None-Match with anything but ``*``, dates).
    """
    raise NotImplementedError


def check_delete(headers: Mapping[str, str], key: str, etag: str | None) -> None:
    """Check If-Match of a DELETE against the current object. Raises S3Error PreconditionFailed."""
    raise NotImplementedError


def has_conditions(headers: Mapping[str, str]) -> bool:
    """Return whether any header makes the request conditional."""
    raise NotImplementedError
