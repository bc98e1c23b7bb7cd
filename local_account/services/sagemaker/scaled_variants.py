"""Variants of endpoints that Application Auto Scaling scales, and what SageMaker refuses because of them.

Contract: "Update endpoints that use auto scaling" and "Delete endpoints configured for auto scaling" in the
developer guide.

Differs from AWS: an update that removes a scaled variant or changes its instance type is refused in words of
ours, as those of AWS are not documented.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from local_account.foundation.acting import calling_role
from local_account.foundation.errors import ServiceError
from local_account.services.sagemaker.resources import invalid

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import ScalableTargetTypeDef

    from local_account.foundation.account import Account

_NAMESPACE = "sagemaker"


def check_update(account: Account, endpoint: str, current: Mapping[str, str], new: Mapping[str, str]) -> None:
    """Raise ServiceError ValidationException if a scaled variant would change its instance type or go.

    ``current`` and ``new`` are the instance types by variant.
    """
    arn = account.arn("sagemaker", f"endpoint/{endpoint.lower()}")
    for target in _targets(account, endpoint, current):
        variant = target["ResourceId"].rpartition("/")[2]
        if new.get(variant) == current[variant]:
            continue
        change = (
            f"changes the instance type of the variant {variant} from {current[variant]} to {new[variant]}"
            if variant in new
            else f"removes the variant {variant}"
        )
        raise invalid(
            f'Cannot update endpoint "{arn}": the update {change}, and an Application AutoScaling scalable '
            "target exists for the variant. Deregister the scalable target before the update."
        )


def deregister(account: Account, endpoint: str, variants: Iterable[str]) -> None:
    """Deregister the scalable targets of an endpoint with the caller's permissions.

    Raises ServiceError AccessDeniedException if the caller may not.
    """
    scaling = account.client("application-autoscaling", calling_role())
    for target in _targets(account, endpoint, variants):
        try:
            scaling.deregister_scalable_target(
                ServiceNamespace=_NAMESPACE,
                ResourceId=target["ResourceId"],
                ScalableDimension=target["ScalableDimension"],
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "ObjectNotFoundException":
                continue
            if code != "AccessDeniedException":
                raise
            raise ServiceError(
                "AccessDeniedException",
                "An Application AutoScaling scalable target exists for a variant being deleted, and the IAM "
                "identity used to invoke DeleteEndpoint does not have "
                "application-autoscaling:DeregisterScalableTarget permission to deregister the scalable "
                "target.",
            ) from error


def _targets(account: Account, endpoint: str, variants: Iterable[str]) -> list[ScalableTargetTypeDef]:
    # An endpoint has at most ten variants, so one page has all their targets.
    ids = [f"endpoint/{endpoint}/variant/{name}" for name in variants]
    found: list[ScalableTargetTypeDef] = account.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace=_NAMESPACE, ResourceIds=ids
    )["ScalableTargets"]
    return found
