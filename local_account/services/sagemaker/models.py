"""Models: an image, its model data, and its environment, or a model package that has them.

Differs from AWS (CreateModel): of a model package, the model gets the image that `ImageDigest` names, even if
its tag has moved since. What is refused of model packages and the words are the API reference's: a version
has to be `Approved`, and the container can name nothing that the package has.

Differs from AWS (CreateModel): `VpcConfig`, `InferenceExecutionConfig` and `ContainerHostname` are kept and
have no effect.

Refuses (CreateModel): inference pipelines (more than one container), multi-model containers, network
isolation, model data that is not one `model.tar.gz` or that asks for the access to a model
(`ModelAccessConfig`, `HubAccessConfig`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from local_account.gateway.service import Answer
from local_account.services.sagemaker import images
from local_account.services.sagemaker.model_packages import ModelPackages
from local_account.services.sagemaker.records import Model
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        ContainerDefinitionUnionTypeDef,
        CreateModelInputTypeDef,
        DeleteModelInputTypeDef,
        DescribeModelInputTypeDef,
        ListModelsInputTypeDef,
    )

PRINCIPAL = "sagemaker.amazonaws.com"
_LARGEST_ENVIRONMENT = 32_768
"""Bytes of all keys and values (ContainerDefinition, Environment)."""
_UNSUPPORTED = (
    "AdditionalModelDataSources", "MultiModelConfig", "InferenceSpecificationName", "ImageConfig",
    "ContainerMetricsConfig",
)  # fmt: skip
"""Refuses in CreateModel."""


class Models(ModelPackages):
    """Models with one container."""

    def create_model(self, params: CreateModelInputTypeDef) -> Answer:
        """See CreateModel.

        Raises ServiceError ValidationException for a name in use, an image that is not in ECR or has an OCI
        manifest, missing model data, a role that SageMaker cannot assume, or a model package that does not
        exist or is not approved.
        """
        name = params["ModelName"]
        arn = self.resource_arn("model", name)
        given = _container_of(params)
        packaged = self.container_of_package(given) if given.get("ModelPackageName") else None
        container = _checked(packaged or given)
        if not params.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn is required")
        self.account.check_role(params["ExecutionRoleArn"], PRINCIPAL)
        try:
            images.check_servable(self.account, container["Image"])
        except images.ImageError as error:
            raise invalid(str(error)) from error
        if url := model_data_url(container):
            self.model_data_etag(url, params["ExecutionRoleArn"])
        document = {
            **{key: value for key, value in params.items() if key != "Tags"},
            **({"package_container": packaged} if packaged else {}),
            "ModelArn": arn,
            "CreationTime": self.account.now(),
            "EnableNetworkIsolation": False,
        }
        model = cast("Model", document)
        in_use = invalid(f'Cannot create already existing model "{arn}".')
        models = self.table("models")
        with models.lock, self.table("tags").lock, self.account.store.together():
            self.add(models, name, model, arn, params.get("Tags", []), in_use=in_use)
            self.publish("SageMaker Model State Change", arn, public(model))
        return {"ModelArn": arn}

    def describe_model(self, params: DescribeModelInputTypeDef) -> Answer:
        """See DescribeModel."""
        return public(self.model(params["ModelName"]))

    def list_models(self, params: ListModelsInputTypeDef) -> Answer:
        """See ListModels."""
        models, token = list_page(params, self.table("models"), name="ModelName")
        return {"Models": [public(model) for model in models], "NextToken": token}

    def delete_model(self, params: DeleteModelInputTypeDef) -> Answer:
        """See DeleteModel; as on AWS, endpoints that use the model keep running."""
        models = self.table("models")
        with models.lock, self.table("tags").lock, self.account.store.together():
            model = self.model(params["ModelName"])
            self.publish("SageMaker Model State Change", model["ModelArn"], public(model))
            self.remove(models, params["ModelName"], model["ModelArn"])
        return {}

    def model(self, name: str) -> Model:
        """Return the document of a model; raise ServiceError if there is none."""
        model = self.table("models").get(name)
        if model is None:
            raise invalid(f'Could not find model "{self.resource_arn("model", name)}".')
        return model


def primary_container(model: Model) -> ContainerDefinitionUnionTypeDef:
    """Return the container definition of a model, as its model package has it if there is one."""
    if packaged := model.get("package_container"):
        return packaged
    containers = model.get("Containers")
    return containers[0] if containers else model["PrimaryContainer"]


def model_data_url(container: ContainerDefinitionUnionTypeDef) -> str | None:
    """Return the S3 URI of a container's model.tar.gz, or None."""
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    url = source["S3Uri"] if source else container.get("ModelDataUrl")
    return str(url) if url else None


def _container_of(params: CreateModelInputTypeDef) -> ContainerDefinitionUnionTypeDef:
    if params.get("EnableNetworkIsolation"):
        raise unsupported("EnableNetworkIsolation of a model")
    containers = params.get("Containers", [])
    if len(containers) > 1:
        raise unsupported("an inference pipeline (more than one container)")
    primary = params.get("PrimaryContainer")
    if bool(containers) == bool(primary):
        raise invalid("Specify either PrimaryContainer or Containers")
    return primary or containers[0]


def _checked(container: ContainerDefinitionUnionTypeDef) -> ContainerDefinitionUnionTypeDef:
    refuse_unsupported(container, _UNSUPPORTED)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise unsupported(f"the container mode {container['Mode']}")
    if not container.get("Image"):
        raise invalid("The container definition needs an Image")
    variables = container.get("Environment", {})
    size = sum(len(text.encode()) for variable in variables.items() for text in variable)
    if size > _LARGEST_ENVIRONMENT:
        raise invalid("The keys and values of Environment, combined, have more than 32 KB")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    refuse_unsupported(
        source or {}, ("ModelAccessConfig", "HubAccessConfig", "ManifestS3Uri", "ManifestEtag")
    )
    if source and (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise unsupported("a ModelDataSource that is not one Gzip S3Object (a model.tar.gz)")
    return container
