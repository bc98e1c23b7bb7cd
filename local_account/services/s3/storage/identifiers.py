"""Ids of versions and uploads: opaque to clients; the storage finds a row by them without an index."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode

from local_account.services.s3.storage.errors import InvalidVersionId
from local_account.services.s3.storage.records import NULL_VERSION

_UPLOAD_DIGITS = 16


def version_id(sequence: int) -> str:
    """Return a new id of 32 characters for a version; it looks random, as those of S3 do."""
    noise = secrets.token_bytes(16)
    hidden = sequence ^ int.from_bytes(noise[:8], "big")
    return urlsafe_b64encode(hidden.to_bytes(8, "big") + noise).decode()


def version_sequence(identifier: str) -> int:
    """Return the sequence that a version id was made of. Raises InvalidVersionId."""
    try:
        raw = urlsafe_b64decode(identifier) if len(identifier) == 32 else b""
    except ValueError:
        raw = b""
    if len(raw) != 24:
        raise InvalidVersionId(f"{identifier!r} is not a version id")
    # SQLite's integers have 63 bits; a larger one is of an id that was made up, and names no version
    return (int.from_bytes(raw[:8], "big") ^ int.from_bytes(raw[8:16], "big")) & (2**63 - 1)


def is_version_id(identifier: str) -> bool:
    """Return whether a version can have an id."""
    if identifier == NULL_VERSION:
        return True
    try:
        version_sequence(identifier)
    except InvalidVersionId:
        return False
    return True


def upload_id(sequence: int) -> str:
    """Return a new id of 64 characters for an upload; they sort by initiation, as uploads are listed."""
    return f"{sequence:0{_UPLOAD_DIGITS}x}{secrets.token_hex(24)}"


def upload_sequence(identifier: str) -> int:
    """Return the sequence that an upload id was made of; -1 if it cannot be one."""
    try:
        return int(identifier[:_UPLOAD_DIGITS], 16) & (2**63 - 1)
    except ValueError:
        return -1
