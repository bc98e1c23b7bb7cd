"""How many instances a target-tracking policy asks for, and when it may have them.

Contract: "Target tracking scaling policies" (including cooldown periods) and, for the reasons not to scale,
"Scaling activities" in the Application Auto Scaling User Guide.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import (
        NotScaledReasonTypeDef,
        TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    )

    from local_account.services.autoscaling.records import ScalableTarget

COOLDOWN_SECONDS = 300
"""Default for SageMaker variants, in both directions."""


class Datapoint(Protocol):
    """The statistic of one period of an alarm; ``value`` is None if there is no data."""

    @property
    def time(self) -> datetime: ...  # noqa: D102
    @property
    def value(self) -> float | None: ...  # noqa: D102


@dataclass(frozen=True)
class Change:
    """A completed scaling activity of the policy."""

    before: int
    after: int
    end: datetime
    successful: bool = True


@dataclass(frozen=True)
class Decision:
    """A capacity to set, or why none is set: a NotScaledReason, or nothing worth recording."""

    capacity: int | None = None
    not_scaled: NotScaledReasonTypeDef | None = None


WAIT = Decision()


def scale_out(
    current: int,
    metric: float,
    *,
    target: ScalableTarget,
    policy: TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    last: Change | None,
    now: datetime,
) -> Decision:
    """Decide what to do about a metric above the target value.

    ``policy`` is the configuration of the policy, ``last`` its last change of capacity.
    The capacity asked for is ``current × metric / target value``. During the scale-out cooldown, a larger
    scale-out than the last one still adds the difference.
    """
    if target["SuspendedState"]["DynamicScalingOutSuspended"]:
        return WAIT
    most = target["MaxCapacity"]
    if current >= most:
        return Decision(not_scaled={"Code": "AlreadyAtMaxCapacity", "MaxCapacity": most})
    step = _wanted(current, metric, policy) - current
    if last and last.after >= last.before and _cooling(last, policy["ScaleOutCooldown"], now):
        step -= last.after - last.before
        if step <= 0 or not last.successful:
            return WAIT
    if step <= 0:
        return _unchanged(current)
    return Decision(min(current + step, most))


def scale_in(
    current: int,
    metric: float,
    *,
    target: ScalableTarget,
    policy: TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    last: Change | None,
    now: datetime,
) -> Decision:
    """Decide what to do about a metric well below the target value; arguments as for ``scale_out``.

    Nothing is removed until the scale-in cooldown has passed; a scale-out since then has ended it.
    """
    if target["SuspendedState"]["DynamicScalingInSuspended"] or policy["DisableScaleIn"]:
        return WAIT
    least = target["MinCapacity"]
    if current <= least:
        return Decision(not_scaled={"Code": "AlreadyAtMinCapacity", "MinCapacity": least})
    if last and last.after < last.before and _cooling(last, policy["ScaleInCooldown"], now):
        return WAIT
    capacity = max(_wanted(current, metric, policy), least)
    return Decision(capacity) if capacity < current else _unchanged(current)


def within_bounds(current: int, target: ScalableTarget) -> tuple[int, str] | None:
    """Return the capacity to correct to and the cause if the current one is out of bounds, else None."""
    if current < target["MinCapacity"]:
        return target["MinCapacity"], f"minimum capacity was set to {target['MinCapacity']}"
    if current > target["MaxCapacity"]:
        return target["MaxCapacity"], f"maximum capacity was set to {target['MaxCapacity']}"
    return None


def _wanted(
    current: int, metric: float, policy: TargetTrackingScalingPolicyConfigurationOutputTypeDef
) -> int:
    return math.ceil(round(current * metric / float(policy["TargetValue"]), 6))


def _cooling(last: Change, seconds: int, now: datetime) -> bool:
    return now < last.end + timedelta(seconds=seconds)


def _unchanged(current: int) -> Decision:
    return Decision(not_scaled={"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": current})
