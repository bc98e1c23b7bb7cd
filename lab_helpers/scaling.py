"""Autoscaling of the PRD endpoint: its settings, what it observes, and what it did.

Contract: Application Auto Scaling API Reference; "Target tracking scaling policies" in its User Guide;
"Automatic scaling of Amazon SageMaker AI models" in the SageMaker AI Developer Guide.
"""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from lab_helpers import metrics
from lab_helpers.display import Table, Tabular, duration
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import Live

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling.type_defs import (
        ScalingActivityTypeDef,
        ScalingPolicyTypeDef,
        TargetTrackingScalingPolicyConfigurationOutputTypeDef,
    )
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

NAMESPACE: Final = "sagemaker"
DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
METRIC = "InvocationsPerInstance"
_UNDER_WAY = {"Pending", "InProgress"}
SAFETY_FACTOR = 0.5
"""Initial value; see "Load testing your auto scaling configuration" (SageMaker AI Developer Guide)."""


class ScalingError(WorkshopError, RuntimeError):
    """There is nothing to scale here; the message says why and what to do."""


@dataclass(frozen=True, repr=False)
class Settings(Tabular):
    """Limits and target of an endpoint's autoscaling."""

    fewest: int
    most: int
    target: float
    """Invocations per instance and minute."""
    scale_out_cooldown: int
    """Seconds after a scale-out before the next one; `scale_in_cooldown` is the same for scale-ins."""
    scale_in_cooldown: int

    def table(self) -> Table:
        """Show the settings in a row."""
        return Table(
            ["instances", "invocations per instance and minute", "cooldown out", "cooldown in"],
            [
                [
                    f"{self.fewest} to {self.most}",
                    f"{self.target:g}",
                    duration(self.scale_out_cooldown),
                    duration(self.scale_in_cooldown),
                ]
            ],
        )


def declared(lab: Lab) -> Settings:
    """Return the settings in the PRD stack's template, regardless of later changes by hand."""
    [stack] = lab.client("cloudformation").describe_stacks(StackName=lab.names.prd_stack)["Stacks"]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}
    return Settings(
        fewest=int(values["MinInstances"]),
        most=int(values["MaxInstances"]),
        target=float(values["InvocationsPerInstance"]),
        scale_out_cooldown=int(values["ScaleOutCooldown"]),
        scale_in_cooldown=int(values["ScaleInCooldown"]),
    )


def settings(lab: Lab, endpoint: str) -> Settings:
    """Return the current settings; raises ScalingError if the endpoint is not scaled automatically."""
    client = lab.client("application-autoscaling")
    targets = client.describe_scalable_targets(
        ServiceNamespace=NAMESPACE, ResourceIds=[_resource(endpoint)], ScalableDimension=DIMENSION
    )["ScalableTargets"]
    if not targets:
        raise ScalingError(f"{endpoint} has no scalable target: release to PRD with notebook 04 first")
    tracking = _policy(lab, endpoint)["TargetTrackingScalingPolicyConfiguration"]
    return Settings(
        fewest=targets[0]["MinCapacity"],
        most=targets[0]["MaxCapacity"],
        target=tracking["TargetValue"],
        scale_out_cooldown=tracking["ScaleOutCooldown"],
        scale_in_cooldown=tracking["ScaleInCooldown"],
    )


def apply(lab: Lab, endpoint: str, wanted: Settings) -> None:
    """Apply `wanted` (PutScalingPolicy, RegisterScalableTarget); both update existing settings in place.

    An endpoint outside the limits is brought within them.
    """
    policy = _policy(lab, endpoint)
    tracking: TargetTrackingScalingPolicyConfigurationOutputTypeDef = {
        **policy["TargetTrackingScalingPolicyConfiguration"],
        "TargetValue": wanted.target,
        "ScaleOutCooldown": wanted.scale_out_cooldown,
        "ScaleInCooldown": wanted.scale_in_cooldown,
    }
    client = lab.client("application-autoscaling")
    client.put_scaling_policy(
        ServiceNamespace=policy["ServiceNamespace"],
        ResourceId=policy["ResourceId"],
        ScalableDimension=policy["ScalableDimension"],
        PolicyName=policy["PolicyName"],
        PolicyType=policy["PolicyType"],
        TargetTrackingScalingPolicyConfiguration=tracking,
    )
    client.register_scalable_target(
        ServiceNamespace=policy["ServiceNamespace"],
        ResourceId=policy["ResourceId"],
        ScalableDimension=policy["ScalableDimension"],
        MinCapacity=wanted.fewest,
        MaxCapacity=wanted.most,
    )


def suggested_target(requests_per_second: float) -> int:
    """Return a target per minute for an instance that can take this many requests per second."""
    return int(requests_per_second * SAFETY_FACTOR * 60)


@dataclass(frozen=True)
class Alarm:
    """One of a policy's two alarms (CloudWatch DescribeAlarms)."""

    kind: str
    """`high` or `low`."""
    periods: int
    period: int
    """Seconds, as the alarm declares it."""
    threshold: float
    state: str
    """OK, ALARM or INSUFFICIENT_DATA."""
    since: datetime
    """When it got into this state."""
    reason: str = ""
    pace: float | None = None
    """Seconds between the datapoints behind the state: the clock that the alarm really runs on."""

    @classmethod
    def of(cls, found: MetricAlarmTypeDef) -> Alarm:
        """Read an alarm as DescribeAlarms returns it."""
        return cls(
            kind="high" if found["ComparisonOperator"] == "GreaterThanThreshold" else "low",
            periods=found["EvaluationPeriods"],
            period=found["Period"],
            threshold=found["Threshold"],
            state=found["StateValue"],
            since=found.get("StateTransitionedTimestamp") or found["StateUpdatedTimestamp"],
            reason=found.get("StateReason", ""),
            pace=_pace(found.get("StateReasonData", "")),
        )

    @property
    def condition(self) -> str:
        """When it fires."""
        side = "above" if self.kind == "high" else "below"
        return f"{self.periods} periods of {self.period} s in a row are {side} {self.threshold:g}"


def _pace(data: str) -> float | None:
    """Return the seconds between datapoints in `StateReasonData`; None with fewer than two of them."""
    points = json.loads(data or "{}").get("evaluatedDatapoints", [])
    times = sorted(datetime.strptime(one["timestamp"], "%Y-%m-%dT%H:%M:%S.%f%z") for one in points)
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(times)]
    return statistics.median(gaps) if gaps else None  # a period without data leaves a wider gap


@dataclass(frozen=True)
class Observation:
    """The state of the endpoint and its autoscaling at one moment."""

    when: datetime
    status: str
    current: int
    desired: int
    per_instance: float | None
    """Invocations per instance in CloudWatch's newest minute."""
    high: str
    low: str
    """States of the policy's two alarms: OK, ALARM or INSUFFICIENT_DATA."""
    fired: tuple[Alarm, ...] = ()
    """The alarms that are in ALARM."""

    @property
    def settled(self) -> bool:
        """Whether the endpoint has the desired number of instances, all in service."""
        return self.status == "InService" and self.current == self.desired


def observe(lab: Lab, endpoint: str) -> Observation:
    """Return the current state (DescribeEndpoint, GetMetricData, DescribeAlarms)."""
    found = lab.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    variant = found["ProductionVariants"][0]
    found_alarms = alarms(lab, endpoint)
    states = {one.kind: one.state for one in found_alarms}
    return Observation(
        when=datetime.now(UTC),
        status=found["EndpointStatus"],
        current=variant.get("CurrentInstanceCount", 0),
        desired=variant.get("DesiredInstanceCount", 0),
        per_instance=metrics.newest(lab, endpoint, METRIC, "Sum"),
        high=states.get("high", ""),
        low=states.get("low", ""),
        fired=tuple(one for one in found_alarms if one.state == "ALARM"),
    )


def follow(
    lab: Lab,
    endpoint: str,
    until: Callable[[Observation], bool],
    *,
    patience: float,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Observation]:
    """Watch until `until` returns true, at most `patience` seconds; the display shows the last observation.

    Returns all observations. An interrupt ends it.
    """
    live, seen, began = Live(announces=False), [observe(lab, endpoint)], time.monotonic()
    try:
        while True:
            waited = time.monotonic() - began
            live.show(changes_table(seen[-1:]))
            if until(seen[-1]) or waited > patience:
                return seen
            sleep(min(1 + waited / 30, 10))
            seen.append(observe(lab, endpoint))
    except KeyboardInterrupt:
        return seen


def under_way(lab: Lab, endpoint: str, since: datetime) -> bool:
    """Return whether a scaling activity that started since then is still running."""
    return any(one["StatusCode"] in _UNDER_WAY for one in activities(lab, endpoint, since))


def scaled(lab: Lab, endpoint: str, since: datetime) -> Callable[[Observation], bool]:
    """Return a condition: a scaling activity has started since then, and all of them have ended."""

    def ended(now: Observation) -> bool:
        found = activities(lab, endpoint, since) if now.settled else []
        return bool(found) and all(one["StatusCode"] not in _UNDER_WAY for one in found)

    return ended


def changes_table(seen: Sequence[Observation]) -> Table:
    """Show the observations in which anything except the metric changed."""
    states = [(one.status, one.current, one.desired, one.high, one.low) for one in seen]
    return Table(
        [
            "time (UTC)",
            "endpoint",
            "instances",
            "desired",
            "per instance and minute",
            "alarm high",
            "alarm low",
        ],
        [
            [
                f"{one.when:%H:%M:%S}",
                one.status,
                one.current,
                one.desired,
                "" if one.per_instance is None else f"{one.per_instance:,.0f}",
                one.high,
                one.low,
            ]
            for i, one in enumerate(seen)
            if i == 0 or states[i] != states[i - 1]
        ],
    )


def activities(lab: Lab, endpoint: str, since: datetime) -> list[ScalingActivityTypeDef]:
    """Return the scaling activities that started since then, oldest first (DescribeScalingActivities)."""
    pages = (
        lab.client("application-autoscaling")
        .get_paginator("describe_scaling_activities")
        .paginate(ServiceNamespace=NAMESPACE, ResourceId=_resource(endpoint), ScalableDimension=DIMENSION)
    )
    found = [one for page in pages for one in page["ScalingActivities"] if one["StartTime"] >= since]
    return sorted(found, key=lambda one: one["StartTime"])


def activities_table(found: Sequence[ScalingActivityTypeDef]) -> Table:
    """Show scaling activities with their causes."""
    return Table(
        ["began (UTC)", "took", "status", "what", "why"],
        [
            [
                f"{one['StartTime'].astimezone(UTC):%H:%M:%S}",
                duration((one["EndTime"] - one["StartTime"]).total_seconds()) if "EndTime" in one else "",
                one["StatusCode"],
                one["Description"],
                one.get("StatusMessage", "") if one["StatusCode"] == "Failed" else one["Cause"],
            ]
            for one in found
        ],
    )


def alarms(lab: Lab, endpoint: str) -> list[Alarm]:
    """Return the policy's alarms (DescribeAlarms)."""
    names = [alarm["AlarmName"] for alarm in _policy(lab, endpoint).get("Alarms", [])]
    found = lab.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] if names else []
    return [Alarm.of(one) for one in found]


def alarms_table(lab: Lab, endpoint: str) -> Table:
    """Show the policy's alarms: when they fire, their state and its reason."""
    return Table(
        ["alarm", "fires when", "state", "reason"],
        [[one.kind, one.condition, one.state, one.reason] for one in alarms(lab, endpoint)],
    )


def story_table(
    seen: Sequence[Observation],
    found: Sequence[ScalingActivityTypeDef],
    began: datetime,
    what: str = "the load began",
) -> Table:
    """Show alarms, activities and instances in order, with the seconds since `began`, when `what` happened.

    The caption says on which clock the last alarm ran, as its own datapoints show it.
    """
    fired = {(one.kind, one.since): one for look in seen for one in look.fired}
    events = [(one.since, f"alarm {one.kind} fired: {one.condition}") for one in fired.values()]
    for one in found:
        events.append((one["StartTime"], f"Auto Scaling: {one['Description']}"))
        if "EndTime" in one:
            events.append((one["EndTime"], f"this activity ended: {one['StatusCode']}"))
    for before, now in itertools.pairwise(seen):
        if now.current != before.current:
            events.append((now.when, f"{now.current} instance(s) in service"))
    rows = [(began, what), *events]
    return Table(
        ["time (UTC)", f"seconds since {what}", "what"],
        [
            [f"{when.astimezone(UTC):%H:%M:%S}", f"{(when - began).total_seconds():.0f}", event]
            for when, event in sorted(rows, key=lambda row: row[0])
        ],
        caption=_clock(max(fired.values(), key=lambda one: one.since)) if fired else "",
    )


def _clock(alarm: Alarm) -> str:
    """Return how long the periods that an alarm has evaluated really were."""
    if alarm.pace is None:
        return ""
    told = f"The {alarm.periods} periods of alarm {alarm.kind} took {alarm.pace:g} s each"
    if round(alarm.pace) == alarm.period:
        return f"{told}."
    return f"{told}, not {alarm.period} s: this account's scaling alarms run on a faster clock."


def _policy(lab: Lab, endpoint: str) -> ScalingPolicyTypeDef:
    policies = lab.client("application-autoscaling").describe_scaling_policies(
        ServiceNamespace=NAMESPACE, ResourceId=_resource(endpoint), ScalableDimension=DIMENSION
    )["ScalingPolicies"]
    for policy in policies:
        if policy["PolicyType"] == "TargetTrackingScaling":
            return policy
    raise ScalingError(f"{endpoint} has no target-tracking policy: release to PRD with notebook 04 first")


def _resource(endpoint: str) -> str:
    return f"endpoint/{endpoint}/variant/{metrics.VARIANT}"
