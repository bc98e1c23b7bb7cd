"""Repositories of images: the common ground of ECR's API and its registry.

A repository with its images and tags is one document, written in one step; everything that the document
refers to is complete before it is written.

Differs from AWS: all repositories of the account share their layers, so a manifest may name layers that were
pushed to another repository.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from local_account.foundation.errors import Params, ServiceError
from local_account.services.ecr.blobs import Blobs, DigestError, digest_of

if TYPE_CHECKING:
    from datetime import datetime

    from mypy_boto3_ecr.literals import ImageTagMutabilityType
    from mypy_boto3_ecr.type_defs import (
        EncryptionConfigurationTypeDef,
        ImageIdentifierTypeDef,
        ImageScanningConfigurationTypeDef,
        ImageTagMutabilityExclusionFilterTypeDef,
    )

    from local_account.foundation.account import Account

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFESTS = (DOCKER_MANIFEST, OCI_MANIFEST)
_INDEXES = (DOCKER_LIST, OCI_INDEX)
MANIFEST_BYTES = 4 * 1024 * 1024
_FOREIGN = ("foreign", "nondistributable")


@dataclass(frozen=True)
class Manifest:
    """What a manifest says about itself."""

    content: bytes
    media_type: str
    artifact_type: str | None
    blobs: dict[str, int]
    """Size in bytes by digest of the configuration and the layers that it needs."""
    manifests: dict[str, int]
    """Size in bytes by digest of the manifests that an index lists."""
    subject: str | None

    @property
    def digest(self) -> str:
        """Digest of the manifest itself."""
        return digest_of(self.content)

    @classmethod
    def parse(cls, content: bytes, media_type: str | None) -> Manifest:
        """Parse a Docker schema 2 or OCI manifest or index.

        Raises ServiceError InvalidParameterException, saying what is wrong.
        """
        try:
            document = json.loads(content)
            stated = document.get("mediaType")
            media_type = media_type or stated or OCI_MANIFEST
            if media_type not in (*_MANIFESTS, *_INDEXES):
                raise ValueError(f"the media type {media_type} is not supported")  # noqa: TRY301
            if stated not in (None, media_type):
                raise ValueError(f"its mediaType is {stated}, but it was sent as {media_type}")  # noqa: TRY301
            if media_type in _INDEXES:
                blobs, manifests, artifact = {}, _sizes(document["manifests"]), document.get("artifactType")
            else:
                config = document["config"]
                blobs, manifests = _sizes([config, *document["layers"]]), {}
                artifact = document.get("artifactType", config.get("mediaType"))
            subject = (document.get("subject") or {}).get("digest")
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            reason = f"it has no {error}" if isinstance(error, KeyError) else str(error)
            raise ServiceError("InvalidParameterException", f"The manifest is not valid: {reason}") from error
        return cls(content, media_type, artifact, blobs, manifests, subject)


def _sizes(descriptors: Iterable[Params]) -> dict[str, int]:
    return {
        one["digest"]: int(one["size"])
        for one in descriptors
        if not any(word in one.get("mediaType", "") for word in _FOREIGN)
    }


class Image(TypedDict):
    """An image or an index; what it consists of is named by digest."""

    mediaType: str
    artifactMediaType: str | None
    size: int
    """Bytes of everything that its manifest lists."""
    pushedAt: datetime
    blobs: list[str]
    """Configuration and layers."""
    manifests: list[str]
    """The images that an index lists."""
    subject: str | None
    """The image that it refers to."""


class Repository(TypedDict):
    """A repository with its images: the members of the API's ``Repository``, and what it holds."""

    repositoryName: str
    createdAt: datetime
    imageTagMutability: ImageTagMutabilityType
    imageTagMutabilityExclusionFilters: Sequence[ImageTagMutabilityExclusionFilterTypeDef] | None
    imageScanningConfiguration: ImageScanningConfigurationTypeDef
    encryptionConfiguration: EncryptionConfigurationTypeDef
    lifecyclePolicyText: NotRequired[str | None]
    """None if it was deleted; so is ``policyText``."""
    lifecycleEvaluatedAt: NotRequired[datetime]
    policyText: NotRequired[str | None]
    resourceTags: dict[str, str]
    """Tags of the repository itself."""
    images: dict[str, Image]
    """By digest."""
    tags: dict[str, str]
    """Digests of the tagged images by tag."""


class Images:
    """All repositories of the account's registry, and the files behind them."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self.table = account.store.table("ecr-repositories", Repository)
        self.blobs = Blobs(account.config.state_dir / "registry")

    def repository(self, name: str) -> Repository:
        """Return the document of a repository; raise ServiceError RepositoryNotFoundException."""
        document = self.table.get(name)
        if document is None:
            raise self._no_repository(name)
        return document

    def find(self, name: str, image_id: ImageIdentifierTypeDef) -> tuple[str, Image] | None:
        """Return digest and record of the image with this ``imageDigest`` and/or ``imageTag``, or None."""
        document = self.repository(name)
        tag, digest = image_id.get("imageTag"), image_id.get("imageDigest")
        found = document["tags"].get(tag) if tag else digest
        if found is None or (digest and found != digest) or found not in document["images"]:
            return None
        return found, document["images"][found]

    def put(
        self,
        name: str,
        manifest: Manifest,
        tag: str | None,
        *,
        digest: str | None = None,
        again: bool = True,
    ) -> str:
        """Record an image and publish "ECR Image Action"; return its digest.

        Raises ServiceError RepositoryNotFoundException, LayersNotFoundException,
        ReferencedImagesNotFoundException, ImageDigestDoesNotMatchException (``digest`` differs),
        ImageTagAlreadyExistsException (immutable tags) and, unless ``again``, ImageAlreadyExistsException.
        """
        self._check_parts(name, manifest)
        if digest not in (None, manifest.digest):
            raise ServiceError(
                "ImageDigestDoesNotMatchException",
                f"The digest of the manifest is {manifest.digest}, not {digest}",
            )
        digest = self.blobs.write(manifest.content)
        try:
            with self.table.lock, self._account.store.together():
                with self.table.update(name) as document:
                    current = document["tags"].get(tag) if tag else None
                    known = digest in document["images"]
                    if not again and known and (tag is None or current == digest):
                        raise ServiceError(
                            "ImageAlreadyExistsException",
                            f"Image with digest '{digest}' and tag '{tag}' already exists in the repository "
                            f"with name '{name}' in registry with id '{self._account.config.account_id}'",
                        )
                    if current not in (None, digest) and is_immutable(document, str(tag)):
                        raise ServiceError(
                            "ImageTagAlreadyExistsException",
                            f"The image tag '{tag}' already exists in the '{name}' repository and cannot be "
                            "overwritten because the tag is immutable.",
                        )
                    if not known:
                        document["images"][digest] = self._record(manifest)
                    if tag:
                        document["tags"][tag] = digest
                if tag:
                    self._announce("PUSH", name, digest, tag, manifest.media_type)
        except KeyError as error:
            raise self._no_repository(name) from error
        self.blobs.release([digest, *manifest.blobs])
        return digest

    def delete(self, name: str, image_id: ImageIdentifierTypeDef) -> list[ImageIdentifierTypeDef]:
        """Delete an image with all its tags, or one tag (and with the last tag the image).

        Returns what was deleted as image ids. The image must exist. Raises ServiceError
        ImageReferencedByManifestList (a failure code of BatchDeleteImage) if an index refers to it.
        """
        with self.table.lock, self._account.store.together():
            with self.table.update(name) as document:
                tags = document["tags"]
                tag = image_id.get("imageTag")
                digest = tags[tag] if tag else image_id["imageDigest"]
                of_image = [one for one, target in tags.items() if target == digest]
                whole = not tag or of_image == [tag]
                if whole and any(digest in other["manifests"] for other in document["images"].values()):
                    raise ServiceError(
                        "ImageReferencedByManifestList", f"{digest} is part of an index: delete that first"
                    )
                removed = [tag] if tag else of_image
                for one in removed:
                    del tags[one]
                record = document["images"].pop(digest) if whole else document["images"][digest]
            gone: Sequence[str | None] = removed or [None]
            for each in gone:
                self._announce("DELETE", name, digest, each, record["mediaType"])
        if whole:
            self.collect([digest, *record["blobs"]])
        return [{"imageDigest": digest, **({"imageTag": each} if each else {})} for each in gone]

    def delete_repository(self, name: str, *, force: bool) -> Repository:
        """Delete a repository and return its document. Raises ServiceError RepositoryNotEmptyException."""
        with self.table.lock:
            document = self.repository(name)
            if document["images"] and not force:
                raise ServiceError(
                    "RepositoryNotEmptyException",
                    f"The repository with name '{name}' in registry with id "
                    f"'{self._account.config.account_id}' cannot be deleted because it still contains "
                    "images: delete them, or set force",
                )
            self.table.delete(name)
        self.collect(
            [one for digest, record in document["images"].items() for one in (digest, *record["blobs"])]
        )
        return document

    def collect(self, digests: Iterable[str]) -> None:
        """Delete those of the blobs that no image in any repository needs."""
        needed = {
            needed
            for document in self.table.values()
            for digest, record in document["images"].items()
            for needed in (digest, *record["blobs"])
        }
        self.blobs.collect(set(digests) - needed)

    def tags_of(self, document: Repository, digest: str) -> list[str]:
        """Return the tags of an image."""
        return [tag for tag, target in document["tags"].items() if target == digest]

    def _check_parts(self, name: str, manifest: Manifest) -> None:
        images = self.repository(name)["images"]
        try:
            missing = [one for one, size in manifest.blobs.items() if self.blobs.claim(one) != size]
        except DigestError as error:
            raise ServiceError("InvalidParameterException", f"The manifest is not valid: {error}") from error
        if missing:
            raise ServiceError(
                "LayersNotFoundException",
                f"Layers with digests '{', '.join(missing)}' were not found at the size that the manifest "
                f"states in the repository with name '{name}': push them first",
            )
        if absent := manifest.manifests.keys() - images.keys():
            raise ServiceError(
                "ReferencedImagesNotFoundException",
                f"The images '{', '.join(sorted(absent))}' in the index are not in the repository '{name}'",
            )

    def _record(self, manifest: Manifest) -> Image:
        return {
            "mediaType": manifest.media_type,
            "artifactMediaType": manifest.artifact_type,
            "size": sum(manifest.blobs.values()) + sum(manifest.manifests.values()),
            "pushedAt": self._account.now(),
            "blobs": list(manifest.blobs),
            "manifests": list(manifest.manifests),
            "subject": manifest.subject,
        }

    def _announce(self, action: str, name: str, digest: str, tag: str | None, media_type: str) -> None:
        # "Amazon ECR events and EventBridge" in the Amazon ECR User Guide
        detail: dict[str, Any] = {
            "result": "SUCCESS",
            "repository-name": name,
            "image-digest": digest,
            "action-type": action,
            "manifest-media-type": media_type,
        }
        self._account.bus.publish(
            "aws.ecr", "ECR Image Action", {**detail, **({"image-tag": tag} if tag else {})}
        )

    def _no_repository(self, name: str) -> ServiceError:
        return ServiceError(
            "RepositoryNotFoundException",
            f"The repository with name '{name}' does not exist in the registry with id "
            f"'{self._account.config.account_id}'",
        )


def is_immutable(document: Repository, tag: str) -> bool:
    """Return whether a tag of a repository may not be moved (PutImageTagMutability)."""
    mutability = document["imageTagMutability"]
    excluded = any(
        fnmatch.fnmatchcase(tag, one["filter"])
        for one in document.get("imageTagMutabilityExclusionFilters") or []
    )
    return excluded if mutability == "MUTABLE_WITH_EXCLUSION" else not excluded and mutability != "MUTABLE"
