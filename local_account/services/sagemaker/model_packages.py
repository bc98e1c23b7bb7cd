"""Model packages: the model registry. Versions in a group, and unversioned ones with a name of their own.

Differs from AWS (CreateModelPackage): a package is `Completed` at once; the words for what the API reference
forbids are our own. The number of a deleted version is not given again, a repeated `ClientToken` with another
request is a `ConflictException`, and `ModelPackageName` is missing from what describes a version; AWS
documents none of it. Source: github.com/aws/sagemaker-python-sdk issue 5606.

Differs from AWS (UpdateModelPackage): it refuses unversioned packages, and keys of
`CustomerMetadataProperties` that are both set and removed. Those that are set are added to what the version
has; AWS documents only that others can be removed.

Differs from AWS (ListModelPackages): a model package group that does not exist is an error.

Refuses (CreateModelPackage): packages without `InferenceSpecification` that clone another package or register
a model by `SourceUri`.

Refuses (UpdateModelPackage): a changed `InferenceSpecification`.

Differs from AWS (CreateModelPackage): `ModelMetrics`, `DriftCheckBaselines`, `MetadataProperties`, `Domain`,
`Task`, `SamplePayloadUrl` and the supported instance and content types are kept as they are given: what they
name is not looked at, and a model can be made for other instances.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from local_account.authorization import granted
from local_account.foundation.acting import calling_role
from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import images, model_cards
from local_account.services.sagemaker.model_package_groups import ModelPackageGroups
from local_account.services.sagemaker.records import ModelPackage
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        BatchDescribeModelPackageInputTypeDef,
        ContainerDefinitionUnionTypeDef,
        CreateModelPackageInputTypeDef,
        DeleteModelPackageInputTypeDef,
        DescribeModelPackageInputTypeDef,
        InferenceSpecificationUnionTypeDef,
        ListModelPackagesInputTypeDef,
        ModelPackageContainerDefinitionOutputTypeDef,
        UpdateModelPackageInputTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.foundation.store import Table

EVENT = "SageMaker Model Package State Change"
_MAX_PROPERTIES = 50
_UNSUPPORTED = (
    "ValidationSpecification", "SourceAlgorithmSpecification", "CertifyForMarketplace",
    "AdditionalInferenceSpecifications", "SecurityConfig", "ManagedStorageType",
)  # fmt: skip
"""Refuses in CreateModelPackage."""
_UNSUPPORTED_UPDATE = ("AdditionalInferenceSpecificationsToAdd", "InferenceSpecification")
"""Refuses in UpdateModelPackage."""
_UNSUPPORTED_CONTAINER = ("ProductId", "IsCheckpoint", "BaseModel")
"""Refuses in CreateModelPackage, in a container."""
_UPDATES = (
    "ModelApprovalStatus", "ModelPackageRegistrationType", "ApprovalDescription", "SourceUri",
    "ModelLifeCycle",
)  # fmt: skip
"""What an update replaces as it is given."""
_OF_PACKAGE = ("Image", "ModelDataUrl", "ModelDataSource", "AdditionalModelDataSources")
"""What a container of CreateModel cannot have beside a model package."""
_SUMMARY = (
    "ModelPackageGroupName", "ModelPackageVersion", "ModelPackageArn", "ModelPackageDescription",
    "CreationTime", "InferenceSpecification", "ModelPackageStatus", "ModelApprovalStatus",
    "ModelPackageRegistrationType",
)  # fmt: skip
"""What BatchDescribeModelPackage returns."""
_NOT_IN_EVENTS = ("CreatedBy", "LastModifiedBy", "ModelCard")


class ModelPackages(ModelPackageGroups):
    """Model packages, by ``GROUP/VERSION`` or their own name."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self.table("model_packages").index("token")

    def create_model_package(self, params: CreateModelPackageInputTypeDef) -> Answer:
        """See CreateModelPackage: the next version of a group, or a package by name.

        The caller needs permission to read the image and the model data, as in CloudFormation's schema of
        AWS::SageMaker::ModelPackage.

        Raises ServiceError ValidationException for a group, an image or model data that does not exist,
        ConflictException for a ClientToken that was used for something else.
        """
        refuse_unsupported(params, _UNSUPPORTED)
        group, name = params.get("ModelPackageGroupName"), params.get("ModelPackageName")
        if group and name:
            raise invalid(
                "Both ModelPackageName and ModelPackageGroupName are provided in the input. Cannot determine "
                "which one to use."
            )
        if not group and not name:
            raise invalid("Missing ARN.")
        token, request = params.get("ClientToken", ""), _digest(params)
        if token and (found := self.table("model_packages").where("token", token)):
            return _repeated(found[0], request)
        _check_kind(params)
        specification, now = self._specification(params), self.account.now()
        document: dict[str, Any] = {
            **{key: value for key, value in params.items() if key not in ("Tags", "ClientToken")},
            **({"InferenceSpecification": specification} if specification else {}),
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": [], "ImageScanStatuses": []},
            "CertifyForMarketplace": False,
            "CreatedBy": self.user(),
            "CreationTime": now,
            "LastModifiedTime": now,
            "token": token,
            "request": request,
        }
        if "ModelCard" in params:
            model_cards.check(params["ModelCard"])
        if group:
            document["ModelApprovalStatus"] = params.get("ModelApprovalStatus", "PendingManualApproval")
            return self._add_version(group, document)
        return self._add_unversioned(params, document)

    def describe_model_package(self, params: DescribeModelPackageInputTypeDef) -> Answer:
        """See DescribeModelPackage."""
        package = public(self.model_package(params["ModelPackageName"]))
        if params.get("IncludedData") == "MetadataOnly" and "ModelCard" in package:
            package["ModelCard"] = model_cards.sanitized(package["ModelCard"])
        return package

    def batch_describe_model_package(self, params: BatchDescribeModelPackageInputTypeDef) -> Answer:
        """See BatchDescribeModelPackage: what does not exist is in the map of errors."""
        found: dict[str, Mapping[str, Any]] = {}
        errors = {}
        for arn in params["ModelPackageArnList"]:
            try:
                package = self.model_package(arn)
            except ServiceError as error:
                errors[arn] = {"ErrorCode": error.code, "ErrorResponse": error.message}
            else:
                found[arn] = {key: value for key, value in package.items() if key in _SUMMARY}
        return {"ModelPackageSummaries": found, "BatchDescribeModelPackageErrorMap": errors}

    def list_model_packages(self, params: ListModelPackagesInputTypeDef) -> Answer:
        """See ListModelPackages: unversioned ones unless a group or a type is named."""
        status, kind = params.get("ModelApprovalStatus"), params.get("ModelPackageType", "Unversioned")
        prefix = ""
        if group := params.get("ModelPackageGroupName"):
            prefix = f"{self.model_package_group(group)['ModelPackageGroupName']}/"
            kind = params.get("ModelPackageType", "Versioned")

        def only(package: ModelPackage) -> bool:
            versioned = "ModelPackageVersion" in package
            return (kind == "Both" or versioned == (kind == "Versioned")) and status in (
                None,
                package.get("ModelApprovalStatus"),
            )

        packages, token = list_page(
            params,
            _Within(self.table("model_packages"), prefix),
            name="name",
            order="Ascending",
            only=only,
            key="ModelPackageArn",
        )
        return {"ModelPackageSummaryList": [public(package) for package in packages], "NextToken": token}

    def update_model_package(self, params: UpdateModelPackageInputTypeDef) -> Answer:
        """See UpdateModelPackage: the approval, its description, metadata, the model card, the life cycle.

        Raises ServiceError ValidationException for an unversioned package or more than 50 properties.
        """
        refuse_unsupported(params, _UNSUPPORTED_UPDATE)
        packages = self.table("model_packages")
        with packages.lock, self.account.store.together():
            package = self.model_package(params["ModelPackageArn"])
            arn, token = package["ModelPackageArn"], params.get("ClientToken")
            if "ModelPackageVersion" not in package:
                raise invalid(f"{arn} is not a versioned model package: only versions can be updated")
            changes = _changes(package, params)
            if changes and (token is None or token != package.get("update_token")):
                document = {
                    **package,
                    **changes,
                    "LastModifiedTime": self.account.now(),
                    "LastModifiedBy": self.user(),
                    **({"update_token": token} if token else {}),
                }
                packages.put(_key(package), cast("ModelPackage", document))
                self._announce(cast("ModelPackage", document), UpdatedModelPackageFields=sorted(changes))
        return {"ModelPackageArn": arn}

    def delete_model_package(self, params: DeleteModelPackageInputTypeDef) -> Answer:
        """See DeleteModelPackage; models that were made of it stay."""
        packages = self.table("model_packages")
        with packages.lock, self.table("tags").lock, self.account.store.together():
            package = self.model_package(params["ModelPackageName"])
            self.remove(packages, _key(package), package["ModelPackageArn"])
        return {}

    def model_package(self, name_or_arn: str) -> ModelPackage:
        """Return a model package by ARN, name or ``GROUP/VERSION``.

        Raises ServiceError ValidationException if there is none.
        """
        package = self.table("model_packages").get(self.bare(name_or_arn, "model-package"))
        if package is None:
            arn = name_or_arn if name_or_arn.startswith("arn:") else self._package_arn(name_or_arn)
            raise invalid(f"ModelPackage {arn} does not exist.")
        return package

    def is_version(self, arn: str) -> bool:
        """Return whether an ARN is that of a model package's version."""
        key = arn.partition(":model-package/")[2]
        return "/" in key and self.table("model_packages").get(key) is not None

    def container_of_package(self, given: ContainerDefinitionUnionTypeDef) -> ContainerDefinitionUnionTypeDef:
        """Return the container that CreateModel makes of one that names a model package.

        Raises ServiceError ValidationException for a package that does not exist or is not approved.
        """
        if both := [name for name in _OF_PACKAGE if given.get(name)]:
            raise invalid(f"{both[0]} cannot be specified together with ModelPackageName")
        package = self.model_package(given["ModelPackageName"])
        arn = package["ModelPackageArn"]
        if "ModelPackageVersion" in package and package["ModelApprovalStatus"] != "Approved":
            raise invalid(
                f"ModelPackage {arn} has the approval status {package['ModelApprovalStatus']}: it must be "
                "Approved to deploy the model"
            )
        containers = package.get("InferenceSpecification", {"Containers": []})["Containers"]
        if len(containers) != 1:
            raise unsupported(f"a model of a model package with {len(containers)} containers ({arn})")
        container: Mapping[str, Any] = containers[0]
        image = images.ImageUri.parse(container["Image"])
        merged: dict[str, Any] = {
            **{name: value for name, value in given.items() if name != "ModelPackageName"},
            **{name: container[name] for name in _OF_PACKAGE if name in container},
            "Image": f"{image.name}@{container['ImageDigest']}",
            "Environment": {**container.get("Environment", {}), **given.get("Environment", {})},
        }
        return cast("ContainerDefinitionUnionTypeDef", merged)

    def model_data_etag(self, url: str, role_arn: str | None) -> str:
        """Return the ETag of model data, read with a role.

        Raises ServiceError ValidationException if it does not exist or the role is not allowed to read it.
        """
        bucket, key = split(url)
        try:
            found = self.account.client("s3", role_arn).head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["ResponseMetadata"]["HTTPStatusCode"] == 403:
                raise invalid(
                    f'Could not access model data at {url}. Please ensure that the role "{role_arn}" exists '
                    'and that its trust relationship policy allows the action "sts:AssumeRole" for the '
                    'service principal "sagemaker.amazonaws.com". Also ensure that the role has '
                    '"s3:GetObject" permissions and that the object is located in '
                    f"{self.account.config.region}."
                ) from error
            raise invalid(f"Could not find model data at {url}.") from error
        return str(found["ETag"]).strip('"')

    def _specification(
        self, params: CreateModelPackageInputTypeDef
    ) -> InferenceSpecificationUnionTypeDef | None:
        """Return the InferenceSpecification with digests and ETags filled in."""
        given = params.get("InferenceSpecification")
        if given is None:
            if ":sagemaker:" in params.get("SourceUri", ""):
                raise unsupported("CreateModelPackage of a SourceUri alone")
            if not params.get("SourceUri"):
                raise invalid("Specify InferenceSpecification or SourceUri")
            return None
        containers = cast("Sequence[ModelPackageContainerDefinitionOutputTypeDef]", given["Containers"])
        filled = {**given, "Containers": [self._filled(one) for one in containers]}
        return cast("InferenceSpecificationUnionTypeDef", filled)

    def _filled(
        self, container: ModelPackageContainerDefinitionOutputTypeDef
    ) -> ModelPackageContainerDefinitionOutputTypeDef:
        refuse_unsupported(container, _UNSUPPORTED_CONTAINER)
        if container.get("AdditionalS3DataSource"):
            raise invalid("AdditionalS3DataSource is not allowed in InferenceSpecification")
        if not container.get("Image"):
            raise invalid("Each container of InferenceSpecification needs an Image")
        filled = {**container, "ImageDigest": self._image_digest(container)}
        source = container.get("ModelDataSource", {}).get("S3DataSource")
        if source and container.get("ModelDataUrl"):
            raise invalid("Specify either ModelDataUrl or ModelDataSource, not both")
        if url := container.get("ModelDataUrl"):
            filled["ModelDataETag"] = self.model_data_etag(url, calling_role())
        elif source and source["S3DataType"] == "S3Object":
            self.model_data_etag(source["S3Uri"], calling_role())
        return cast("ModelPackageContainerDefinitionOutputTypeDef", filled)

    def _image_digest(self, container: ModelPackageContainerDefinitionOutputTypeDef) -> str:
        uri = container["Image"]
        image = images.ImageUri.parse(uri)
        if role := calling_role():
            granted.require(self.account, role, "ecr", "BatchGetImage", {"repositoryName": image.repository})
        wanted = container.get("ImageDigest", "").lower()
        try:
            return images.digest(self.account, f"{image.name}@{wanted}" if wanted else uri)
        except images.ImageError as error:
            raise invalid(str(error)) from error

    def _add_version(self, name_or_arn: str, document: dict[str, Any]) -> Answer:
        groups, packages = self.table("model_package_groups"), self.table("model_packages")
        with groups.lock, packages.lock, self.account.store.together():
            # Whoever was first with the token has written it by now.
            if document["token"] and (found := packages.where("token", document["token"])):
                return _repeated(found[0], document["request"])
            group = groups.get(self.bare(name_or_arn, "model-package-group"))
            if group is None:
                raise invalid("Model Package Group does not exist.")
            name, version = group["ModelPackageGroupName"], group["latest"] + 1
            groups.put(name, {**group, "latest": version})
            arn = self._package_arn(f"{name}/{version}")
            document |= {
                "ModelPackageGroupName": name, "ModelPackageVersion": version, "ModelPackageArn": arn,
                "name": name,
            }  # fmt: skip
            package = cast("ModelPackage", document)
            packages.put(_key(package), package)
            self._announce(package)
        return {"ModelPackageArn": arn}

    def _add_unversioned(self, params: CreateModelPackageInputTypeDef, document: dict[str, Any]) -> Answer:
        name = params["ModelPackageName"]
        arn = self._package_arn(name)
        document |= {"ModelPackageArn": arn, "name": name}
        package, packages = cast("ModelPackage", document), self.table("model_packages")
        in_use = invalid(f"Model Package already exists: {arn}")
        with packages.lock, self.table("tags").lock, self.account.store.together():
            self.add(packages, name, package, arn, params.get("Tags", []), in_use=in_use)
            self._announce(package)
        return {"ModelPackageArn": arn}

    def _package_arn(self, name: str) -> str:
        return self.account.arn("sagemaker", f"model-package/{name}")

    def _announce(self, package: ModelPackage, **more: object) -> None:
        """Send the event about a new or changed package.

        Contract: "Events that Amazon SageMaker AI sends to Amazon EventBridge", model package state change;
        `UpdatedModelPackageFields` is what people report who filter by it.
        """
        detail = {key: value for key, value in public(package).items() if key not in _NOT_IN_EVENTS}
        arn = package["ModelPackageArn"]
        self.account.bus.publish("aws.sagemaker", EVENT, {**_with_texts(detail), **more}, [arn])


class _Within:
    """The model packages whose key begins with a prefix, for ``list_page``."""

    def __init__(self, table: Table[ModelPackage], prefix: str) -> None:
        self._table, self._prefix = table, prefix

    def values(self) -> list[ModelPackage]:
        """Return them all."""
        return self._table.values(self._prefix)

    def named(self, part: str) -> list[ModelPackage]:
        """Return those with a part in their name, and others."""
        return self.values()


def _key(package: ModelPackage) -> str:
    return package["ModelPackageArn"].partition(":model-package/")[2]


def _digest(params: Mapping[str, Any]) -> str:
    asked = {key: value for key, value in params.items() if key != "ClientToken"}
    return hashlib.sha256(json.dumps(asked, sort_keys=True, default=str).encode()).hexdigest()


def _repeated(package: ModelPackage, request: str) -> Answer:
    if package["request"] != request:
        raise ServiceError(
            "ConflictException",
            f"The ClientToken was used for another request, which created {package['ModelPackageArn']}",
        )
    return {"ModelPackageArn": package["ModelPackageArn"]}


def _check_kind(params: CreateModelPackageInputTypeDef) -> None:
    """Raise ServiceError for what the API reference says of versioned or of unversioned packages only."""
    if params.get("ModelPackageGroupName"):
        if params.get("Tags"):
            raise invalid("Tags cannot be specified for a versioned model package: its group has them")
        return
    if params.get("ModelApprovalStatus"):
        raise invalid("ModelApprovalStatus does not apply to unversioned model packages")
    specification = params.get("InferenceSpecification")
    if specification is None:
        raise invalid("An unversioned model package needs an InferenceSpecification")
    if any(container.get("Environment") for container in specification["Containers"]):
        raise invalid(
            "1 validation errors detected:Environment variable map cannot be specified when using "
            "non-versioned ModelPackages"
        )
    for name in ("SupportedTransformInstanceTypes", "SupportedRealtimeInferenceInstanceTypes"):
        if not specification.get(name):
            raise invalid(f"{name} is required for unversioned model packages")


def _changes(package: ModelPackage, params: UpdateModelPackageInputTypeDef) -> dict[str, Any]:
    """Return the members of a package that an update changes, with their new values."""
    changes = {name: value for name, value in params.items() if name in _UPDATES}
    added = params.get("CustomerMetadataProperties", {})
    removed = params.get("CustomerMetadataPropertiesToRemove", [])
    if both := sorted(set(added) & set(removed)):
        raise invalid(f"CustomerMetadataProperties cannot be both set and removed: {', '.join(both)}")
    if added or removed:
        before = package.get("CustomerMetadataProperties", {})
        merged = {**{key: value for key, value in before.items() if key not in removed}, **added}
        if len(merged) > _MAX_PROPERTIES:
            raise invalid(
                f"{len(merged)} CustomerMetadataProperties: a model package has at most {_MAX_PROPERTIES}"
            )
        changes["CustomerMetadataProperties"] = merged
    if "ModelCard" in params:
        changes["ModelCard"] = model_cards.updated(package.get("ModelCard", {}), params["ModelCard"])
    return changes


def _with_texts(value: Any) -> Any:
    """Return a JSON document with every datetime as a text, to the second in UTC."""
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, Mapping):
        return {key: _with_texts(member) for key, member in value.items()}
    if isinstance(value, list):
        return [_with_texts(member) for member in value]
    return value
