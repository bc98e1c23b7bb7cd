"""Endpoints that Application Auto Scaling scales by their load."""

from __future__ import annotations

from typing import Any

from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab


def target(name: str) -> dict[str, str]:
    """Return what names the scalable target of an endpoint."""
    return {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{name}/variant/AllTraffic",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
    }


def track(
    lab: SageMakerLab, name: str, value: float, *, fewest: int = 1, most: int = 3, out: int = 2, back: int = 2
) -> Any:
    """Scale an endpoint between so many instances, with these cooldowns in seconds; return the client."""
    client = lab.account.client("application-autoscaling")
    client.register_scalable_target(**target(name), MinCapacity=fewest, MaxCapacity=most)
    client.put_scaling_policy(
        **target(name),
        PolicyName="invocations",
        PolicyType="TargetTrackingScaling",
        TargetTrackingScalingPolicyConfiguration={
            "TargetValue": value,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
            "ScaleOutCooldown": out,
            "ScaleInCooldown": back,
        },
    )
    return client


def counts(lab: SageMakerLab, name: str) -> tuple[int, int, str]:
    """Return how many instances are desired and how many are there, and the endpoint's status."""
    described = lab.sagemaker.describe_endpoint(EndpointName=name)
    variant = described["ProductionVariants"][0]
    return (
        variant["DesiredInstanceCount"],
        variant["CurrentInstanceCount"],
        described["EndpointStatus"],
    )
