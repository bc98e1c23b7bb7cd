"""The keys that requests are signed with, and what a verified signature says.

Contract: AWS General Reference, "Signing AWS API requests"; Amazon S3 API Reference, "Error responses".
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hmac import compare_digest

from local_account.services.s3.errors import S3Error

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


def secret_of(access_key_id: str, token: str, lookup: Lookup, now: datetime) -> str:
    """Return the secret of an access key that is used with a session token ("" for none).

    Raises S3Error: InvalidAccessKeyId, InvalidToken, ExpiredToken.
    """
    found = lookup(access_key_id)
    if found is None or (found.token and not token):  # a session's key alone is not a known key
        raise S3Error("InvalidAccessKeyId", AWSAccessKeyId=access_key_id)
    if not compare_digest(found.token.encode(), token.encode()):
        raise S3Error("InvalidToken", **{"Token-0": token})
    if found.expires is not None and found.expires <= now:
        raise S3Error("ExpiredToken", **{"Token-0": token})
    return found.secret


def mismatch(access_key_id: str, string_to_sign: str, given: str, canonical: str = "") -> S3Error:
    """Return SignatureDoesNotMatch with what S3 tells of its own calculation."""
    fields = {
        "AWSAccessKeyId": access_key_id,
        "StringToSign": string_to_sign,
        "SignatureProvided": given,
        "StringToSignBytes": string_to_sign.encode("latin-1", "replace").hex(" "),
    }
    if canonical:
        fields["CanonicalRequest"] = canonical
        fields["CanonicalRequestBytes"] = canonical.encode("latin-1", "replace").hex(" ")
    return S3Error("SignatureDoesNotMatch", **fields)
