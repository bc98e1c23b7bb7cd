"""What the operations of S3 share: the storage, permissions, events, and who and where the account is."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import formatdate
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from local_account.services.s3 import lifecycle_rules
from local_account.services.s3.errors import S3Error

if TYPE_CHECKING:
    from local_account.services.s3.events import Announcements
    from local_account.services.s3.gate import Gate
    from local_account.services.s3.storage import Bucket, ObjectVersion, Storage

LONGEST_KEY = 1024
"""Bytes ("Creating object key names", Amazon S3 User Guide)."""


@dataclass(frozen=True)
class Facilities:
    """What an operation needs besides its request."""

    storage: Storage
    gate: Gate
    events: Announcements
    account_id: str
    region: str
    now: Callable[[], datetime]

    @cached_property
    def owner(self) -> dict[str, str]:
        """The account as S3 names owners: a canonical user id."""
        return {"ID": hashlib.sha256(self.account_id.encode()).hexdigest()}


@lru_cache(maxsize=4096)
def _http_date(second: int) -> str:
    return formatdate(second, usegmt=True)


def http_date(moment: datetime) -> str:
    """Return a time as headers have it."""
    return _http_date(int(moment.timestamp()))


def quoted(etag: str) -> str:
    """Return an ETag as headers and documents have it."""
    return f'"{etag}"'


def check_key(key: str) -> None:
    """Raise S3Error KeyTooLongError for a key that no object can have."""
    if len(key) * 4 > LONGEST_KEY and (size := len(key.encode())) > LONGEST_KEY:
        raise S3Error("KeyTooLongError", Size=str(size), MaxSizeAllowed=str(LONGEST_KEY))


def expiration_header(bucket: Bucket, version: ObjectVersion) -> dict[str, str]:
    """Return the header that says when a lifecycle rule will delete the object, if one will."""
    rules = bucket.settings.get("lifecycle")
    if rules is None or not version.is_latest:
        return {}
    found = lifecycle_rules.expiration(rules, version)
    return {"x-amz-expiration": found} if found else {}


def written_header(version: ObjectVersion, versioning: str) -> dict[str, str]:
    """Return the header that names a version that was written: none while versioning is suspended."""
    return {"x-amz-version-id": version.version_id} if versioning == "Enabled" else {}


def version_header(version: ObjectVersion, versioning: str) -> dict[str, str]:
    """Return the header that names a version; objects of a bucket without versions have none."""
    return {"x-amz-version-id": version.version_id} if versioning else {}
