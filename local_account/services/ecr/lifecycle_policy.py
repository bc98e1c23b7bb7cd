"""Lifecycle policies of ECR repositories: which images a policy lets go.

Contract: "Lifecycle policy properties" and "How the lifecycle policy evaluator works" in the Amazon ECR User
Guide.
"""

from __future__ import annotations

import fnmatch
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.store import Document

_COUNT_TYPES = ("imageCountMoreThan", "sinceImagePushed")
_STATUSES = ("tagged", "untagged", "any")


@dataclass(frozen=True)
class Rule:
    """One rule of a policy; ``patterns`` are globs that an image's tags must match, each by some tag."""

    priority: int
    status: str
    patterns: tuple[str, ...]
    count_type: str
    count: int

    @classmethod
    def parse(cls, rule: Params) -> Rule:
        """Read one rule; raise ValueError or KeyError with what is wrong or missing."""
        selection = rule["selection"]
        prefixes, globs = selection.get("tagPrefixList", []), selection.get("tagPatternList", [])
        parsed = cls(
            priority=int(rule["rulePriority"]),
            status=selection["tagStatus"],
            patterns=(*(f"{prefix}*" for prefix in prefixes), *globs),
            count_type=selection["countType"],
            count=int(selection["countNumber"]),
        )
        if parsed.status not in _STATUSES:
            raise ValueError(f"tagStatus must be one of {', '.join(_STATUSES)}")
        if (parsed.status == "tagged") != bool(parsed.patterns):
            raise ValueError("tagPrefixList or tagPatternList goes with tagStatus tagged, and only with it")
        if parsed.count_type not in _COUNT_TYPES:
            raise ValueError(
                f"countType {parsed.count_type} is not supported by the local account: "
                f"use {' or '.join(_COUNT_TYPES)}"
            )
        if (parsed.count_type == "sinceImagePushed") != (selection.get("countUnit") == "days"):
            raise ValueError("countUnit days goes with countType sinceImagePushed, and only with it")
        if parsed.count < 1 or parsed.priority < 1:
            raise ValueError("countNumber and rulePriority must be 1 or more")
        if rule["action"].get("type") != "expire":
            raise ValueError("the type of the action must be expire")
        return parsed

    def selects(self, tags: list[str]) -> bool:
        """Tell whether an image with these tags is one that the rule is about."""
        if self.status == "tagged":
            return all(any(fnmatch.fnmatchcase(tag, glob) for tag in tags) for glob in self.patterns)
        return self.status == "any" or not tags

    def expires(self, pushed: dict[str, datetime], now: datetime) -> set[str]:
        """Return which images, given by digest with the time of their push, are too many or too old."""
        if self.count_type == "sinceImagePushed":
            return {digest for digest, at in pushed.items() if at < now - timedelta(days=self.count)}
        return set(sorted(pushed, key=lambda digest: pushed[digest], reverse=True)[self.count :])


def parse(text: str) -> list[Rule]:
    """Return the rules of a policy by priority; raise ServiceError InvalidParameterException."""
    try:
        rules = sorted(
            (Rule.parse(rule) for rule in json.loads(text)["rules"]), key=lambda rule: rule.priority
        )
        if len({rule.priority for rule in rules}) < len(rules):
            raise ValueError("every rule needs a rulePriority of its own")  # noqa: TRY301
        if any(rule.status == "any" for rule in rules[:-1]):
            raise ValueError("a rule for tagStatus any must have the highest rulePriority")  # noqa: TRY301
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
        raise ServiceError(
            "InvalidParameterException",
            f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: {reason}",
        ) from error
    return rules


def expired(rules: list[Rule], repository: Document, now: datetime) -> list[str]:
    """Return the digests of the images of a repository that its rules let go, oldest first.

    Every rule counts all images that it selects; an image goes by the first rule that selects it, or by
    none. What an index names stays as long as the index.
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
    # An index goes before what it names, so that nothing is ever named and not there.
    return sorted(left, key=lambda digest: not repository["images"][digest]["manifests"])
