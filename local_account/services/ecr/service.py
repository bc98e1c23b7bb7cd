"""Amazon ECR: the API to the images that the registry serves to ``docker``.

Contract: the Amazon ECR API Reference, operation by operation. Pushing and pulling are in
:mod:`~local_account.services.ecr.registry`.

Kept only (PutImageScanningConfiguration, SetRepositoryPolicy, DeleteRepositoryPolicy, GetRepositoryPolicy):
images are not scanned, and policies of repositories are not evaluated.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from local_account.authorization.policies import Policy
from local_account.engine.dockerd import name_registry
from local_account.foundation.errors import Params, ServiceError
from local_account.foundation.system_tags import limited
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service
from local_account.moto_backend import principals
from local_account.services.ecr import lifecycle_policy, registry_password
from local_account.services.ecr.blobs import DigestError
from local_account.services.ecr.images import Images, Manifest, Repository

if TYPE_CHECKING:
    from mypy_boto3_ecr.type_defs import (
        BatchCheckLayerAvailabilityRequestTypeDef,
        BatchDeleteImageRequestTypeDef,
        BatchGetImageRequestTypeDef,
        CreateRepositoryRequestTypeDef,
        DeleteLifecyclePolicyRequestTypeDef,
        DeleteRepositoryPolicyRequestTypeDef,
        DeleteRepositoryRequestTypeDef,
        DescribeImagesRequestTypeDef,
        DescribeRepositoriesRequestTypeDef,
        EncryptionConfigurationTypeDef,
        GetAuthorizationTokenRequestTypeDef,
        GetLifecyclePolicyRequestTypeDef,
        GetRepositoryPolicyRequestTypeDef,
        ImageIdentifierTypeDef,
        ListImagesRequestTypeDef,
        ListTagsForResourceRequestTypeDef,
        PutImageRequestTypeDef,
        PutImageScanningConfigurationRequestTypeDef,
        PutImageTagMutabilityRequestTypeDef,
        PutLifecyclePolicyRequestTypeDef,
        RepositoryTypeDef,
        SetRepositoryPolicyRequestTypeDef,
        TagResourceRequestTypeDef,
        UntagResourceRequestTypeDef,
    )

    from local_account.foundation.account import Account

_PolicyMember = Literal["lifecyclePolicyText", "policyText"]

log = logging.getLogger(__name__)

_PAGE = 100
_HOUR = 3600.0
_NAME = re.compile(r"(?:[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*/)*[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_SHOWN = (
    "repositoryName",
    "createdAt",
    "imageTagMutability",
    "imageTagMutabilityExclusionFilters",
    "imageScanningConfiguration",
    "encryptionConfiguration",
)


class Ecr(Service):
    """The ECR API.

    Lacks: `CreatePullThroughCacheRule`, `DescribeImageScanFindings`, `GetDownloadUrlForLayer`,
    `GetLifecyclePolicyPreview`, `InitiateLayerUpload`, `PutRegistryPolicy`, `PutReplicationConfiguration`,
    `StartImageScan`, `UploadLayerPart`.

    Refuses: encryption types other than AES256.
    """

    name = "ecr"
    validation_error: ClassVar[str] = "InvalidParameterException"

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._images = Images(account)

    def start(self) -> None:
        """Tell the engine the registry's name on AWS; tidy up now and every hour."""
        name_registry(os.environ.get("DOCKER_HOST", ""), self.account.config.ecr_host)
        self.tidy()
        self.account.tasks.every(_HOUR, "ecr-tidy", self.tidy)

    def tidy(self) -> None:
        """Apply the lifecycle policies, and delete what unfinished pushes left behind."""
        now = self.account.now()
        for name, document in self._images.table.items():
            if text := document.get("lifecyclePolicyText"):
                try:
                    rules = lifecycle_policy.parse(text)
                except ServiceError as error:  # kept by an older build: no reason not to start
                    log.warning("the lifecycle policy of %s is not carried out: %s", name, error.message)
                    continue
                for digest in lifecycle_policy.expired(rules, document, now):
                    self._images.delete(name, {"imageDigest": digest})
                with self._images.table.update(name) as evaluated:
                    evaluated["lifecycleEvaluatedAt"] = now
        self._images.collect(self._images.blobs.digests())

    # --- repositories

    def create_repository(self, params: CreateRepositoryRequestTypeDef) -> Answer:
        """CreateRepository."""
        name = params["repositoryName"]
        if not _NAME.fullmatch(name):
            raise ServiceError(
                "InvalidParameterException",
                f"Invalid parameter at 'repositoryName' failed to satisfy constraint: '{name}' must be "
                "lower-case letters and digits, separated by '.', '_', '-' or '/'",
            )
        default: EncryptionConfigurationTypeDef = {"encryptionType": "AES256"}
        encryption = params.get("encryptionConfiguration", default)
        if encryption["encryptionType"] != "AES256":
            raise ServiceError(
                "InvalidParameterException",
                f"The encryption type {encryption['encryptionType']} is not supported by the local account: "
                "use AES256 or leave out encryptionConfiguration",
            )
        _check_mutability(params)
        document: Repository = {
            "repositoryName": name,
            "createdAt": self.account.now(),
            "imageTagMutability": params.get("imageTagMutability", "MUTABLE"),
            "imageTagMutabilityExclusionFilters": params.get("imageTagMutabilityExclusionFilters"),
            "imageScanningConfiguration": {
                "scanOnPush": params.get("imageScanningConfiguration", {}).get("scanOnPush", False)
            },
            "encryptionConfiguration": encryption,
            "resourceTags": limited(
                {tag["Key"]: tag["Value"] for tag in params.get("tags", [])}, "TooManyTagsException"
            ),
            "images": {},
            "tags": {},
        }
        with self._images.table.lock:
            if self._images.table.get(name):
                raise ServiceError(
                    "RepositoryAlreadyExistsException",
                    f"The repository with name '{name}' already exists in the registry with id "
                    f"'{self.account.config.account_id}'",
                )
            self._images.table.put(name, document)
        return {"repository": self._shown(document)}

    def describe_repositories(self, params: DescribeRepositoriesRequestTypeDef) -> Answer:
        """DescribeRepositories."""
        names = params.get("repositoryNames")
        if names:
            return {"repositories": [self._shown(self._images.repository(name)) for name in names]}
        documents = sorted(self._images.table.values(), key=lambda one: str(one["repositoryName"]))
        shown, token = page(documents, params.get("nextToken"), params.get("maxResults", _PAGE))
        return {"repositories": [self._shown(document) for document in shown], "nextToken": token}

    def delete_repository(self, params: DeleteRepositoryRequestTypeDef) -> Answer:
        """DeleteRepository."""
        document = self._images.delete_repository(params["repositoryName"], force=params.get("force", False))
        return {"repository": self._shown(document)}

    def put_image_tag_mutability(self, params: PutImageTagMutabilityRequestTypeDef) -> Answer:
        """PutImageTagMutability."""
        _check_mutability(params)
        return self._set(params, "imageTagMutability", "imageTagMutabilityExclusionFilters")

    def put_image_scanning_configuration(self, params: PutImageScanningConfigurationRequestTypeDef) -> Answer:
        """PutImageScanningConfiguration."""
        return self._set(params, "imageScanningConfiguration")

    def get_authorization_token(self, params: GetAuthorizationTokenRequestTypeDef) -> Answer:
        """GetAuthorizationToken."""
        password, expires = registry_password.issue(self.account)
        token = base64.b64encode(f"{registry_password.USER}:{password}".encode()).decode()
        return {
            "authorizationData": [
                {
                    "authorizationToken": token,
                    "expiresAt": expires,
                    "proxyEndpoint": f"http://{self.account.config.registry}",
                }
                for _ in params.get("registryIds") or [self.account.config.account_id]
            ]
        }

    # --- images

    def describe_images(self, params: DescribeImagesRequestTypeDef) -> Answer:
        """DescribeImages."""
        name = params["repositoryName"]
        document = self._images.repository(name)
        if "imageIds" in params:
            digests = [self._existing(name, image_id) for image_id in params["imageIds"]]
            return {"imageDetails": [self._detail(document, one) for one in dict.fromkeys(digests)]}
        shown, token = page(
            [one for one in document["images"] if self._matches(document, one, params)],
            params.get("nextToken"),
            params.get("maxResults", _PAGE),
        )
        return {"imageDetails": [self._detail(document, digest) for digest in shown], "nextToken": token}

    def list_images(self, params: ListImagesRequestTypeDef) -> Answer:
        """ListImages."""
        document = self._images.repository(params["repositoryName"])
        image_ids = [
            image_id
            for digest in document["images"]
            if self._matches(document, digest, params)
            for image_id in _image_ids(digest, self._images.tags_of(document, digest))
        ]
        shown, token = page(image_ids, params.get("nextToken"), params.get("maxResults", _PAGE))
        return {"imageIds": shown, "nextToken": token}

    def batch_get_image(self, params: BatchGetImageRequestTypeDef) -> Answer:
        """BatchGetImage.

        Refuses: to convert an image that is asked for by its tag between the formats of Docker and OCI (AWS
        does if `acceptedMediaTypes` lacks its own format; by its digest, it is returned as it was pushed,
        there as here). Source: ECR User Guide, Container image manifest format support.
        """
        name, accepted = params["repositoryName"], params.get("acceptedMediaTypes")
        images, failures = [], []
        for image_id in params["imageIds"]:
            failure = self._failure(name, image_id)
            found = self._images.find(name, image_id)
            if failure or not found:
                failures.append(failure)
                continue
            digest, record = found
            if accepted and "imageDigest" not in image_id and record["mediaType"] not in accepted:
                raise ServiceError(
                    "UnsupportedOperation",
                    f"ecr.BatchGetImage that converts {record['mediaType']} to one of acceptedMediaTypes is "
                    "not supported by the local account",
                )
            images.append(self._image(name, {**image_id, "imageDigest": digest}, digest, record["mediaType"]))
        return {"images": images, "failures": failures}

    def batch_delete_image(self, params: BatchDeleteImageRequestTypeDef) -> Answer:
        """BatchDeleteImage."""
        name = params["repositoryName"]
        deleted: list[ImageIdentifierTypeDef] = []
        failures = []
        for image_id in params["imageIds"]:
            failure = self._failure(name, image_id)
            if failure is None:
                try:
                    deleted += self._images.delete(name, image_id)
                except ServiceError as error:
                    failure = {
                        "imageId": image_id,
                        "failureCode": error.code,
                        "failureReason": error.message,
                    }
            if failure:
                failures.append(failure)
        return {"imageIds": deleted, "failures": failures}

    def put_image(self, params: PutImageRequestTypeDef) -> Answer:
        """PutImage: a manifest whose layers exist already, such as a new tag for an image."""
        name, tag = params["repositoryName"], params.get("imageTag")
        manifest = Manifest.parse(params["imageManifest"].encode(), params.get("imageManifestMediaType"))
        digest = self._images.put(name, manifest, tag, again=False, digest=params.get("imageDigest"))
        image_id: ImageIdentifierTypeDef = {"imageDigest": digest, **({"imageTag": tag} if tag else {})}
        return {"image": self._image(name, image_id, digest, manifest.media_type)}

    def batch_check_layer_availability(self, params: BatchCheckLayerAvailabilityRequestTypeDef) -> Answer:
        """BatchCheckLayerAvailability."""
        self._images.repository(params["repositoryName"])
        layers, failures = [], []
        for digest in params["layerDigests"]:
            try:
                size = self._images.blobs.claim(digest)
            except DigestError as error:
                failures.append(
                    {"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": str(error)}
                )
                continue
            availability = "UNAVAILABLE" if size is None else "AVAILABLE"
            layers.append({"layerDigest": digest, "layerAvailability": availability, "layerSize": size})
        return {"layers": layers, "failures": failures}

    # --- policies

    def put_lifecycle_policy(self, params: PutLifecyclePolicyRequestTypeDef) -> Answer:
        """PutLifecyclePolicy: applied within the hour (on AWS, within a day)."""
        lifecycle_policy.parse(params["lifecyclePolicyText"])
        return self._set(params, "lifecyclePolicyText")

    def get_lifecycle_policy(self, params: GetLifecyclePolicyRequestTypeDef) -> Answer:
        """GetLifecyclePolicy."""
        answer = self._policy(params, "lifecyclePolicyText", "LifecyclePolicyNotFoundException")
        evaluated = self._images.repository(params["repositoryName"]).get("lifecycleEvaluatedAt")
        return {**answer, "lastEvaluatedAt": evaluated}

    def delete_lifecycle_policy(self, params: DeleteLifecyclePolicyRequestTypeDef) -> Answer:
        """DeleteLifecyclePolicy."""
        return self._remove_policy(params, "lifecyclePolicyText", "LifecyclePolicyNotFoundException")

    def set_repository_policy(self, params: SetRepositoryPolicyRequestTypeDef) -> Answer:
        """SetRepositoryPolicy."""
        _check_policy(params["policyText"], self.account.config.account_id)
        return self._set(params, "policyText")

    def get_repository_policy(self, params: GetRepositoryPolicyRequestTypeDef) -> Answer:
        """GetRepositoryPolicy."""
        return self._policy(params, "policyText", "RepositoryPolicyNotFoundException")

    def delete_repository_policy(self, params: DeleteRepositoryPolicyRequestTypeDef) -> Answer:
        """DeleteRepositoryPolicy."""
        return self._remove_policy(params, "policyText", "RepositoryPolicyNotFoundException")

    # --- tags

    def tag_resource(self, params: TagResourceRequestTypeDef) -> Answer:
        """TagResource."""
        with self._images.table.update(self._tagged(params)) as document:
            given = {tag["Key"]: tag["Value"] for tag in params["tags"]}
            document["resourceTags"] = limited(document["resourceTags"] | given, "TooManyTagsException")
        return {}

    def untag_resource(self, params: UntagResourceRequestTypeDef) -> Answer:
        """UntagResource."""
        with self._images.table.update(self._tagged(params)) as document:
            kept = {k: v for k, v in document["resourceTags"].items() if k not in params["tagKeys"]}
            document["resourceTags"] = kept
        return {}

    def list_tags_for_resource(self, params: ListTagsForResourceRequestTypeDef) -> Answer:
        """ListTagsForResource."""
        tags = self._images.repository(self._tagged(params))["resourceTags"]
        return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}

    # --- shared

    def _shown(self, document: Repository) -> RepositoryTypeDef:
        name = document["repositoryName"]
        kept: Mapping[str, Any] = document
        shown = {
            **{key: kept[key] for key in _SHOWN},
            "repositoryArn": self.account.arn("ecr", f"repository/{name}"),
            "registryId": self.account.config.account_id,
            "repositoryUri": f"{self.account.config.registry}/{name}",
        }
        return cast("RepositoryTypeDef", shown)

    def _named(self, name: str) -> Params:
        return {"registryId": self.account.config.account_id, "repositoryName": name}

    def _image(self, name: str, image_id: ImageIdentifierTypeDef, digest: str, media_type: str) -> Params:
        return {
            **self._named(name),
            "imageId": image_id,
            "imageManifest": self._images.blobs.read(digest).decode(),
            "imageManifestMediaType": media_type,
        }

    def _detail(self, document: Repository, digest: str) -> Params:
        record = document["images"][digest]
        return {
            **self._named(document["repositoryName"]),
            "imageDigest": digest,
            "imageTags": self._images.tags_of(document, digest) or None,
            "imageSizeInBytes": record["size"],
            "imagePushedAt": record["pushedAt"],
            "imageManifestMediaType": record["mediaType"],
            "artifactMediaType": record["artifactMediaType"],
            "subjectManifestDigest": record["subject"],
            "imageStatus": "ACTIVE",
        }

    def _matches(self, document: Repository, digest: str, params: Mapping[str, Any]) -> bool:
        wanted = params.get("filter", {})
        status = "TAGGED" if self._images.tags_of(document, digest) else "UNTAGGED"
        return wanted.get("tagStatus", "ANY") in ("ANY", status) and wanted.get("imageStatus", "ACTIVE") in (
            "ANY",
            "ACTIVE",
        )

    def _existing(self, name: str, image_id: ImageIdentifierTypeDef) -> str:
        found = self._images.find(name, image_id)
        if found is None:
            digest, tag = (image_id.get(key, "null") for key in ("imageDigest", "imageTag"))
            raise ServiceError(
                "ImageNotFoundException",
                f"The image with imageId {{imageDigest:'{digest}', imageTag:'{tag}'}} does not exist within "
                f"the repository with name '{name}' in the registry with id "
                f"'{self.account.config.account_id}'",
            )
        return found[0]

    def _failure(self, name: str, image_id: ImageIdentifierTypeDef) -> Params | None:
        tag, digest = image_id.get("imageTag"), image_id.get("imageDigest")
        if self._images.find(name, image_id):
            return None
        if not tag and not digest:
            code, reason = (
                "MissingDigestAndTag",
                "Invalid request parameters: both tag and digest cannot be null",
            )
        elif tag and digest and self._images.find(name, {"imageTag": tag}):
            code, reason = "ImageTagDoesNotMatchDigest", f"The tag {tag} does not refer to {digest}"
        elif digest and not re.fullmatch(r"sha256:[0-9a-f]{64}", digest):
            code, reason = "InvalidImageDigest", f"{digest} is not a valid sha256 digest"
        else:
            code, reason = "ImageNotFound", "Requested image not found"
        return {"imageId": image_id, "failureCode": code, "failureReason": reason}

    def _set(self, params: Mapping[str, Any], *members: str) -> Params:
        name = params["repositoryName"]
        self._images.repository(name)
        with self._images.table.update(name) as document:
            document.update(cast("Repository", {member: params.get(member) for member in members}))
        return {**self._named(name), **{member: params.get(member) for member in members}}

    def _policy(self, params: Mapping[str, Any], member: _PolicyMember, missing: str) -> Params:
        name = params["repositoryName"]
        text = self._images.repository(name).get(member)
        if text is None:
            kind = "Lifecycle" if member == "lifecyclePolicyText" else "Repository"
            raise ServiceError(
                missing,
                f"{kind} policy does not exist for the repository with name '{name}' in the registry with id "
                f"'{self.account.config.account_id}'",
            )
        return {**self._named(name), member: text}

    def _remove_policy(self, params: Mapping[str, Any], member: _PolicyMember, missing: str) -> Params:
        answer = self._policy(params, member, missing)
        with self._images.table.update(params["repositoryName"]) as document:
            document[member] = None
        return answer

    def _tagged(self, params: Mapping[str, Any]) -> str:
        arn = str(params["resourceArn"])
        prefix = self.account.arn("ecr", "repository/")
        if not arn.startswith(prefix):
            raise ServiceError("InvalidParameterException", f"{arn} is not a repository in this account")
        name = arn.removeprefix(prefix)
        self._images.repository(name)
        return name


def _image_ids(digest: str, tags: list[str]) -> list[ImageIdentifierTypeDef]:
    return [{"imageDigest": digest, "imageTag": tag} for tag in tags] or [{"imageDigest": digest}]


def _check_policy(text: str, account_id: str) -> None:
    try:
        document = json.loads(text)
        statements = Policy.parse(document, "repository policy").statements
        valid = all(one.principals for one in statements) and not principals.unknown(account_id, document)
    except (ValueError, TypeError):
        valid = False
    if not valid:
        raise ServiceError(
            "InvalidParameterException",
            "Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy "
            "provided'",
        )


def _check_mutability(
    params: CreateRepositoryRequestTypeDef | PutImageTagMutabilityRequestTypeDef,
) -> None:
    # Recorded in aws/aws-cdk pull request 35246: filters belong to the settings with exclusions, only.
    mutability = params.get("imageTagMutability", "MUTABLE")
    filters = params.get("imageTagMutabilityExclusionFilters")
    if mutability.endswith("_WITH_EXCLUSION") == bool(filters):
        return
    allowed = "null" if not filters else "set"
    raise ServiceError(
        "InvalidParameterException",
        "Invalid parameter at 'imageTagMutabilityExclusionFilters' failed to satisfy constraint: "
        f"'ImageTagMutabilityExclusionFilters can't be {allowed} when imageTagMutability is set as "
        f"{mutability}'",
    )
