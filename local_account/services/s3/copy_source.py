"""What a copy is made of: the header ``x-amz-copy-source``, read in one way by permissions and by copies.

Contract: Amazon S3 API Reference, CopyObject and UploadPartCopy ("x-amz-copy-source"): bucket and key are
percent-encoded; ``?versionId=`` and a version follow. A question mark of the key itself is encoded.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote


@dataclass(frozen=True, slots=True)
class CopySource:
    """The object that a request names as its source; ``version_id`` is empty for the newest one."""

    bucket: str
    key: str
    version_id: str


def of_header(header: str) -> CopySource:
    """Return what a header names; members are empty where it names nothing."""
    path, _, version_id = header.partition("?versionId=")
    bucket, _, key = unquote(path).lstrip("/").partition("/")
    return CopySource(bucket, key, unquote(version_id))
