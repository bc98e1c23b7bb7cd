"""Which images a lifecycle policy expires."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_account.foundation.errors import ServiceError
from local_account.services.ecr.lifecycle_policy import expired, parse

NOW = datetime(2025, 1, 31, tzinfo=UTC)


Image = tuple[Any, ...]
"""Digest, age in days, tags, digests in an index."""


def rule(priority: int = 1, **selection: Any) -> dict[str, Any]:
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1} | selection
    return {
        "rulePriority": priority,
        "selection": {key: value for key, value in selection.items() if value is not None},
        "action": {"type": "expire"},
    }


def repository(*images: Image) -> Any:
    return {
        "images": {
            digest: {"pushedAt": NOW - timedelta(days=age), "manifests": list(more[1:])}
            for digest, age, *more in images
        },
        "tags": {tag: digest for digest, _, tags, *_ in images for tag in tags},
    }


def gone(images: Sequence[Image], *rules: dict[str, Any]) -> list[str]:
    return expired(parse(json.dumps({"rules": list(rules)})), repository(*images), NOW)


def test_the_newest_images_stay_by_count() -> None:
    images = [("a", 3, []), ("b", 2, ["x"]), ("c", 1, [])]
    assert gone(images, rule(countNumber=2)) == ["a"]


def test_old_images_expire_by_age() -> None:
    images = [("a", 30, []), ("b", 2, []), ("c", 40, ["kept"])]
    since: dict[str, Any] = {"countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14}
    assert gone(images, rule(tagStatus="untagged", **since)) == ["a"]


def test_an_image_expires_by_the_first_rule_that_selects_it_or_not_at_all() -> None:
    images = [("a", 5, ["prod-1"]), ("b", 4, ["prod-2"]), ("c", 3, []), ("d", 2, [])]
    keep_prod = rule(1, tagStatus="tagged", tagPrefixList=["prod"], countNumber=2)
    assert gone(images, keep_prod, rule(2, countNumber=1)) == ["c"]


def test_tags_match_every_pattern() -> None:
    images = [("a", 5, ["v1-x"]), ("b", 4, ["v2-x", "old-b"]), ("c", 3, ["v3-x", "old-c"])]
    selection: dict[str, Any] = {"tagStatus": "tagged", "tagPatternList": ["v*-x", "old*"]}
    assert gone(images, rule(**selection)) == ["b"]


def test_images_in_a_kept_index_stay() -> None:
    images: list[Image] = [("part", 9, []), ("index", 1, ["latest"], "part")]
    assert gone(images, rule(tagStatus="untagged", countNumber=1)) == []
    both: list[Image] = [("part", 9, []), ("index", 8, [], "part"), ("new", 1, [])]
    assert gone(both, rule(countNumber=1)) == ["index", "part"]


@pytest.mark.parametrize(
    "rules",
    [
        [rule(tagStatus="some")],
        [rule(tagStatus="tagged")],
        [rule(tagPrefixList=["x"])],
        [rule(countType="sinceImagePushed")],
        [rule(countType="sinceImagePulled", countUnit="days")],
        [rule(countNumber=0)],
        [rule(countNumber=None)],
        [rule(1), rule(1, tagStatus="untagged")],
        [rule(1), rule(2, tagStatus="untagged")],
        [rule() | {"action": {"type": "forget"}}],
        None,
    ],
)
def test_invalid_policies_are_refused(rules: Any) -> None:
    with pytest.raises(ServiceError, match="LifecyclePolicyText"):
        parse(json.dumps({"rules": rules}))
