"""Checksums of objects: what a client promised is verified while its body passes, once.

Contract: Amazon S3 User Guide, "Checking object integrity for data uploads in Amazon S3"; Amazon S3 API
Reference, "Error responses".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALGORITHMS = ("CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256")
FULL_OBJECT = "FULL_OBJECT"
COMPOSITE = "COMPOSITE"


@dataclass(frozen=True, slots=True)
class Digest:
    """What a body turned out to be: its size in bytes, ETag (hexadecimal MD5) and checksums in base64."""

    size: int
    etag: str
    checksums: Mapping[str, str]


class Verifier:
    """Computes what the headers call for while the body passes through `update`, and compares at the end.

    Parameters
    ----------
    headers
        Of the request, by lower-case name: ``content-md5``, ``x-amz-checksum-…``, ``x-amz-trailer``,
        ``x-amz-sdk-checksum-algorithm``, ``x-amz-content-sha256``.
    default
        The algorithm to compute if the client names none (S3: ``CRC64NVME``); "" for none.

    Raises S3Error: InvalidDigest, InvalidRequest (more than one checksum, an unknown algorithm, a value that
    cannot be one), InvalidArgument (``x-amz-content-sha256``).
    """

    def __init__(self, headers: Mapping[str, str], *, default: str = "CRC64NVME") -> None:
        raise NotImplementedError

    @property
    def algorithm(self) -> str:
        """The checksum that is computed; "" for none."""
        raise NotImplementedError

    def update(self, chunk: bytes | memoryview) -> None:
        """Take the next piece of content."""
        raise NotImplementedError

    def finish(self, trailers: Mapping[str, str] | None = None) -> Digest:
        """Return what came, once the body has ended.

        Raises S3Error: BadDigest, XAmzContentSHA256Mismatch, MalformedTrailerError (the announced trailer is
        missing), InvalidRequest (the trailer's value cannot be a checksum).
        """
        raise NotImplementedError


def algorithm_of(name: str) -> str:
    """Return one of `ALGORITHMS` for a client's spelling of it; raise S3Error InvalidRequest for others."""
    raise NotImplementedError


def checksum_type(algorithm: str, asked: str = "") -> str:
    """Return FULL_OBJECT or COMPOSITE for a multipart upload: what was asked for, or the default.

    Raises S3Error InvalidRequest for a combination that S3 does not have (full-object SHA, composite
    CRC64NVME).
    """
    raise NotImplementedError


def composite(algorithm: str, parts: Sequence[str]) -> str:
    """Return the composite checksum of parts' checksums (base64), as ``BASE64-COUNT``."""
    raise NotImplementedError


def full_object(algorithm: str, parts: Sequence[tuple[str, int]]) -> str:
    """Return the checksum (base64) of the whole from each part's checksum (base64) and size. CRCs only."""
    raise NotImplementedError


def multipart_etag(etags: Sequence[str]) -> str:
    """Return the ETag of a multipart object from its parts' ETags: ``MD5-COUNT``, without quotes."""
    raise NotImplementedError


def header_of(algorithm: str) -> str:
    """Return the header of an algorithm's checksum: ``x-amz-checksum-crc32``."""
    raise NotImplementedError
