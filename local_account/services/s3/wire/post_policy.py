"""Uploads from a browser: a form whose policy was signed by someone who may write.

Contract: Amazon S3 API Reference, "Browser-based uploads using POST", "POST policy" and "Authenticating
requests: browser-based uploads using POST".
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_account.services.s3.errors import S3Error
from local_account.services.s3.wire import signatures_v2
from local_account.services.s3.wire.credentials import Lookup, mismatch, secret_of
from local_account.services.s3.wire.forms import Form, Upload, headers_of, missing_field, read_form
from local_account.services.s3.wire.signatures import sign, signing_key

__all__ = ["Form", "Upload", "check", "headers_of", "read_form"]

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_UNCHECKED = frozenset(("x-amz-signature", "file", "policy", "signature", "awsaccesskeyid"))


def check(form: Form, bucket: str, lookup: Lookup, now: datetime) -> str:
    """Verify a form's signature and policy; return the access key id that signed it, "" if it is anonymous.

    Applies ``content-length-range`` to the form's file. Raises S3Error: AccessDenied ("Invalid according to
    Policy: …"), InvalidPolicyDocument, InvalidAccessKeyId, InvalidArgument, SignatureDoesNotMatch.
    """
    fields = form.fields
    if "policy" not in fields:
        if fields.keys() & {"x-amz-signature", "signature", "x-amz-credential", "awsaccesskeyid"}:
            raise missing_field("policy")
        return ""
    access_key_id = _verify(fields, lookup, now)
    policy = _document(fields["policy"])
    _check_expiration(policy.get("expiration"), now)
    conditions = policy.get("conditions")
    if not isinstance(conditions, list):
        raise _invalid("Policy missing conditions.")
    values = {**fields, "bucket": bucket}
    covered = {"bucket"}
    for condition in conditions:
        covered |= _check_condition(condition, values, form.file)
    extra = [
        name
        for name in fields
        if name not in covered and name not in _UNCHECKED and not name.startswith("x-ignore-")
    ]
    if extra:
        raise _denied(f"Extra input fields: {', '.join(extra)}")
    return access_key_id


def _verify(fields: Mapping[str, str], lookup: Lookup, now: datetime) -> str:
    """Return the access key id that signed the policy, with Version 4 or 2."""
    token = fields.get("x-amz-security-token", "")
    policy = fields["policy"]
    if "awsaccesskeyid" in fields and "x-amz-credential" not in fields:
        if "signature" not in fields:
            raise missing_field("signature")
        access_key_id, given = fields["awsaccesskeyid"], fields["signature"]
        expected = signatures_v2.sign(secret_of(access_key_id, token, lookup, now), _latin(policy))
    else:
        for name in ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-Signature"):
            if name.lower() not in fields:
                raise missing_field(name)
        if fields["x-amz-algorithm"] != "AWS4-HMAC-SHA256":
            raise _argument("X-Amz-Algorithm only supports AWS4-HMAC-SHA256", fields, "X-Amz-Algorithm")
        parts = fields["x-amz-credential"].rsplit("/", 4)
        if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"]:
            raise _argument(
                'the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request".',
                fields,
                "X-Amz-Credential",
            )
        access_key_id, date, region = parts[:3]
        given = fields["x-amz-signature"]
        secret = secret_of(access_key_id, token, lookup, now)
        expected = sign(signing_key(secret, date, region), _latin(policy))
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise mismatch(access_key_id, policy, given)
    return access_key_id


def _document(policy: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.b64decode(policy, validate=True))
    except (binascii.Error, ValueError):
        raise _invalid("Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    return document


def _check_expiration(given: object, now: datetime) -> None:
    if given is None:
        raise _invalid("Policy missing expiration.")
    try:
        if not _TIME.fullmatch(str(given)):
            raise ValueError("not ISO 8601, in UTC")  # noqa: TRY301
        expiration = datetime.fromisoformat(str(given))
    except ValueError:
        raise _invalid(f"Invalid 'expiration' value: '{given}'") from None
    if now > expiration:
        raise _denied("Policy expired.")


def _check_condition(condition: Any, values: Mapping[str, str], file: Upload) -> set[str]:
    """Check one condition of a policy; return the names of the fields that it is about."""
    if isinstance(condition, dict):
        if len(condition) != 1:
            raise _invalid(
                "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
            )
        for name, value in condition.items():
            _require(values.get(name.lower(), "") == str(value), ["eq", f"${name}", value])
        return {name.lower() for name in condition}
    if not isinstance(condition, list) or len(condition) != 3:
        raise _invalid("Invalid Condition: a condition is an object or a list of three.")
    operator, first, second = condition
    match str(operator).lower():
        case "content-length-range":
            try:
                file.smallest, file.largest = int(first), min(int(second), file.largest)
            except (TypeError, ValueError):
                raise _invalid("Invalid content-length-range: the bounds are not numbers.") from None
            return set()
        case "eq" | "starts-with" as kind if isinstance(first, str) and first.startswith("$"):
            name = first[1:].lower()
            value = values.get(name, "")
            # A list of types, in which each must begin so ("Condition matching").
            parts = value.split(",") if name == "content-type" and kind == "starts-with" else [value]
            holds = value == second if kind == "eq" else all(
                part.strip().startswith(str(second)) for part in parts
            )  # fmt: skip
            _require(holds, condition)
            return {name}
    raise _invalid(f"Invalid Condition: {json.dumps(condition)}")


def _require(holds: bool, condition: list[Any]) -> None:
    if not holds:
        raise _denied(f"Policy Condition failed: {json.dumps(condition)}")


def _latin(policy: str) -> str:
    """Return the policy's bytes as characters, which `sign` takes."""
    return policy.encode().decode("latin-1")


def _denied(reason: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {reason}")


def _invalid(reason: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {reason}")


def _argument(message: str, fields: Mapping[str, str], name: str) -> S3Error:
    return S3Error("InvalidArgument", message, ArgumentName=name, ArgumentValue=fields[name.lower()])
