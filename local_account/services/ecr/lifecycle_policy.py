"""Lifecycle policies of ECR repositories: which images a policy expires.

Contract: "Lifecycle policy properties" and "How the lifecycle policy evaluator works" in the Amazon ECR User
Guide.

Refuses (PutLifecyclePolicy): other counts than `imageCountMoreThan` and `sinceImagePushed`, the archive.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from local_account.foundation.errors import Params, ServiceError

if TYPE_CHECKING:
    from local_account.services.ecr.images import Repository

_COUNT_TYPES = ("imageCountMoreThan", "sinceImagePushed")
_STATUSES = ("tagged", "untagged", "any")
_MEMBERS = {"rulePriority", "description", "selection", "action"}
_SELECTION = {
    *("tagStatus", "tagPrefixList", "tagPatternList", "countType", "countNumber", "countUnit"),
    "storageClass",
}
_ACTION = {"type", "targetStorageClass"}
_WILDCARDS = 4
"""Stars of a pattern, at most."""


@dataclass(frozen=True)
class Rule:
    """One rule of a policy; ``patterns`` are globs, each of which one of an image's tags must match."""

    priority: int
    status: str
    patterns: tuple[str, ...]
    count_type: str
    count: int

    @classmethod
    def parse(cls, rule: Params) -> Rule:
        """Parse one rule; raise ValueError or KeyError for what is wrong or missing."""
        selection = rule["selection"]
        for part, members in ((rule, _MEMBERS), (selection, _SELECTION), (rule["action"], _ACTION)):
            if other := sorted(part.keys() - members):
                raise ValueError(f"{other[0]} is not a property of a rule")
        prefixes, globs = selection.get("tagPrefixList", []), selection.get("tagPatternList", [])
        parsed = cls(
            priority=_integer(rule, "rulePriority"),
            status=selection["tagStatus"],
            patterns=(*(f"{prefix}*" for prefix in prefixes), *globs),
            count_type=selection["countType"],
            count=_integer(selection, "countNumber"),
        )
        if parsed.status not in _STATUSES:
            raise ValueError(f"tagStatus must be one of {', '.join(_STATUSES)}")
        if (parsed.status == "tagged") != bool(parsed.patterns):
            raise ValueError(
                "tagPrefixList or tagPatternList is required with tagStatus tagged, and only allowed with it"
            )
        if any(glob.count("*") > _WILDCARDS for glob in globs):
            raise ValueError(f"a pattern of tagPatternList has at most {_WILDCARDS} wildcards")
        if parsed.count_type not in _COUNT_TYPES:
            raise ValueError(
                f"countType {parsed.count_type} is not supported by the local account: "
                f"use {' or '.join(_COUNT_TYPES)}"
            )
        if (parsed.count_type == "sinceImagePushed") != (selection.get("countUnit") == "days"):
            raise ValueError(
                "countUnit days is required with countType sinceImagePushed, and only allowed with it"
            )
        if selection.get("storageClass", "standard") != "standard":
            raise ValueError("storage classes other than standard are not supported by the local account")
        if parsed.count < 1 or parsed.priority < 1:
            raise ValueError("countNumber and rulePriority must be 1 or more")
        if rule["action"].get("type") != "expire":
            raise ValueError("the action's type must be expire")
        return parsed

    def selects(self, tags: list[str]) -> bool:
        """Return whether the rule applies to an image with these tags."""
        if self.status == "tagged":
            return all(any(_matches(glob, tag) for tag in tags) for glob in self.patterns)
        return self.status == "any" or not tags

    def expires(self, pushed: dict[str, datetime], now: datetime) -> set[str]:
        """Return which images, given by digest with the time of their push, are too many or too old."""
        if self.count_type == "sinceImagePushed":
            return {digest for digest, at in pushed.items() if at < now - timedelta(days=self.count)}
        return set(sorted(pushed, key=lambda digest: pushed[digest], reverse=True)[self.count :])


def _integer(part: Params, name: str) -> int:
    value = part[name]
    if type(value) is not int:
        raise ValueError(f"{name} must be an integer, not {json.dumps(value)}")
    return value


def _matches(glob: str, tag: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, glob.split("*"))), tag) is not None


def parse(text: str) -> list[Rule]:
    """Return the rules of a policy by priority. Raises ServiceError InvalidParameterException."""
    try:
        rules = sorted(
            (Rule.parse(rule) for rule in json.loads(text)["rules"]), key=lambda rule: rule.priority
        )
        if not rules:
            raise ValueError("rules must have at least one rule")  # noqa: TRY301
        if len({rule.priority for rule in rules}) < len(rules):
            raise ValueError("every rule must have a unique rulePriority")  # noqa: TRY301
        if sum(rule.status == "untagged" for rule in rules) > 1:
            raise ValueError("only one rule may select untagged images")  # noqa: TRY301
        selections = [frozenset(rule.patterns) for rule in rules if rule.patterns]
        if len(set(selections)) < len(selections):
            raise ValueError("every rule must have its own tagPrefixList or tagPatternList")  # noqa: TRY301
        if any(rule.status == "any" for rule in rules[:-1]):
            raise ValueError("a rule for tagStatus any must have the highest rulePriority")  # noqa: TRY301
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ServiceError(
            "InvalidParameterException",
            f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: {reason}",
        ) from error
    return rules


def expired(rules: list[Rule], repository: Repository, now: datetime) -> list[str]:
    """Return the digests of a repository's images that its rules expire, oldest first.

    Every rule counts all images that it selects; an image expires by the first rule that selects it, or
    not at all. An image that an index refers to stays as long as the index.
    """
    tags: dict[str, list[str]] = {digest: [] for digest in repository["images"]}
    for tag, digest in repository["tags"].items():
        tags[digest].append(tag)
    gone: list[str] = []
    claimed: set[str] = set()
    for rule in rules:
        selected = [digest for digest in tags if rule.selects(tags[digest])]
        too_many = rule.expires({one: repository["images"][one]["pushedAt"] for one in selected}, now)
        gone += [digest for digest in selected if digest in too_many and digest not in claimed]
        claimed |= set(selected)
    parts = {
        part
        for digest, record in repository["images"].items()
        if digest not in gone
        for part in record["manifests"]
    }
    left = sorted(set(gone) - parts, key=lambda digest: repository["images"][digest]["pushedAt"])
    # An index goes before the images it refers to, so that it never refers to a missing one.
    return sorted(left, key=lambda digest: not repository["images"][digest]["manifests"])
