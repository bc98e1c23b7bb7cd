"""What is kept of scalable targets, scaling policies and scaling activities.

A document holds the members that the Describe operations answer, under their names there. Whatever
else is needed of an activity has a name in lower case.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.literals import (
        PolicyTypeType,
        ScalableDimensionType,
        ScalingActivityStatusCodeType,
        ServiceNamespaceType,
    )
    from mypy_boto3_application_autoscaling.type_defs import (
        AlarmTypeDef,
        NotScaledReasonTypeDef,
        SuspendedStateTypeDef,
        TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    )


class ScalableTarget(TypedDict):
    """A variant of an endpoint whose instance count may change between two bounds."""

    ServiceNamespace: ServiceNamespaceType
    ResourceId: str
    """``endpoint/NAME/variant/NAME``."""
    ScalableDimension: ScalableDimensionType
    MinCapacity: int
    MaxCapacity: int
    RoleARN: str
    CreationTime: datetime
    SuspendedState: SuspendedStateTypeDef
    ScalableTargetARN: str
    Tags: dict[str, str]


class ScalingPolicy(TypedDict):
    """A target-tracking policy; its configuration has every default filled in."""

    ServiceNamespace: ServiceNamespaceType
    ResourceId: str
    ScalableDimension: ScalableDimensionType
    PolicyName: str
    PolicyType: PolicyTypeType
    PolicyARN: str
    CreationTime: datetime
    TargetTrackingScalingPolicyConfiguration: TargetTrackingScalingPolicyConfigurationOutputTypeDef
    Alarms: list[AlarmTypeDef]


class ScalingActivity(TypedDict):
    """A change of capacity, or a record of why an alarm changed nothing."""

    ActivityId: str
    ServiceNamespace: ServiceNamespaceType
    ResourceId: str
    ScalableDimension: ScalableDimensionType
    Cause: str
    Description: str
    StartTime: datetime
    EndTime: NotRequired[datetime]
    StatusCode: ScalingActivityStatusCodeType
    StatusMessage: NotRequired[str]
    Details: NotRequired[str]
    NotScaledReasons: NotRequired[list[NotScaledReasonTypeDef]]
    policy: NotRequired[str | None]
    """Name of the policy that changed the capacity; None for a correction of the bounds."""
    before: NotRequired[int]
    """The capacity before the change."""
    after: NotRequired[int]
    """The capacity after the change."""
