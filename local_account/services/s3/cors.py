"""Cross-origin resource sharing: a bucket's rules, and what a browser is told by them.

Contract: Amazon S3 User Guide, "Using cross-origin resource sharing (CORS)", *How does Amazon S3 evaluate the
CORS configuration on a bucket?*.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from local_account.services.s3.errors import S3Error

MOST_RULES = 100
_METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD")


def check(document: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a configuration as it is kept. Raises S3Error InvalidRequest, MalformedXML."""
    rules = document.get("CORSRules", [])
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML")
    for rule in rules:
        for method in rule["AllowedMethods"]:
            if method not in _METHODS:
                raise S3Error(
                    "InvalidRequest",
                    f"Found unsupported HTTP method in CORS config. Unsupported method is {method}",
                )
        for element, kind in (("AllowedOrigins", "AllowedOrigin"), ("AllowedHeaders", "AllowedHeader")):
            for one in rule.get(element, []):
                if one.count("*") > 1:
                    raise S3Error("InvalidRequest", f'{kind} "{one}" can not have more than one wildcard.')
    return document


def preflight(document: Mapping[str, Any] | None, headers: Mapping[str, str]) -> dict[str, str]:
    """Return the headers that answer ``OPTIONS``. Raises S3Error BadRequest, AccessForbidden."""
    origin, method = headers.get("origin"), headers.get("access-control-request-method")
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    if method not in _METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method or 'null'}")
    if document is None:
        raise S3Error("AccessForbidden", "CORSResponse: CORS is not enabled for this bucket.")
    asked = [
        one.strip().lower()
        for one in headers.get("access-control-request-headers", "").split(",")
        if one.strip()
    ]
    found = _match(document["CORSRules"], origin, method, asked)
    if found is None:
        raise S3Error(
            "AccessForbidden",
            "CORSResponse: This CORS request is not allowed. This is usually because the evaluation of "
            "Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are "
            "not whitelisted by the resource's CORS spec.",
        )
    answered = _headers(found, origin)
    if asked:
        answered["Access-Control-Allow-Headers"] = ", ".join(asked)
    return answered


def actual(document: Mapping[str, Any], method: str, origin: str) -> dict[str, str]:
    """Return the headers for the answer to a request from another origin; none if no rule allows it."""
    found = _match(document["CORSRules"], origin, method, [])
    return _headers(found, origin) if found else {}


def _match(
    rules: Sequence[Mapping[str, Any]], origin: str, method: str, asked: Sequence[str]
) -> Mapping[str, Any] | None:
    for rule in rules:
        if (
            any(_fits(one, origin) for one in rule["AllowedOrigins"])
            and method in rule["AllowedMethods"]
            and all(any(_fits(one.lower(), name) for one in rule.get("AllowedHeaders", [])) for name in asked)
        ):
            return rule
    return None


def _fits(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), text) is not None


def _headers(rule: Mapping[str, Any], origin: str) -> dict[str, str]:
    everyone = "*" in rule["AllowedOrigins"]
    headers = {
        "Access-Control-Allow-Origin": "*" if everyone else origin,
        "Access-Control-Allow-Methods": ", ".join(rule["AllowedMethods"]),
        "Vary": "Origin, Access-Control-Request-Headers, Access-Control-Request-Method",
    }
    if not everyone:
        headers["Access-Control-Allow-Credentials"] = "true"
    if rule.get("ExposeHeaders"):
        headers["Access-Control-Expose-Headers"] = ", ".join(rule["ExposeHeaders"])
    if rule.get("MaxAgeSeconds") is not None:
        headers["Access-Control-Max-Age"] = str(rule["MaxAgeSeconds"])
    return headers
