"""Who signed a request, verified: Signature Version 4 in a header or query, and Version 2 as well.

Contract: Amazon S3 API Reference, "Authenticating Requests (AWS Signature Version 4)". For Version 2, see
`signatures_v2`.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from hashlib import sha256
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from local_account.gateway.heads import Head
from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire import signatures_v2
from local_account.services.s3.wire.credentials import (
    UNSIGNED,
    Credentials,
    Lookup,
    Signature,
    mismatch,
    secret_of,
)

__all__ = [
    "UNSIGNED",
    "Credentials",
    "Lookup",
    "Signature",
    "access_key_of",
    "headers_of",
    "is_signed",
    "sign",
    "signing_key",
    "verify",
]

_ALGORITHM = "AWS4-HMAC-SHA256"
_SKEW = timedelta(minutes=15)
_WEEK = 604_800
_TIMESTAMP = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")
_PLAIN_PATH = re.compile(r"[A-Za-z0-9/._~-]*")
_PLAIN_QUERY = re.compile(r"[A-Za-z0-9._~=&-]*")
_OF_SIGNATURE = frozenset(
    f"x-amz-{name}"
    for name in ("algorithm", "credential", "signature", "date", "signedheaders", "expires", "security-token")
)
_QUERY_NAMES = ("Algorithm", "Credential", "Signature", "Date", "SignedHeaders", "Expires")


@dataclass(slots=True)
class _Claim:
    """What a request says about its signature."""

    access_key_id: str
    date: str
    scope: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str
    token: str
    content_sha256: str
    presigned: bool


def verify(head: Head, lookup: Lookup, now: datetime) -> Signature | None:
    """Return the verified signature of a request; None if it is not signed.

    Raises S3Error: AccessDenied (a presigned URL has expired, is not valid yet; no date; headers that should
    have been signed), AuthorizationHeaderMalformed, AuthorizationQueryParametersError, ExpiredToken,
    InvalidAccessKeyId, InvalidArgument (an unsupported scheme, more than one), InvalidRequest, InvalidToken,
    RequestTimeTooSkewed (15 minutes), SignatureDoesNotMatch.
    """
    authorization = head.headers.get("authorization")
    query = dict(parse_qsl(head.query, keep_blank_values=True)) if "Signature=" in head.query else {}
    schemes = [authorization is not None, "X-Amz-Signature" in query, signatures_v2.is_presigned(query)]
    if not any(schemes):
        return None
    if sum(schemes) > 1:
        raise S3Error(
            "InvalidArgument",
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query "
            "string parameter or the Authorization header should be specified",
            ArgumentName="Authorization",
            ArgumentValue=authorization or "",
        )
    if schemes[2] or (authorization or "").startswith("AWS "):
        return signatures_v2.verify(head, query, lookup, now)
    if authorization is not None and not authorization.startswith(_ALGORITHM):
        raise S3Error(
            "InvalidArgument",
            "Unsupported Authorization Type",
            ArgumentName="Authorization",
            ArgumentValue=authorization,
        )
    claim = (
        _query_claim(head, query, now) if authorization is None else _header_claim(head, authorization, now)
    )
    return _verify_claim(head, claim, lookup, now)


def is_signed(head: Head) -> bool:
    """Return whether a request carries a signature, of any version."""
    return "authorization" in head.headers or "Signature=" in head.query


def access_key_of(head: Head) -> str:
    """Return the access key id that a request names, not verified; "" if it is not signed."""
    authorization = head.headers.get("authorization", "")
    found = re.search(r"Credential=([^/,\s]+)|^AWS ([^:]+):", authorization)
    if found:
        return found[1] or found[2]
    if "Signature=" not in head.query:
        return ""
    query = dict(parse_qsl(head.query))
    return query.get("X-Amz-Credential", "").partition("/")[0] or query.get("AWSAccessKeyId", "")


def headers_of(head: Head) -> Mapping[str, str]:
    """Return the headers of a request, with those that a presigned URL carries in its query.

    SDKs move ``x-amz-…`` headers there (boto3 with Version 2, AWS SDK for JavaScript), and S3 reads them as
    headers. A header that was sent takes precedence.
    """
    if "Signature=" not in head.query:
        return head.headers
    pairs = parse_qsl(head.query, keep_blank_values=True)
    moved = {name.lower(): value.encode(errors="replace").decode("latin-1") for name, value in pairs}
    return {
        **{
            name: value
            for name, value in moved.items()
            if (name.startswith("x-amz-") and name not in _OF_SIGNATURE) or name in signatures_v2.MOVED
        },
        **head.headers,
    }


@lru_cache(256)
def signing_key(secret: str, date: str, region: str, service: str = "s3") -> bytes:
    """Return the key of Signature Version 4 for one day (``YYYYMMDD``), region and service. Cached."""
    key = f"AWS4{secret}".encode()
    for part in (date, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def sign(key: bytes, string_to_sign: str) -> str:
    """Return the signature (hexadecimal) of a string, whose characters are bytes (latin-1)."""
    return hmac.digest(key, string_to_sign.encode("latin-1"), "sha256").hex()


def _verify_claim(head: Head, claim: _Claim, lookup: Lookup, now: datetime) -> Signature:
    secret = secret_of(claim.access_key_id, claim.token, lookup, now)
    key = signing_key(secret, claim.date, claim.region, claim.service)
    tried = []
    for path, query in _canonical_targets(head, claim.presigned):
        canonical = _canonical_request(head, path, query, claim)
        digest = sha256(canonical.encode("latin-1")).hexdigest()
        string_to_sign = f"{_ALGORITHM}\n{claim.timestamp}\n{claim.scope}\n{digest}"
        if hmac.compare_digest(sign(key, string_to_sign), claim.signature):
            _require_signed(head.headers, claim.signed_headers)
            return Signature(
                claim.access_key_id,
                claim.presigned,
                claim.content_sha256,
                claim.signature,
                key,
                claim.scope,
                claim.timestamp,
            )
        tried.append((string_to_sign, canonical))
    string_to_sign, canonical = tried[0]
    raise mismatch(claim.access_key_id, string_to_sign, claim.signature, canonical)


def _canonical_targets(head: Head, presigned: bool) -> Iterable[tuple[str, str]]:
    """Return path and query as AWS documents them and, if that differs, as they were sent.

    Clients that sign what they send without encoding or sorting it are accepted, too (curl before 8.3).
    """
    if not head.query and _PLAIN_PATH.fullmatch(head.path):
        return ((head.path, ""),)
    pairs = [pair for pair in head.query.split("&") if pair]
    if presigned:
        pairs = [pair for pair in pairs if not pair.startswith("X-Amz-Signature=")]
    path = head.path if _PLAIN_PATH.fullmatch(head.path) else _encoded(head.path, "/~")
    sent = _joined(pair.partition("=")[::2] for pair in pairs)
    query = (
        sent
        if _PLAIN_QUERY.fullmatch(head.query)
        else _joined(
            (_encoded(name, "~"), _encoded(value, "~"))
            for name, _, value in (pair.replace("+", "%20").partition("=") for pair in pairs)
        )
    )
    return dict.fromkeys([(path, query), (head.path, sent), (head.path, "&".join(pairs))])


def _joined(pairs: Iterable[Iterable[str]]) -> str:
    return "&".join([f"{name}={value}" for name, value in sorted(tuple(pair) for pair in pairs)])


def _encoded(text: str, safe: str) -> str:
    return quote(unquote_to_bytes(text.encode("latin-1")), safe=safe)


def _canonical_request(head: Head, path: str, query: str, claim: _Claim) -> str:
    headers = head.headers
    lines = [head.method, path, query]
    lines += [f"{name}:{' '.join(headers.get(name, '').split())}" for name in claim.signed_headers]
    lines += ["", ";".join(claim.signed_headers), claim.content_sha256]
    return "\n".join(lines)


def _require_signed(headers: Mapping[str, str], signed: tuple[str, ...]) -> None:
    missing = [name for name in headers if name.startswith("x-amz-") and name not in signed]
    if "host" not in signed:
        missing.append("host")
    if missing:
        raise S3Error(
            "AccessDenied",
            "There were headers present in the request which were not signed",
            HeadersNotSigned=", ".join(missing),
        )


def _header_claim(head: Head, authorization: str, now: datetime) -> _Claim:
    given, signature = _components(authorization[len(_ALGORITHM) :])
    if not ("Credential" in given and "SignedHeaders" in given and signature is not None):
        raise _malformed_header(
            "the authorization header requires three components: Credential, SignedHeaders, and Signature."
        )
    timestamp, moment = _header_time(head.headers)
    parts = given["Credential"].rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise _malformed_header(
            'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    access_key_id, date, region, service, end = parts
    if end != "aws4_request":
        raise _malformed_header(f'incorrect terminal "{end}". This endpoint uses "aws4_request".')
    if service != "s3":
        raise _malformed_header(f'incorrect service "{service}". This endpoint belongs to "s3".')
    if date != timestamp[:8]:
        raise _malformed_header(
            f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    content = head.headers.get("x-amz-content-sha256")
    if content is None:
        raise S3Error("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if abs(now - moment) > _SKEW:
        raise S3Error(
            "RequestTimeTooSkewed",
            RequestTime=timestamp,
            ServerTime=_iso(now),
            MaxAllowedSkewMilliseconds=str(int(_SKEW.total_seconds()) * 1000),
        )
    return _Claim(
        access_key_id,
        date,
        f"{date}/{region}/{service}/{end}",
        region,
        service,
        tuple(given["SignedHeaders"].split(";")),
        signature,
        timestamp,
        head.headers.get("x-amz-security-token", ""),
        content,
        presigned=False,
    )


def _components(text: str) -> tuple[Mapping[str, str], str | None]:
    """Return the components of an Authorization header, and the signature among them.

    What precedes the signature is the same in most requests of a client.
    """
    front, last, signature = text.rpartition(", Signature=")
    if last and "," not in signature:
        return _split(front), signature.strip()
    given = _split(text)
    return given, given.get("Signature")


@lru_cache(256)
def _split(components: str) -> Mapping[str, str]:
    return dict(part.strip().partition("=")[::2] for part in components.split(",") if part.strip())


def _query_claim(head: Head, query: Mapping[str, str], now: datetime) -> _Claim:
    given = {name: query.get(f"X-Amz-{name}") for name in _QUERY_NAMES}
    algorithm, credential, signature, timestamp, signed, expires = given.values()
    if None in given.values():
        raise _bad_query(
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
            "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        )
    assert credential and signature and timestamp and signed and expires  # noqa: S101 - for mypy
    if algorithm != _ALGORITHM:
        raise _bad_query('X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0] or parts[4] != "aws4_request":
        raise _bad_query(
            "Error parsing the X-Amz-Credential parameter; the Credential is mal-formed; expecting "
            '"<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".'
        )
    access_key_id, date, region, service, _ = parts
    if service != "s3":
        raise _bad_query(
            f'Error parsing the X-Amz-Credential parameter; incorrect service "{service}". This endpoint '
            'belongs to "s3".'
        )
    moment = _moment(timestamp)
    if moment is None:
        raise _bad_query("X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"")
    if date != timestamp[:8]:
        raise _bad_query(
            f'Invalid credential date "{date}". This date is not the same as X-Amz-Date: "{timestamp[:8]}".'
        )
    _check_expiry(moment, expires, now)
    headers = tuple(signed.split(";"))
    content = head.headers.get("x-amz-content-sha256") if "x-amz-content-sha256" in headers else None
    return _Claim(
        access_key_id,
        date,
        "/".join(parts[1:]),
        region,
        service,
        headers,
        signature,
        timestamp,
        query.get("X-Amz-Security-Token", ""),
        content or query.get("X-Amz-Content-Sha256", UNSIGNED),
        presigned=True,
    )


def _check_expiry(moment: datetime, expires: str, now: datetime) -> None:
    try:
        seconds = int(expires)
    except ValueError:
        raise _bad_query("X-Amz-Expires should be a number") from None
    if seconds < 0:
        raise _bad_query("X-Amz-Expires must be non-negative")
    if seconds > _WEEK:
        raise _bad_query(
            "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be "
            f"less than {_WEEK} seconds"
        )
    if moment - now > _SKEW:
        raise S3Error(
            "AccessDenied",
            "Request is not valid yet",
            **{"X-Amz-Date": moment.strftime("%Y%m%dT%H%M%SZ"), "ServerTime": _iso(now)},
        )
    end = moment + timedelta(seconds=seconds)
    if now > end:
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            **{"X-Amz-Expires": expires, "Expires": _iso(end), "ServerTime": _iso(now)},
        )


def _header_time(headers: Mapping[str, str]) -> tuple[str, datetime]:
    """Return the time of a request as it is signed, and as it is."""
    timestamp = headers.get("x-amz-date", "")
    moment = _moment(timestamp)
    if moment is None and not timestamp and "date" in headers:
        try:
            moment = parsedate_to_datetime(headers["date"]).astimezone(UTC)
        except ValueError:
            moment = _moment(headers["date"])
        timestamp = moment.strftime("%Y%m%dT%H%M%SZ") if moment else ""
    if moment is None:
        raise S3Error("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header")
    return timestamp, moment


@lru_cache(256)
def _moment(timestamp: str) -> datetime | None:
    found = _TIMESTAMP.fullmatch(timestamp)
    if found is None:
        return None
    year, month, day, hour, minute, second = map(int, found.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _malformed_header(reason: str) -> S3Error:
    return S3Error("AuthorizationHeaderMalformed", f"The authorization header is malformed; {reason}")


def _bad_query(reason: str) -> S3Error:
    return S3Error("AuthorizationQueryParametersError", reason)
