"""Condition keys of a request: what every request has, and the tags of an object, found when a policy asks.

Contract: IAM User Guide, "AWS global condition context keys"; Service Authorization Reference, "Actions,
resources, and condition keys for Amazon S3". Keys are in lower case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local_account.services.s3.call import Call

TAGGED_ACTIONS = frozenset(
    f"s3:{verb}Object{version}{what}"
    for verb, what in (
        ("Get", ""),
        ("Get", "Acl"),
        ("Get", "Tagging"),
        ("Get", "Attributes"),
        ("Put", "Acl"),
        ("Put", "Tagging"),
        ("Delete", "Tagging"),
    )
    for version in ("", "Version")
)
"""Actions that know ``s3:ExistingObjectTag``."""
_EXISTING_TAG = "s3:existingobjecttag/"


class Circumstances(Mapping[str, list[str]]):
    """Condition keys with their values; tags are looked up once, and only for a policy that names one."""

    def __init__(self, known: Mapping[str, list[str]], tags: Callable[[], Mapping[str, str]]) -> None:
        self._known = known
        self._look_up = tags
        self._tags: dict[str, list[str]] | None = None

    def __getitem__(self, key: str) -> list[str]:
        if not key.startswith(_EXISTING_TAG):
            return self._known[key]
        return self._existing()[key]

    def __iter__(self) -> Iterator[str]:
        return iter({**self._known, **self._existing()})

    def __len__(self) -> int:
        return len({**self._known, **self._existing()})

    def _existing(self) -> Mapping[str, list[str]]:
        if self._tags is None:
            self._tags = {f"{_EXISTING_TAG}{key.lower()}": [value] for key, value in self._look_up().items()}
        return self._tags


def of_every_request(call: Call, account_id: str, region: str, now: datetime) -> dict[str, list[str]]:
    """Return the global condition keys of a request."""
    known = {
        "aws:currenttime": [now.strftime("%Y-%m-%dT%H:%M:%SZ")],
        "aws:epochtime": [str(int(now.timestamp()))],
        "aws:requestedregion": [region],
        "aws:resourceaccount": [account_id],
        "s3:resourceaccount": [account_id],
        "aws:principaltype": ["Anonymous"],
    }
    if call.signature is not None and call.signature.timestamp:
        known["s3:signatureage"] = [str(_milliseconds_since(call.signature.timestamp, now))]
    if not call.anonymous:
        known["aws:principaltype"] = ["AssumedRole" if call.caller else "Account"]
        known["aws:principalaccount"] = [account_id]
        known["aws:principalarn"] = [
            call.caller.role_arn if call.caller else f"arn:aws:iam::{account_id}:root"
        ]
    for header, key in (("referer", "aws:referer"), ("user-agent", "aws:useragent")):
        if header in call.headers:
            known[key] = [call.headers[header]]
    return known


def _milliseconds_since(timestamp: str, now: datetime) -> int:
    signed = datetime.strptime(timestamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return int((now - signed) / timedelta(milliseconds=1))
