"""Endpoint configurations: the models that an endpoint serves, their instances and their weights.

Refuses (CreateEndpointConfig): serverless and asynchronous inference, inference components, routing by
prefixes (`PREFIX_AWARE`, `KV_AWARE`).

Differs from AWS: `KmsKeyId`, `VpcConfig` and `ExecutionRoleArn` of an endpoint configuration, and of its
variants `VolumeSizeInGB`, `InferenceAmiVersion`, `ModelDataDownloadTimeoutInSeconds`,
`VariantInstanceProvisionTimeoutInSeconds` and `RoutingConfig` are kept and have no effect: a request goes to
the instance with the fewest requests in progress, as with `LEAST_OUTSTANDING_REQUESTS`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, cast

from local_account.gateway.service import Answer
from local_account.services.sagemaker.models import Models
from local_account.services.sagemaker.records import EndpointConfig
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateEndpointConfigInputTypeDef,
        DeleteEndpointConfigInputTypeDef,
        DescribeEndpointConfigInputTypeDef,
        ListEndpointConfigsInputTypeDef,
        ProductionVariantUnionTypeDef,
    )

_UNSUPPORTED = (
    "AsyncInferenceConfig", "ExplainerConfig", "EnableNetworkIsolation", "MetricsConfig",
    "CrossRegionTrafficConfig",
)  # fmt: skip
"""Refuses in CreateEndpointConfig."""
_UNSUPPORTED_VARIANT = (
    "ServerlessConfig", "InstancePools", "AcceleratorType", "ManagedInstanceScaling", "CoreDumpConfig",
    "CapacityReservationConfig", "AcceleratorPartitionLayouts", "EnableSSMAccess",
)  # fmt: skip
"""Refuses in CreateEndpointConfig, in a production variant."""


_ROUTING = ("LEAST_OUTSTANDING_REQUESTS", "RANDOM")


class EndpointConfigs(Models):
    """Endpoint configurations."""

    def create_endpoint_config(self, params: CreateEndpointConfigInputTypeDef) -> Answer:
        """See CreateEndpointConfig.

        Raises ServiceError ValidationException for a name in use or a model that does not exist,
        UnsupportedOperation for serverless and asynchronous inference, and for inference components.
        """
        name = params["EndpointConfigName"]
        arn = self.resource_arn("endpoint-config", name)
        refuse_unsupported(params, _UNSUPPORTED)
        variants = params["ProductionVariants"]
        shadows = params.get("ShadowProductionVariants", [])
        if shadows and (len(variants), len(shadows)) != (1, 1):
            raise invalid(
                "With ShadowProductionVariants, you can only specify one variant for ProductionVariants and "
                f"one variant for ShadowProductionVariants, but there are {len(variants)} and {len(shadows)}"
            )
        if shadows:
            _check_shadowed([*variants, *shadows])
        names = [variant["VariantName"] for variant in [*variants, *shadows]]
        if len(set(names)) < len(names):
            raise invalid(f"Production variant names must be unique, but are: {', '.join(names)}")
        document = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "EndpointConfigArn": arn,
            "ProductionVariants": [self._checked_variant(variant) for variant in variants],
            "CreationTime": self.account.now(),
        }
        if shadows:
            document["ShadowProductionVariants"] = [self._checked_variant(variant) for variant in shadows]
        config = cast("EndpointConfig", document)
        in_use = invalid(f'Cannot create already existing endpoint configuration "{arn}".')
        self.add(self.table("endpoint_configs"), name, config, arn, params.get("Tags", []), in_use=in_use)
        return {"EndpointConfigArn": arn}

    def describe_endpoint_config(self, params: DescribeEndpointConfigInputTypeDef) -> Answer:
        """See DescribeEndpointConfig."""
        return public(self.endpoint_config(params["EndpointConfigName"]))

    def list_endpoint_configs(self, params: ListEndpointConfigsInputTypeDef) -> Answer:
        """See ListEndpointConfigs."""
        configs, token = list_page(params, self.table("endpoint_configs"), name="EndpointConfigName")
        return {"EndpointConfigs": [public(config) for config in configs], "NextToken": token}

    def delete_endpoint_config(self, params: DeleteEndpointConfigInputTypeDef) -> Answer:
        """See DeleteEndpointConfig; as on AWS, an endpoint that uses it keeps running."""
        config = self.endpoint_config(params["EndpointConfigName"])
        self.remove(self.table("endpoint_configs"), params["EndpointConfigName"], config["EndpointConfigArn"])
        return {}

    def endpoint_config(self, name: str) -> EndpointConfig:
        """Return the document of a configuration; raise ServiceError if there is none."""
        config = self.table("endpoint_configs").get(name)
        if config is None:
            arn = self.resource_arn("endpoint-config", name)
            raise invalid(f'Could not find endpoint configuration "{arn}".')
        return config

    def _checked_variant(self, variant: ProductionVariantUnionTypeDef) -> ProductionVariantUnionTypeDef:
        refuse_unsupported(variant, _UNSUPPORTED_VARIANT)
        if not variant.get("ModelName"):
            raise unsupported("a production variant without ModelName (inference components)")
        self.model(variant["ModelName"])
        for required in ("InstanceType", "InitialInstanceCount"):
            if not variant.get(required):
                raise invalid(f"Production variant {variant['VariantName']} needs {required}")
        routing = variant.get("RoutingConfig")
        if routing and routing["RoutingStrategy"] not in _ROUTING:
            raise unsupported(f"the RoutingStrategy {routing['RoutingStrategy']} (use one of {_ROUTING})")
        return {"InitialVariantWeight": 1.0, **variant}


def _check_shadowed(variants: Iterable[ProductionVariantUnionTypeDef]) -> None:
    """Raise ServiceError for instances that shadow tests do not support ("Exclusions" of shadow tests)."""
    for variant in variants:
        kind = variant.get("InstanceType", "")
        if kind.startswith("ml.inf1."):
            raise invalid(
                f"The variant {variant['VariantName']} is on {kind}: Inf1 instances are not supported with "
                "ShadowProductionVariants"
            )
