"""Who signed a request, verified: Signature Version 4 in a header or query, Version 2 in a query.

Contract: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)"; for presigned URLs of
Version 2, "Signing and authenticating REST requests", "Query string request authentication alternative".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from local_account.gateway.heads import Head

UNSIGNED = "UNSIGNED-PAYLOAD"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secret of an access key; a session's have a token, and end."""

    secret: str
    token: str = ""
    expires: datetime | None = None


Lookup = Callable[[str], Credentials | None]
"""Returns the credentials of an access key id; None if there is no such key."""


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature that was verified.

    ``content_sha256`` is what the client promised about the body: a hexadecimal SHA-256, `UNSIGNED` or a
    ``STREAMING-…`` token. ``key`` (the signing key), ``scope``, ``timestamp`` and ``value`` are the seed of
    the signatures of chunks; Version 2 has none of them.
    """

    access_key_id: str
    presigned: bool
    content_sha256: str
    value: str
    key: bytes = b""
    scope: str = ""
    timestamp: str = ""


def verify(head: Head, lookup: Lookup, now: datetime) -> Signature | None:
    """Return the verified signature of a request; None if it is not signed.

    Raises S3Error: AccessDenied (a presigned URL has expired, is not valid yet; no date),
    AuthorizationHeaderMalformed, AuthorizationQueryParametersError, ExpiredToken, InvalidAccessKeyId,
    InvalidArgument (an unsupported scheme, more than one), InvalidToken, RequestTimeTooSkewed (15 minutes),
    SignatureDoesNotMatch.
    """
    raise NotImplementedError


def is_signed(head: Head) -> bool:
    """Return whether a request carries a signature, of any version."""
    raise NotImplementedError


def access_key_of(head: Head) -> str:
    """Return the access key id that a request names, not verified; "" if it is not signed."""
    raise NotImplementedError


def signing_key(secret: str, date: str, region: str, service: str = "s3") -> bytes:
    """Return the key of Signature Version 4 for one day (``YYYYMMDD``), region and service. Cached."""
    raise NotImplementedError
