"""Lifecycle rules: which ones S3 accepts, and what each calls for.

Contract: Amazon S3 User Guide, "Lifecycle configuration elements"; Amazon S3 API Reference,
PutBucketLifecycleConfiguration.

Refuses (PutBucketLifecycleConfiguration): transitions to other storage classes.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from local_account.services.s3 import tags
from local_account.services.s3.errors import S3Error

if TYPE_CHECKING:
    from local_account.services.s3.storage import ObjectVersion

MOST_RULES = 1000
_ACTIONS = (
    "Expiration",
    "NoncurrentVersionExpiration",
    "AbortIncompleteMultipartUpload",
    "Transitions",
    "NoncurrentVersionTransitions",
)
_PREDICATES = ("Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan")


@dataclass(frozen=True)
class Rule:
    """A rule that is enabled, as it is carried out. Days are None where there is no such action."""

    id: str
    prefix: str
    tags: Mapping[str, str]
    larger_than: int | None
    smaller_than: int | None
    days: int | None
    date: datetime | None
    expired_marker: bool
    noncurrent_days: int | None
    newer_noncurrent: int
    abort_days: int | None

    def matches(self, key: str, tagged: Mapping[str, str], size: int) -> bool:
        """Return whether the rule is for an object."""
        return (
            key.startswith(self.prefix)
            and all(tagged.get(name) == value for name, value in self.tags.items())
            and (self.larger_than is None or size > self.larger_than)
            and (self.smaller_than is None or size < self.smaller_than)
        )


def check(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the configuration as it is kept: each rule has an ID. Raises S3Error."""
    rules = [dict(rule) for rule in document.get("Rules", [])]
    if not 1 <= len(rules) <= MOST_RULES:
        raise S3Error("MalformedXML")
    for rule in rules:
        rule["ID"] = rule.get("ID") or uuid.uuid4().hex
        _check_rule(rule)
    if len({rule["ID"] for rule in rules}) < len(rules):
        raise S3Error("InvalidArgument", "Rule ID must be unique. Found same ID for more than one rule")
    return {"Rules": rules}


def rules(document: Mapping[str, Any]) -> list[Rule]:
    """Return the rules of a configuration that are enabled."""
    return [_rule(one) for one in document.get("Rules", []) if one["Status"] == "Enabled"]


def expiration(document: Mapping[str, Any], version: ObjectVersion) -> str:
    """Return ``x-amz-expiration`` of a current version: when it expires, by which rule; "" if never."""
    ends = [
        (rule.date or midnight_after(version.modified, rule.days or 0), rule.id)
        for rule in _parsed(document)
        if (rule.days is not None or rule.date is not None)
        and rule.matches(version.key, version.attributes.tags, version.size)
    ]
    if not ends:
        return ""
    moment, name = min(ends)
    return f'expiry-date="{format_datetime(moment, usegmt=True)}", rule-id="{quote(name)}"'


def midnight_after(moment: datetime, days: int) -> datetime:
    """Return the midnight (UTC) after days have passed."""
    passed = moment.astimezone(UTC) + timedelta(days=days)
    midnight = passed.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight if midnight == passed else midnight + timedelta(days=1)


_PARSED: dict[int, tuple[object, list[Rule]]] = {}


def _parsed(document: Mapping[str, Any]) -> list[Rule]:
    """Return `rules`, which a bucket's requests need again and again; each configuration is one object."""
    known = _PARSED.get(id(document))
    if known is None or known[0] is not document:
        if len(_PARSED) > 1000:
            _PARSED.clear()
        known = _PARSED[id(document)] = (document, rules(document))
    return known[1]


def _check_rule(rule: Mapping[str, Any]) -> None:
    if len(rule["ID"]) > 255:
        raise S3Error("InvalidArgument", "ID length should not exceed allowed limit of 255")
    if ("Filter" in rule) == ("Prefix" in rule):
        raise S3Error("MalformedXML")
    given = rule.get("Filter", {})
    if len([name for name in (*_PREDICATES, "And") if name in given]) > 1:
        raise S3Error("MalformedXML")
    if not any(name in rule for name in _ACTIONS):
        raise S3Error("InvalidRequest", "At least one action needs to be specified in a rule")
    for action in ("Transitions", "NoncurrentVersionTransitions"):
        if rule.get(action):
            raise S3Error(
                "NotImplemented", f"LifecycleConfiguration/{action} is not supported by the local account"
            )
    predicates = {**given, **given.get("And", {})}
    tagged = [predicates["Tag"]] if "Tag" in predicates else predicates.get("Tags", [])
    if len({one["Key"] for one in tagged}) < len(tagged):
        raise S3Error("InvalidRequest", "Duplicate Tag Keys are not allowed.")
    tags.of_object({"TagSet": tagged})
    _check_expiration(rule.get("Expiration"), tagged=bool(tagged))
    if "NoncurrentVersionExpiration" in rule:
        noncurrent = rule["NoncurrentVersionExpiration"]
        if "NoncurrentDays" not in noncurrent:
            raise S3Error("MalformedXML")
        _positive(noncurrent.get("NoncurrentDays"), "NoncurrentDays", "NoncurrentVersionExpiration")
        if not 1 <= noncurrent.get("NewerNoncurrentVersions", 1) <= 100:
            raise S3Error("InvalidArgument", "'NewerNoncurrentVersions' must be between 1 and 100")
    if "AbortIncompleteMultipartUpload" in rule:
        if tagged:
            raise S3Error("InvalidRequest", "AbortIncompleteMultipartUpload cannot be specified with Tags")
        days = rule["AbortIncompleteMultipartUpload"].get("DaysAfterInitiation")
        _positive(days, "DaysAfterInitiation", "AbortIncompleteMultipartUpload")


def _check_expiration(expiration: Mapping[str, Any] | None, *, tagged: bool) -> None:
    if expiration is None:
        return
    if len(expiration) != 1:
        raise S3Error("MalformedXML")
    if "Days" in expiration:
        _positive(expiration["Days"], "Days", "Expiration")
    if "Date" in expiration and not expiration["Date"].endswith("T00:00:00.000Z"):
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
    if tagged and "ExpiredObjectDeleteMarker" in expiration:
        raise S3Error("InvalidRequest", "ExpiredObjectDeleteMarker cannot be specified with Tags")


def _positive(days: int | None, name: str, action: str) -> None:
    if days is None or days < 1:
        raise S3Error("InvalidArgument", f"'{name}' for {action} action must be a positive integer")


def _rule(document: Mapping[str, Any]) -> Rule:
    given = document.get("Filter", {})
    predicates = {**given, **given.get("And", {})}
    tagged = [predicates["Tag"]] if "Tag" in predicates else predicates.get("Tags", [])
    expiration = document.get("Expiration", {})
    noncurrent = document.get("NoncurrentVersionExpiration", {})
    return Rule(
        id=document["ID"],
        prefix=document.get("Prefix") or predicates.get("Prefix", ""),
        tags={one["Key"]: one["Value"] for one in tagged},
        larger_than=predicates.get("ObjectSizeGreaterThan"),
        smaller_than=predicates.get("ObjectSizeLessThan"),
        days=expiration.get("Days"),
        date=datetime.fromisoformat(expiration["Date"]) if "Date" in expiration else None,
        expired_marker=expiration.get("ExpiredObjectDeleteMarker", False),
        noncurrent_days=noncurrent.get("NoncurrentDays"),
        newer_noncurrent=noncurrent.get("NewerNoncurrentVersions", 0),
        abort_days=document.get("AbortIncompleteMultipartUpload", {}).get("DaysAfterInitiation"),
    )
