"""Signature Version 2, which S3 still takes: in a header, and in presigned URLs of older SDKs.

Contract: Amazon S3 User Guide, "Signing and authenticating REST requests (AWS signature version 2)".
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from urllib.parse import unquote

from local_account.gateway.heads import Head
from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire.credentials import UNSIGNED, Lookup, Signature, mismatch, secret_of

_SKEW = timedelta(minutes=15)
MOVED = ("content-md5", "content-type")
"""Headers that are part of the signature, and that botocore moves into the query of a presigned URL."""
_SUBRESOURCES = re.compile(
    "accelerate|acl|analytics|cors|defaultObjectAcl|delete|inventory|lifecycle|location|logging|metrics|"
    "notification|object-lock|partNumber|policy|replication|requestPayment|response-cache-control|"
    "response-content-disposition|response-content-encoding|response-content-language|"
    "response-content-type|response-expires|restore|select|select-type|storageClass|tagging|torrent|"
    "uploadId|uploads|versionId|versioning|versions|website"
)


def is_presigned(query: Mapping[str, str]) -> bool:
    """Return whether a query (decoded) has a signature of Version 2."""
    return "Signature" in query and "AWSAccessKeyId" in query


def verify(head: Head, query: Mapping[str, str], lookup: Lookup, now: datetime) -> Signature:
    """Return the verified signature of a request that has one of Version 2.

    Raises S3Error: AccessDenied, AuthorizationHeaderMalformed, ExpiredToken, InvalidAccessKeyId,
    InvalidToken, RequestTimeTooSkewed, SignatureDoesNotMatch.
    """
    presigned = is_presigned(query)
    if presigned:
        access_key_id, given = query["AWSAccessKeyId"], query["Signature"]
        date = _check_expiry(query.get("Expires", ""), now)
    else:
        access_key_id, _, given = head.headers["authorization"].removeprefix("AWS ").strip().rpartition(":")
        if not access_key_id or not given:
            raise S3Error(
                "InvalidArgument",
                "AWS authorization header is invalid.  Expected AwsAccessKeyId:signature",
                ArgumentName="Authorization",
                ArgumentValue=head.headers["authorization"],
            )
        date = _check_date(head.headers, now)
    amz = {name: value for name, value in query.items() if presigned and name.startswith("x-amz-")}
    amz |= {name: value for name, value in head.headers.items() if name.startswith("x-amz-")}
    secret = secret_of(access_key_id, amz.get("x-amz-security-token", ""), lookup, now)
    lines = [
        head.method,
        head.headers.get("content-md5") or query.get("content-md5", ""),
        head.headers.get("content-type") or query.get("content-type", ""),
        date,
        *(f"{name}:{amz[name]}" for name in sorted(amz)),
    ]
    tried = ["\n".join([*lines, resource]) for resource in _resources(head)]
    if not any(hmac.compare_digest(sign(secret, text).encode(), given.encode()) for text in tried):
        raise mismatch(access_key_id, tried[0], given)
    content = amz.get("x-amz-content-sha256", UNSIGNED)
    return Signature(access_key_id, presigned, content, given)


def sign(secret: str, string_to_sign: str) -> str:
    """Return the signature (base64) of a string, whose characters are bytes (latin-1)."""
    return base64.b64encode(hmac.digest(secret.encode(), string_to_sign.encode("latin-1"), "sha1")).decode()


def _resources(head: Head) -> list[str]:
    """Return the resource as it was sent; of a bucket also with the slash that botocore signs."""
    wanted = []
    for pair in head.query.split("&"):
        name, equals, value = pair.partition("=")
        if _SUBRESOURCES.fullmatch(name):
            wanted.append((name, f"{equals}{unquote(value, 'latin-1')}"))
    query = ("?" if wanted else "") + "&".join(name + value for name, value in sorted(wanted))
    paths = [head.path] if "/" in head.path[1:] else [head.path, f"{head.path}/"]
    return [path + query for path in paths]


def _check_expiry(expires: str, now: datetime) -> str:
    if not (expires.isascii() and expires.isdigit()):
        raise S3Error("AccessDenied", f"Invalid date (should be seconds since epoch): {expires}")
    if now.timestamp() > int(expires):
        end = datetime.fromtimestamp(min(int(expires), 253_402_300_799), UTC)
        raise S3Error(
            "AccessDenied",
            "Request has expired",
            Expires=end.strftime("%Y-%m-%dT%H:%M:%SZ"),
            ServerTime=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        )
    return expires


def _check_date(headers: Mapping[str, str], now: datetime) -> str:
    """Return the date that is signed: none if x-amz-date, a signed header, has it."""
    given = headers.get("x-amz-date") or headers.get("date", "")
    try:
        moment = parsedate_to_datetime(given)
    except ValueError:
        raise S3Error(
            "AccessDenied", "AWS authentication requires a valid Date or x-amz-date header"
        ) from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if abs(now - moment) > _SKEW:
        raise S3Error(
            "RequestTimeTooSkewed",
            RequestTime=given,
            ServerTime=now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            MaxAllowedSkewMilliseconds="900000",
        )
    return "" if "x-amz-date" in headers else given
