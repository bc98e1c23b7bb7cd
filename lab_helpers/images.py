"""Images in Amazon ECR."""

from __future__ import annotations

import base64
import subprocess
from dataclasses import dataclass
from datetime import datetime

from lab_helpers import console
from lab_helpers.display import Table, size
from lab_helpers.lab import Lab


@dataclass(frozen=True)
class Image:
    """An image from ECR DescribeImages; `bytes` is the compressed size."""

    repository_uri: str
    digest: str
    tags: tuple[str, ...]
    bytes: int
    pushed_at: datetime

    @property
    def uri(self) -> str:
        """The immutable name of the image: `repository@sha256:…`."""
        return f"{self.repository_uri}@{self.digest}"


def repository_uri(lab: Lab, repository: str) -> str:
    """Return the URI of a repository as ECR gives it: never build a registry's host name yourself."""
    described = lab.client("ecr").describe_repositories(repositoryNames=[repository])
    return str(described["repositories"][0]["repositoryUri"])


def list_images(lab: Lab, repository: str) -> list[Image]:
    """Return the images of a repository, newest first."""
    uri = repository_uri(lab, repository)
    pages = lab.client("ecr").get_paginator("describe_images").paginate(repositoryName=repository)
    images = [
        Image(
            repository_uri=uri,
            digest=detail["imageDigest"],
            tags=tuple(detail.get("imageTags", ())),
            bytes=detail.get("imageSizeInBytes", 0),
            pushed_at=detail["imagePushedAt"],
        )
        for page in pages
        for detail in page["imageDetails"]
    ]
    return sorted(images, key=lambda image: image.pushed_at, reverse=True)


def find(lab: Lab, repository: str, tag: str) -> Image | None:
    """Return the image with `tag`, if there is one."""
    return next((image for image in list_images(lab, repository) if tag in image.tags), None)


def table(images: list[Image]) -> Table:
    """Show images with tags, size, time and digest."""
    return Table(
        ["tags", "compressed size", "pushed at", "digest"],
        [
            [", ".join(i.tags), size(i.bytes), f"{i.pushed_at:%Y-%m-%d %H:%M:%S}", i.digest[:19] + "…"]
            for i in images
        ],
    )


def login(lab: Lab) -> None:
    """Log the docker client in to the registry, as `aws ecr get-login-password | docker login` does."""
    authorization = lab.client("ecr").get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(authorization["authorizationToken"]).decode().partition(":")
    command = ["docker", "login", "--username", user, "--password-stdin", authorization["proxyEndpoint"]]
    result = subprocess.run(command, input=password, capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(
            f"docker login to {authorization['proxyEndpoint']} failed: {result.stderr.strip()}\n"
            "What to do: check that docker runs (`docker info`), then run this cell again."
        )


def pull(lab: Lab, uri: str) -> str:
    """Pull an image from ECR to this notebook instance and return its URI."""
    login(lab)
    result = subprocess.run(["docker", "pull", uri], capture_output=True, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(
            f"docker pull {uri} failed: {result.stderr.strip()}\n"
            f"What to do: check that the image exists ({_page(lab, uri)}), then run this cell again."
        )
    return uri


def _page(lab: Lab, uri: str) -> str:
    """Return the console's page of the repository of an image."""
    repository = uri.partition("/")[2].partition("@")[0].partition(":")[0]
    return console.of(lab.client("ecr")).image_repository(lab.account, repository)
