"""Repositories of ECR and their images: tags, digests, sizes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from local_account.console import links
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

_SECTION = "Images"
_SHOWN = 100


def listing(visit: Visit) -> Answer:
    """All repositories."""
    client: ECRClient = visit.client("ecr")
    found = [
        one
        for page in client.get_paginator("describe_repositories").paginate()
        for one in page["repositories"]
    ]
    return Page("image_repositories.html", "Image repositories", _SECTION, {"repositories": found})


def repository(visit: Visit, account: str, name: str) -> Answer:
    """A repository: its images, newest first."""
    client: ECRClient = visit.client("ecr")
    name = name.partition("/_/")[0]  # AWS's pages of single images are below
    found = client.describe_repositories(repositoryNames=[name])["repositories"][0]
    answer = client.describe_images(repositoryName=name, maxResults=_SHOWN)
    images = sorted(answer["imageDetails"], key=lambda one: one["imagePushedAt"], reverse=True)
    values = {"repository": found, "images": images, "more": "nextToken" in answer}
    return Page("image_repository.html", name, _SECTION, values, ((_SECTION, links.image_repositories()),))


PAGES: Mapping[str, Render] = {
    "/ecr/home": listing,
    "/ecr/repositories": listing,
    "/ecr/private-registry/repositories": listing,
    "/ecr/repositories/private/<account>/<path:name>": repository,
}
