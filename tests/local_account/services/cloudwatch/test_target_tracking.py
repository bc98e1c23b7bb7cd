"""The capacity that a target-tracking policy sets, by metric, bounds, cooldowns and suspensions."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from local_account.services.autoscaling.records import ScalableTarget
from local_account.services.autoscaling.tracking import (
    WAIT,
    Change,
    Decision,
    scale_in,
    scale_out,
    within_bounds,
)

NOW = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
POLICY: Any = {"TargetValue": 100.0, "ScaleOutCooldown": 60, "ScaleInCooldown": 300, "DisableScaleIn": False}


def target(least: int = 1, most: int = 10, **suspended: bool) -> ScalableTarget:
    state = {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False}
    members = {"MinCapacity": least, "MaxCapacity": most, "SuspendedState": state | suspended}
    return cast("ScalableTarget", members)


def ago(seconds: float, before: int, after: int, *, successful: bool = True) -> Change:
    return Change(before, after, NOW - timedelta(seconds=seconds), successful)


def out(
    current: int,
    metric: float,
    *,
    last: Change | None = None,
    on: ScalableTarget | None = None,
    **policy: Any,
) -> Decision:
    return scale_out(current, metric, target=on or target(), policy=POLICY | policy, last=last, now=NOW)


def back(
    current: int,
    metric: float,
    *,
    last: Change | None = None,
    on: ScalableTarget | None = None,
    **policy: Any,
) -> Decision:
    return scale_in(current, metric, target=on or target(), policy=POLICY | policy, last=last, now=NOW)


@pytest.mark.parametrize(
    ("current", "metric", "capacity"),
    [(1, 101, 2), (1, 200, 2), (1, 201, 3), (2, 150, 3), (4, 110, 5), (1, 99_999, 10), (3, 100.1, 4)],
)
def test_capacity_grows_with_the_metric_up_to_the_maximum(current: int, metric: float, capacity: int) -> None:
    assert out(current, metric) == Decision(capacity)


@pytest.mark.parametrize(
    ("current", "metric", "capacity"), [(4, 20, 1), (4, 49, 2), (4, 50, 2), (4, 51, 3), (10, 1, 1)]
)
def test_capacity_shrinks_to_what_carries_the_load_down_to_the_minimum(
    current: int, metric: float, capacity: int
) -> None:
    assert back(current, metric) == Decision(capacity)
    assert back(current, metric, on=target(least=3)) == Decision(3 if capacity < 3 else capacity)


def test_bounds_and_rounding_are_reasons_not_to_scale() -> None:
    assert out(3, 500, on=target(most=3)).not_scaled == {"Code": "AlreadyAtMaxCapacity", "MaxCapacity": 3}
    assert back(2, 5, on=target(least=2)).not_scaled == {"Code": "AlreadyAtMinCapacity", "MinCapacity": 2}
    assert back(2, 80).not_scaled == {"Code": "AlreadyAtDesiredCapacity", "CurrentCapacity": 2}


def test_scale_out_cooldown_lets_only_a_larger_step_through() -> None:
    assert out(2, 150, last=ago(59, 1, 2)) == WAIT  # one more, as last time
    assert out(2, 250, last=ago(59, 1, 2)) == Decision(4)  # three more, of which one was added already
    assert out(2, 150, last=ago(60, 1, 2)) == Decision(3)
    assert out(2, 150, last=ago(5, 1, 2), ScaleOutCooldown=0) == Decision(3)


def test_scale_in_cooldown_blocks_scale_in_but_not_scale_out() -> None:
    assert back(3, 10, last=ago(299, 4, 3)) == WAIT
    assert back(3, 10, last=ago(300, 4, 3)) == Decision(1)
    assert out(3, 150, last=ago(1, 4, 3)) == Decision(5)
    assert back(3, 10, last=ago(1, 2, 3)) == Decision(1)  # the scale-out ended the scale-in cooldown


def test_a_failed_change_is_not_retried_at_once() -> None:
    assert out(1, 900, last=ago(59, 1, 3, successful=False)) == WAIT
    assert out(1, 900, last=ago(61, 1, 3, successful=False)) == Decision(9)


def test_suspended_and_disabled_scaling_does_nothing() -> None:
    assert out(1, 500, on=target(DynamicScalingOutSuspended=True)) == WAIT
    assert back(3, 1, on=target(DynamicScalingInSuspended=True)) == WAIT
    assert back(3, 1, DisableScaleIn=True) == WAIT


def test_a_capacity_outside_the_bounds_is_corrected() -> None:
    assert within_bounds(1, target(2, 3)) == (2, "minimum capacity was set to 2")
    assert within_bounds(5, target(2, 3)) == (3, "maximum capacity was set to 3")
    assert within_bounds(2, target(2, 3)) is None
