"""Service-linked roles that services of the account create for themselves.

Contract: Application Auto Scaling User Guide, "Service-linked roles": the first RegisterScalableTarget in an
account creates the role, with the permissions of its caller.
"""

from __future__ import annotations

SCALING = "sagemaker.application-autoscaling.amazonaws.com"
"""The service that scales the variants of endpoints."""
NAMES = {SCALING: "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"}
"""The role of a service: for others, the account has no name that AWS documents."""


def resource(service: str) -> str:
    """Return the resource of the role's ARN; a wildcard stands for a name that is not known."""
    return f"role/aws-service-role/{service}/{NAMES.get(service, 'AWSServiceRoleFor*')}"
