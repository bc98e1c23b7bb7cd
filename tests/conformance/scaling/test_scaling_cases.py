"""Capacities, states of alarms, statistics.

- tracking: what a target-tracking policy sets; the target value is 100, capacities are 1 to 10, cooldowns 60
  seconds out and 300 in, unless the input says otherwise. ``last`` is the policy's last change, ``bounds``
  the correction of a capacity out of bounds. The answer is a capacity, why it stays, or null: nothing.
- alarms: the state from ``data``, oldest first (``X`` is above the threshold, ``0`` below, ``E`` equal, ``-``
  missing), with M ``of`` N.
- labels: of queries of GetMetricData, each a statistic, a period, perhaps a name and a label of its own.
- statistics: of ``values`` (with ``counts``), or of statistic sets: count, sum, minimum, maximum.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from local_account.services.autoscaling import tracking
from local_account.services.autoscaling.records import ScalableTarget
from local_account.services.cloudwatch.alarms import Alarm
from local_account.services.cloudwatch.evaluation import Datapoint, evaluate
from local_account.services.cloudwatch.statistics import Statistics, is_statistic
from tests.conformance.cases import Case, identify, load
from tests.local_account.account_process import AccountProcess

NOW = datetime(2026, 5, 13, 12, 0, tzinfo=UTC)
OPERATORS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
VALUES = {"0": 1.0, "E": 10.0, "X": 11.0, "-": None}


def _target(asked: dict[str, Any]) -> ScalableTarget:
    state = {"DynamicScalingInSuspended": False, "DynamicScalingOutSuspended": False}
    if "suspended" in asked:
        state[asked["suspended"]] = True
    members = {
        "MinCapacity": asked.get("minimum", 1),
        "MaxCapacity": asked.get("maximum", 10),
        "SuspendedState": state,
    }
    return cast("ScalableTarget", members)


def _change(last: dict[str, Any] | None) -> tracking.Change | None:
    if last is None:
        return None
    return tracking.Change(last["before"], last["after"], NOW - timedelta(seconds=last["ago"]))


@pytest.mark.parametrize("case", load("scaling/tracking"), ids=identify)
def test_tracking(case: Case) -> None:
    asked = case.input
    if asked["direction"] == "bounds":
        correction = tracking.within_bounds(asked["current"], _target(asked))
        case.check(correction[0] if correction else None)
        return
    policy: Any = {
        "TargetValue": asked.get("target", 100.0),
        "ScaleOutCooldown": asked.get("out_cooldown", 60),
        "ScaleInCooldown": asked.get("in_cooldown", 300),
        "DisableScaleIn": asked.get("disable_in", False),
    }
    decide = tracking.scale_out if asked["direction"] == "out" else tracking.scale_in
    decision = decide(
        asked["current"],
        asked["metric"],
        target=_target(asked),
        policy=policy,
        last=_change(asked.get("last")),
        now=NOW,
    )
    case.check(decision.not_scaled["Code"] if decision.not_scaled else decision.capacity)


@pytest.mark.parametrize("case", load("scaling/alarms"), ids=identify)
def test_alarms(case: Case) -> None:
    needed, periods = case.input["of"]
    alarm = {
        "AlarmName": "a",
        "Period": 60,
        "EvaluationPeriods": periods,
        "DatapointsToAlarm": needed,
        "Threshold": 10.0,
        "ComparisonOperator": OPERATORS[case.input.get("operator", ">")],
        "Statistic": "Sum",
        "AlarmActions": [],
        "TreatMissingData": case.input.get("treat", "missing"),
    }
    points = [
        Datapoint(NOW + timedelta(minutes=number), VALUES[sign], 1)
        for number, sign in enumerate(case.input["data"])
    ]
    found = evaluate(cast("Alarm", alarm), points)
    case.check(found.state if found else "unchanged")


@pytest.mark.parametrize("case", load("scaling/statistics"), ids=identify)
def test_statistics(case: Case) -> None:
    asked = case.input
    if not is_statistic(asked["statistic"]):
        case.check({"error": "not a statistic"})
        return
    found = Statistics.of_set(*asked["set"]) if "set" in asked else Statistics()
    if "again" in asked:
        found.merge(Statistics.of_set(*asked["again"]))
    values = asked.get("values", [])
    for value, count in zip(values, asked.get("counts", [1] * len(values)), strict=True):
        found.add(value, count)
    case.check(found.value(asked["statistic"]))


@pytest.mark.parametrize("case", load("scaling/labels"), ids=identify)
def test_labels(case: Case, account: AccountProcess) -> None:
    queries = []
    for number, (statistic, period, *named) in enumerate(case.input):
        name, *label = named or ["m"]
        metric = {"Namespace": "labels", "MetricName": name}
        stat = {"Metric": metric, "Period": period, "Stat": statistic}
        queries.append({"Id": f"q{number}", "MetricStat": stat, **dict(zip(["Label"], label, strict=False))})
    now = datetime.now(UTC)
    answer = account.client("cloudwatch").get_metric_data(
        MetricDataQueries=queries, StartTime=now - timedelta(minutes=5), EndTime=now
    )
    case.check([result["Label"] for result in answer["MetricDataResults"]])
