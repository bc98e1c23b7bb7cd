"""Images, pulled from the account's ECR registry to the Docker Engine.

Differs from AWS: images are those of the account's ECR, under `127.0.0.1:PORT/…` or under AWS's name,
`ACCOUNT.dkr.ecr.REGION.amazonaws.com/…`. AWS's own images (the SageMaker Distribution, deep learning
containers) belong to other accounts, and are refused.

Differs from AWS: CreateTrainingJob takes images whose manifest is OCI's, and CreateModel refuses them, as
people report of AWS, which documents neither. Source: github.com/aws/amazon-sagemaker-feedback issue 180,
github.com/mlflow/mlflow issue 13834.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.authorization import granted
from local_account.foundation.containers import engine_errors, explained
from local_account.foundation.errors import ServiceError

if TYPE_CHECKING:
    from docker.models.containers import Container
    from mypy_boto3_ecr.type_defs import ImageDetailTypeDef

    from local_account.foundation.account import Account


_ECR_HOST = re.compile(r"\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|on\.aws)")
_SERVABLE = {
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
}
PULL = ("GetAuthorizationToken", "BatchGetImage", "GetDownloadUrlForLayer", "BatchCheckLayerAvailability")
"""What pulling takes of an execution role (SageMaker AI Developer Guide, "How to use SageMaker AI execution
roles", for CreateTrainingJob and CreateModel)."""


class ImageError(Exception):
    """An image that is not available; the message says why."""


class PullDenied(ImageError):  # noqa: N818 - what happened, in AWS's words
    """The role is not allowed to pull an image; the message says what it lacks."""


class EngineError(Exception):
    """The Docker Engine cannot be reached; the message says what to do."""


@dataclass(frozen=True)
class ImageUri:
    """``registry/repository[:tag][@digest]``."""

    registry: str
    repository: str
    tag: str
    digest: str

    @classmethod
    def parse(cls, uri: str) -> ImageUri:
        """Split a URI; without a tag and a digest, the tag is ``latest``."""
        name, _, digest = uri.partition("@")
        registry, _, path = name.partition("/")
        repository, _, tag = path.partition(":")
        return cls(registry, repository, tag or ("" if digest else "latest"), digest)

    @property
    def name(self) -> str:
        """``registry/repository``."""
        return f"{self.registry}/{self.repository}"


def resolve(account: Account, uri: str) -> str:
    """Return the URI by digest of an image in the account's ECR; raise ImageError if there is none.

    A tag may move; a job or an endpoint runs the image that the tag referred to at creation.
    """
    image, detail = _find(account, uri)
    return f"{image.name}@{detail['imageDigest']}"


def check_servable(account: Account, uri: str) -> None:
    """Raise ImageError for an image that is not in the account's ECR, or that a model cannot have.

    CreateModel takes images with a manifest of Docker's own format only. CreateTrainingJob also runs those
    with an OCI manifest or index, as people report who used one image for both (aws/amazon-sagemaker-feedback
    issue 180, mlflow/mlflow issue 13834).
    """
    _, detail = _find(account, uri)
    if (media_type := detail["imageManifestMediaType"]) not in _SERVABLE:
        raise ImageError(
            f"Unsupported manifest media type {media_type} for image {uri}. Ensure that valid manifest media "
            "type is used for specified image."
        )


def digest(account: Account, uri: str) -> str:
    """Return the digest of an image in the account's ECR; raise ImageError if there is none."""
    return _find(account, uri)[1]["imageDigest"]


def _find(account: Account, uri: str) -> tuple[ImageUri, ImageDetailTypeDef]:
    image = ImageUri.parse(uri)
    config = account.config
    if image.registry not in (config.registry, config.ecr_host):
        if _ECR_HOST.fullmatch(image.registry):
            raise ImageError(
                f"The local account does not have the image {uri} of another account or region: push a copy "
                f"to a repository of account {config.account_id} in {config.region}."
            )
        raise ImageError(
            f'Using non-ECR image "{uri}" without Vpc repository access mode is not supported. Push it to an '
            "Amazon ECR repository and use the repositoryUri that ECR returns."
        )
    ecr = account.client("ecr")
    wanted = {"imageDigest": image.digest} if image.digest else {"imageTag": image.tag}
    try:
        details = ecr.describe_images(repositoryName=image.repository, imageIds=[wanted])["imageDetails"]
    except (ecr.exceptions.RepositoryNotFoundException, ecr.exceptions.ImageNotFoundException) as error:
        raise ImageError(f"Requested image {uri} not found.") from error
    return image, details[0]


def on_engine(account: Account, uri: str) -> str:
    """Return the name under which the engine can pull an image of the account's ECR.

    Not every engine knows AWS's name of the registry, see `local_account.engine.ecr_names`.
    """
    host, slash, path = uri.partition("/")
    return f"{account.config.registry}{slash}{path}" if host == account.config.ecr_host else uri


def pull(account: Account, resolved: str, role_arn: str) -> None:
    """Log in to the registry and pull an image by digest, unless the engine already has it.

    Raises PullDenied if the role is not allowed to, ImageError if the registry does not provide it,
    EngineError if no engine answers.
    """
    from docker.errors import APIError, ImageNotFound

    image = ImageUri.parse(resolved)
    _check_pull(account, image, role_arn)
    try:
        images = account.containers.client.images
        try:
            images.get(on_engine(account, resolved))
        except ImageNotFound:
            images.pull(on_engine(account, image.name), tag=image.digest, auth_config=_login(account))
    except APIError as error:
        raise ImageError(f"Cannot pull {resolved}: {explained(error)}") from error
    except engine_errors() as error:
        raise EngineError(explained(error)) from error


def create_container(account: Account, group: str, image: str, **options: Any) -> Container:
    """Create a container of a group without starting it; ``options`` are docker-py's.

    ``logs`` can read its output, whatever the engine's default log driver.
    """
    from docker.types import LogConfig

    log_config = LogConfig(type=LogConfig.types.JSON)
    return account.containers.create(group, on_engine(account, image), log_config=log_config, **options)


def _check_pull(account: Account, image: ImageUri, role_arn: str) -> None:
    for operation in PULL:
        named = {} if operation == "GetAuthorizationToken" else {"repositoryName": image.repository}
        try:
            granted.require(account, role_arn, "ecr", operation, named)
        except ServiceError as error:
            raise PullDenied(
                f"The role '{role_arn}' does not have {operation} permission for the image: "
                f"'{image.name}@{image.digest}'. {error.message}"
            ) from error


def _login(account: Account) -> dict[str, str]:
    token = account.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    return {"username": user, "password": password}
