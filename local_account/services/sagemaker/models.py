"""Models: an image, its model data, and its environment.

Refuses (CreateModel): inference pipelines (more than one container), multi-model containers, network
isolation, model data that is not one `model.tar.gz`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError

from local_account.gateway.service import Answer
from local_account.services.sagemaker import images
from local_account.services.sagemaker.records import Model
from local_account.services.sagemaker.resources import (
    Resources,
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)
from local_account.services.sagemaker.s3_data import split

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        ContainerDefinitionUnionTypeDef,
        CreateModelInputTypeDef,
        DeleteModelInputTypeDef,
        DescribeModelInputTypeDef,
        ListModelsInputTypeDef,
    )

PRINCIPAL = "sagemaker.amazonaws.com"
_UNSUPPORTED = (
    "ModelPackageName", "AdditionalModelDataSources", "MultiModelConfig", "InferenceSpecificationName",
    "ImageConfig",
)  # fmt: skip
"""Refuses in CreateModel."""


class Models(Resources):
    """Models with one container."""

    def create_model(self, params: CreateModelInputTypeDef) -> Answer:
        """See CreateModel.

        Raises ServiceError ValidationException for a name in use, an image that is not in ECR or has an OCI
        manifest, missing model data, or a role that SageMaker cannot assume.
        """
        name = params["ModelName"]
        arn = self.resource_arn("model", name)
        container = _container_of(params)
        if not params.get("ExecutionRoleArn"):
            raise invalid("ExecutionRoleArn is required")
        self.account.check_role(params["ExecutionRoleArn"], PRINCIPAL)
        try:
            images.check_servable(self.account, container["Image"])
        except images.ImageError as error:
            raise invalid(str(error)) from error
        self._check_model_data(model_data_url(container), params["ExecutionRoleArn"])
        document = {
            **{key: value for key, value in params.items() if key != "Tags"},
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

    def _check_model_data(self, url: str | None, role_arn: str) -> None:
        if url is None:
            return
        bucket, key = split(url)
        try:
            self.account.client("s3", role_arn).head_object(Bucket=bucket, Key=key)
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


def primary_container(model: Model) -> ContainerDefinitionUnionTypeDef:
    """Return the container definition of a model."""
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
    container = primary or containers[0]
    refuse_unsupported(container, _UNSUPPORTED)
    if container.get("Mode", "SingleModel") != "SingleModel":
        raise unsupported(f"the container mode {container['Mode']}")
    if not container.get("Image"):
        raise invalid("The container definition needs an Image")
    source = container.get("ModelDataSource", {}).get("S3DataSource")
    if source and (source["S3DataType"], source["CompressionType"]) != ("S3Object", "Gzip"):
        raise unsupported("a ModelDataSource that is not one Gzip S3Object (a model.tar.gz)")
    return container
