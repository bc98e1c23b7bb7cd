"""Bucket policies: which are accepted, which are public, and what they say about a request.

Contract: Amazon S3 User Guide, "Bucket policies for Amazon S3", and "Blocking public access to your Amazon S3
storage", *The meaning of "public"*.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

from local_account.authorization.policies import Policy, PolicyError
from local_account.foundation.arns import has_open_service
from local_account.services.s3.errors import S3Error

log = logging.getLogger(__name__)

MAXIMUM_BYTES = 20_480
# Conditions that limit a statement to something that the owner knows ("The meaning of public").
_LIMITING_KEYS = {
    "aws:principalarn",
    "aws:principalaccount",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourcearn",
    "aws:sourceaccount",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:sourceip",
    "aws:userid",
    "s3:dataaccesspointaccount",
    "s3:dataaccesspointarn",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
}
_LIMITING_OPERATORS = ("stringequals", "stringlike", "arnequals", "arnlike", "ipaddress")


@lru_cache(maxsize=256)
def parsed(document: str) -> Policy:
    """Return a bucket's policy. Raises PolicyError."""
    return Policy.parse(document, "bucket policy")


@lru_cache(maxsize=256)
def in_force(document: str) -> tuple[Policy, ...]:
    """Return a bucket's policy; nothing if an older build took what this one refuses."""
    try:
        return (parsed(document),)
    except PolicyError as error:
        log.warning("a bucket's policy is passed over: %s", error)
        return ()


def check(document: str, bucket: str) -> None:
    """Raise S3Error MalformedPolicy unless a document can be the policy of a bucket."""
    if len(document.encode()) > MAXIMUM_BYTES:
        raise _malformed(f"Policy exceeds the maximum allowed document size of {MAXIMUM_BYTES} bytes")
    try:
        read = json.loads(document)
    except ValueError as error:
        raise _malformed("Policies must be valid JSON and the first byte must be '{'") from error
    if not isinstance(read, dict):
        raise _malformed("Policies must be valid JSON and the first byte must be '{'")
    if read.get("Version") not in (None, "2012-10-17", "2008-10-17"):
        raise _malformed("The policy must contain a valid version string")
    statements = read.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    if not listed or statements is None:
        raise _malformed("Missing required field Statement")
    named = [one for statement in listed if isinstance(statement, dict) for one in _resources(statement)]
    if any(map(has_open_service, named)):
        raise _malformed("Policy has invalid resource")
    try:
        parsed(document)
    except PolicyError as error:
        raise _malformed(str(error)) from error
    for statement in listed:
        _check_statement(statement or {}, bucket)


def _check_statement(statement: Mapping[str, Any], bucket: str) -> None:
    if "Principal" not in statement and "NotPrincipal" not in statement:
        raise _malformed("Missing required field Principal")
    if not statement.get("Principal"):
        raise _malformed("Invalid principal in policy")
    for element, alternative in (("Action", "NotAction"), ("Resource", "NotResource")):
        if element not in statement and alternative not in statement:
            raise _malformed(f"Missing required field {element}")
    actions = _texts(statement.get("Action", statement.get("NotAction")))
    if not all(one == "*" or one.lower().startswith("s3:") for one in actions):
        raise _malformed("Policy has invalid action")
    arn = f"arn:aws:s3:::{bucket}"
    for one in _resources(statement):
        named = one.removeprefix("arn:aws:s3:::").partition("/")[0]
        if one in ("*", arn) or one.startswith(f"{arn}/") or "*" in named or "?" in named:
            continue
        raise _malformed("Policy has invalid resource")


def is_public(document: str) -> bool:
    """Return whether a policy grants something to everyone."""
    read = json.loads(document)
    statements = read["Statement"]
    listed = statements if isinstance(statements, list) else [statements]
    return any(_grants_to_everyone(one) for one in listed)


def _grants_to_everyone(statement: Mapping[str, Any]) -> bool:
    if statement["Effect"] != "Allow":
        return False
    principal = statement.get("Principal")
    everyone = principal == "*" or (
        isinstance(principal, dict)
        and any("*" in _texts(principal.get(kind)) for kind in ("AWS", "*", "CanonicalUser"))
    )
    return everyone and not any(
        key.lower() in _LIMITING_KEYS and all("*" not in one for one in _texts(values))
        for operator, keys in statement.get("Condition", {}).items()
        if operator.lower() in _LIMITING_OPERATORS
        for key, values in keys.items()
    )


def _resources(statement: Mapping[str, Any]) -> Iterable[str]:
    return _texts(statement.get("Resource", statement.get("NotResource")))


def _texts(value: Any) -> Iterable[str]:
    return [str(one) for one in (value if isinstance(value, list) else [] if value is None else [value])]


def _malformed(message: str) -> S3Error:
    return S3Error("MalformedPolicy", message)
