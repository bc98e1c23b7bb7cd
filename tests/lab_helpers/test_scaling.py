"""Autoscaling as the stress test changes, watches and restores it; what CloudWatch records of a load."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from lab_helpers import metrics, plots, scaling
from lab_helpers.lab import Lab
from tests.lab_helpers.fakes import START, FakeClient, lab

ENDPOINT = "ana-iris-model-prd"
RESOURCE = f"endpoint/{ENDPOINT}/variant/AllTraffic"
WHERE = {
    "ServiceNamespace": "sagemaker",
    "ResourceId": RESOURCE,
    "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
}
HIGH, LOW = "TargetTracking-x-AlarmHigh-1", "TargetTracking-x-AlarmLow-1"
DECLARED = scaling.Settings(fewest=1, most=2, target=1000.0, scale_out_cooldown=60, scale_in_cooldown=300)


def reason_data(pace: int) -> str:
    """Return StateReasonData with three datapoints, newest first as CloudWatch writes them."""
    times = [START + timedelta(seconds=pace * i) for i in (2, 1, 0)]
    points = [{"timestamp": f"{time:%Y-%m-%dT%H:%M:%S}.000+0000", "value": 1080.0} for time in times]
    return json.dumps({"version": "1.0", "period": 60, "evaluatedDatapoints": points})


class Account:
    """An endpoint with a scalable target, a target-tracking policy, its alarms and its metrics."""

    def __init__(self, tmp_path: Path) -> None:
        self.limits = {"MinCapacity": 1, "MaxCapacity": 2}
        self.tracking: dict[str, Any] = {
            "TargetValue": 1000.0,
            "ScaleOutCooldown": 60,
            "ScaleInCooldown": 300,
            "DisableScaleIn": False,
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
            },
        }
        self.registered = True
        self.states = {HIGH: "OK", LOW: "INSUFFICIENT_DATA"}
        self.pace = 60
        self.looks: list[tuple[str, int, int]] = [("InService", 1, 1)]
        self.activities: list[dict[str, Any]] = []
        self.release_alarms: list[dict[str, str]] = [{"server-errors": "OK", "model-latency": "OK"}]
        self.points: dict[tuple[str, str], list[tuple[datetime, float]]] = {}
        self.autoscaling = FakeClient(
            "application-autoscaling",
            describe_scalable_targets=self._targets,
            describe_scaling_policies=self._policies,
            put_scaling_policy=self._put_policy,
            register_scalable_target=self._register,
            describe_scaling_activities=lambda **_: {"ScalingActivities": self.activities},
        )
        self.lab: Lab = lab(
            tmp_path,
            "ana",
            application_autoscaling=self.autoscaling,
            sagemaker=FakeClient("sagemaker", describe_endpoint=self._endpoint),
            cloudwatch=FakeClient(
                "cloudwatch", describe_alarms=self._alarms, get_metric_data=self._metric_data
            ),
            cloudformation=FakeClient("cloudformation", describe_stacks=self._stacks),
        )

    def _targets(self, **asked: Any) -> dict[str, Any]:
        assert asked["ResourceIds"] == [RESOURCE]
        target = {**WHERE, **self.limits, "RoleARN": "arn:aws:iam::1:role/r", "CreationTime": START}
        return {"ScalableTargets": [target] if self.registered else []}

    def _policies(self, **asked: Any) -> dict[str, Any]:
        assert asked == WHERE
        policy = {
            **WHERE,
            "PolicyARN": "arn",
            "PolicyName": "ana-iris-model-prd-invocations",
            "PolicyType": "TargetTrackingScaling",
            "TargetTrackingScalingPolicyConfiguration": self.tracking,
            "Alarms": [{"AlarmName": name, "AlarmARN": f"arn:{name}"} for name in self.states],
            "CreationTime": START,
        }
        return {"ScalingPolicies": [policy] if self.registered else []}

    def _put_policy(self, **asked: Any) -> dict[str, Any]:
        assert asked["PolicyName"] == "ana-iris-model-prd-invocations", "the policy is changed in place"
        self.tracking = asked["TargetTrackingScalingPolicyConfiguration"]
        return {"PolicyARN": "arn", "Alarms": []}

    def _register(self, **asked: Any) -> dict[str, Any]:
        self.limits = {name: asked[name] for name in ("MinCapacity", "MaxCapacity")}
        return {"ScalableTargetARN": "arn"}

    def _endpoint(self, EndpointName: str) -> dict[str, Any]:
        assert EndpointName == ENDPOINT
        status, current, desired = self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]
        variant = {
            "VariantName": "AllTraffic",
            "CurrentInstanceCount": current,
            "DesiredInstanceCount": desired,
        }
        return {
            "EndpointName": ENDPOINT,
            "EndpointArn": f"arn:aws:sagemaker:eu-west-1:123456789012:endpoint/{ENDPOINT}",
            "EndpointConfigName": "c",
            "EndpointStatus": status,
            "ProductionVariants": [variant],
            "CreationTime": START,
            "LastModifiedTime": START,
        }

    def _alarms(self, AlarmNames: list[str] = [], AlarmNamePrefix: str = "") -> dict[str, Any]:  # noqa: B006
        if AlarmNamePrefix:
            assert AlarmNamePrefix == "ana-iris-model-prd-"
            states = self.release_alarms.pop(0) if len(self.release_alarms) > 1 else self.release_alarms[0]
            return {
                "MetricAlarms": [
                    {
                        "AlarmName": f"{AlarmNamePrefix}{name}",
                        "Namespace": "AWS/SageMaker",
                        "StateValue": state,
                    }
                    for name, state in states.items()
                ]
            }
        alarms = [
            {
                "AlarmName": name,
                "StateValue": self.states[name],
                "StateReason": f"because of {name}",
                "ComparisonOperator": "GreaterThanThreshold" if name == HIGH else "LessThanThreshold",
                "EvaluationPeriods": 3 if name == HIGH else 15,
                "Period": 60,
                "Threshold": 1000.0 if name == HIGH else 900.0,
                "StateTransitionedTimestamp": START + timedelta(seconds=self.pace),
                "StateReasonData": reason_data(self.pace),
            }
            for name in AlarmNames
        ]
        return {"MetricAlarms": alarms}

    def _metric_data(self, **asked: Any) -> dict[str, Any]:
        results = []
        for query in asked["MetricDataQueries"]:
            stat = query["MetricStat"]
            assert stat["Period"] == 60
            assert stat["Metric"]["Namespace"] == "AWS/SageMaker"
            dimensions = {one["Name"]: one["Value"] for one in stat["Metric"]["Dimensions"]}
            assert dimensions == {"EndpointName": ENDPOINT, "VariantName": "AllTraffic"}
            points = self.points.get((stat["Metric"]["MetricName"], stat["Stat"]), [])
            points = [one for one in points if asked["StartTime"] <= one[0] < asked["EndTime"]]
            results.append(
                {
                    "Id": query["Id"],
                    "Timestamps": [when for when, _ in points],
                    "Values": [value for _, value in points],
                }
            )
        return {"MetricDataResults": results}

    def _stacks(self, StackName: str) -> dict[str, Any]:
        assert StackName == "ana-iris-model-prd"
        values = {
            "MinInstances": "1",
            "MaxInstances": "2",
            "InvocationsPerInstance": "1000",
            "ScaleOutCooldown": "60",
            "ScaleInCooldown": "300",
            "InstanceType": "ml.m5.large",
        }
        parameters = [{"ParameterKey": key, "ParameterValue": value} for key, value in values.items()]
        return {
            "Stacks": [
                {
                    "StackName": StackName,
                    "CreationTime": START,
                    "StackStatus": "CREATE_COMPLETE",
                    "Parameters": parameters,
                }
            ]
        }


@pytest.fixture
def account(tmp_path: Path) -> Account:
    return Account(tmp_path)


def activity(minute: int, status: str = "Successful", **more: Any) -> dict[str, Any]:
    began = START + timedelta(minutes=minute)
    ended = {} if status == "InProgress" else {"EndTime": began + timedelta(seconds=65)}
    return {
        **WHERE,
        "ActivityId": str(minute),
        "Description": "Setting desired instance count to 2.",
        "Cause": f"monitor alarm {HIGH} in state ALARM triggered policy x",
        "StartTime": began,
        "StatusCode": status,
        **ended,
        **more,
    }


def seen(**more: Any) -> scaling.Observation:
    base = scaling.Observation(START, "InService", 1, 1, 10.0, "OK", "OK")
    return replace(base, **more)


def test_the_settings_are_those_of_the_template_at_first(account: Account) -> None:
    assert scaling.declared(account.lab) == scaling.settings(account.lab, ENDPOINT) == DECLARED
    assert "1 to 2" in repr(DECLARED)


def test_changed_settings_apply_and_can_be_restored(account: Account) -> None:
    lesson = replace(DECLARED, most=3, target=600.0, scale_out_cooldown=5, scale_in_cooldown=5)
    before = account.tracking
    scaling.apply(account.lab, ENDPOINT, lesson)
    assert scaling.settings(account.lab, ENDPOINT) == lesson
    assert account.limits == {"MinCapacity": 1, "MaxCapacity": 3}
    kept = ("PredefinedMetricSpecification", "DisableScaleIn")
    assert {name: account.tracking[name] for name in kept} == {name: before[name] for name in kept}
    scaling.apply(account.lab, ENDPOINT, scaling.declared(account.lab))
    assert account.tracking == before


def test_an_endpoint_that_is_not_scaled_is_an_error_with_a_remedy(account: Account) -> None:
    account.registered = False
    for ask in (scaling.settings, scaling.observe):
        with pytest.raises(scaling.ScalingError, match="notebook 04"):
            ask(account.lab, ENDPOINT)


def test_it_is_watched_until_the_new_instance_serves(
    account: Account, capsys: pytest.CaptureFixture[str]
) -> None:
    account.looks = [("InService", 1, 1), ("Updating", 1, 2), ("Updating", 1, 2), ("InService", 2, 2)]
    slept: list[float] = []
    found = scaling.follow(
        account.lab, ENDPOINT, lambda now: now.settled and now.current == 2, patience=60, sleep=slept.append
    )
    assert [(one.status, one.current) for one in found][-1] == ("InService", 2)
    assert len(found) == 4
    assert len(slept) == 3
    rows = scaling.changes_table(found).rows
    assert [row[1:4] for row in rows] == [
        ["InService", "1", "1"],
        ["Updating", "1", "2"],
        ["InService", "2", "2"],
    ]
    assert "Updating" in capsys.readouterr().out, "the wait shows its progress"


def test_the_wait_times_out(account: Account) -> None:
    found = scaling.follow(account.lab, ENDPOINT, lambda _: False, patience=-1, sleep=lambda _: None)
    assert len(found) == 1


def test_an_interrupt_keeps_what_was_seen(account: Account) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    assert len(scaling.follow(account.lab, ENDPOINT, lambda _: False, patience=60, sleep=interrupt)) == 1


def test_an_observation_has_the_newest_metric_and_both_alarms(account: Account) -> None:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    account.points["InvocationsPerInstance", "Sum"] = [(now, 1080.0), (now - timedelta(minutes=1), 7.0)]
    account.states[HIGH] = "ALARM"
    found = scaling.observe(account.lab, ENDPOINT)
    assert (found.per_instance, found.high, found.low) == (1080.0, "ALARM", "INSUFFICIENT_DATA")
    account.points.clear()
    assert scaling.observe(account.lab, ENDPOINT).per_instance is None


def test_scaling_has_ended_when_every_activity_since_then_has_ended(account: Account) -> None:
    ended = scaling.scaled(account.lab, ENDPOINT, START)
    assert not ended(seen())
    account.activities = [activity(1, "InProgress"), activity(-5)]
    assert not ended(seen())
    assert scaling.under_way(account.lab, ENDPOINT, START)
    account.activities = [activity(1), activity(-5)]
    assert not scaling.under_way(account.lab, ENDPOINT, START)
    assert not ended(seen(status="Updating"))
    assert not ended(seen(desired=2))
    assert ended(seen())
    account.activities = [activity(1, "Failed")]
    assert ended(seen()), "nothing left to wait for"


def test_activities_are_shown_oldest_first_with_their_cause_or_failure(account: Account) -> None:
    account.activities = [
        activity(3, "Failed", StatusMessage="Failed to set desired instance count: ResourceLimitExceeded"),
        activity(2, "InProgress"),
        activity(1),
        activity(-1),
    ]
    rows = scaling.activities_table(scaling.activities(account.lab, ENDPOINT, START)).rows
    assert [row[0] for row in rows] == ["09:01:00", "09:02:00", "09:03:00"]
    assert rows[0][1:3] == ["1 min 05 s", "Successful"]
    assert "AlarmHigh" in rows[0][4]
    assert rows[1][1] == ""
    assert "ResourceLimitExceeded" in rows[2][4]


@pytest.mark.parametrize(
    ("pace", "said"),
    [
        (60, "The 3 periods of alarm high took 60 s each."),
        (1, "took 1 s each, not 60 s: this account's scaling alarms run on a faster clock."),
    ],
)
def test_the_story_tells_when_each_thing_happened_and_on_which_clock(
    account: Account, pace: int, said: str
) -> None:
    account.pace, account.states[HIGH] = pace, "ALARM"
    account.looks = [("InService", 1, 1), ("Updating", 1, 2), ("InService", 2, 2)]
    found = scaling.follow(
        account.lab, ENDPOINT, lambda now: now.current == 2, patience=60, sleep=lambda _: None
    )
    account.activities = [activity(2)]
    table = scaling.story_table(found, scaling.activities(account.lab, ENDPOINT, START), START)
    assert said in table.caption
    assert table.rows[0] == ["09:00:00", "0", "the load began"]
    assert table.rows[1] == [
        f"09:0{pace // 60}:{pace % 60:02d}",
        str(pace),
        "alarm high fired: 3 periods of 60 s in a row are above 1000",
    ]
    assert [row[2] for row in table.rows[2:]] == [
        "Auto Scaling: Setting desired instance count to 2.",
        "this activity ended: Successful",
        "2 instance(s) in service",
    ]


def test_an_alarm_without_datapoints_says_nothing_about_its_clock(account: Account) -> None:
    alarm = scaling.Alarm("low", 15, 60, 900.0, "ALARM", START)
    assert scaling.story_table([seen(fired=(alarm,))], [], START).caption == ""


def test_the_alarms_show_why_scaling_takes_so_long(account: Account) -> None:
    rows = scaling.alarms_table(account.lab, ENDPOINT).rows
    assert rows[0][:2] == ["high", "3 periods of 60 s in a row are above 1000"]
    assert rows[1][:2] == ["low", "15 periods of 60 s in a row are below 900"]


def test_the_suggested_target_is_half_of_what_an_instance_can_take_per_minute() -> None:
    assert scaling.suggested_target(40) == 1200


def test_what_cloudwatch_recorded_is_added_up(account: Account) -> None:
    minutes = [START, START + timedelta(minutes=1)]
    sums = {
        ("Invocations", "Sum"): (100, 300),
        ("Invocation5XXErrors", "Sum"): (0, 4),
        ("ModelLatency", "Sum"): (100 * 2000, 300 * 4000),
        ("ModelLatency", "SampleCount"): (100, 300),
        ("OverheadLatency", "Sum"): (100 * 1000, 300 * 1000),
        ("OverheadLatency", "SampleCount"): (100, 300),
        ("InvocationsPerInstance", "Sum"): (100, 150),
    }
    for key, values in sums.items():
        account.points[key] = list(zip(minutes, map(float, values), strict=True))
    found = metrics.recorded(account.lab, ENDPOINT, START + timedelta(seconds=59))
    assert (found.invocations, found.refused, found.broken) == (400, 0, 4)
    assert found.model == pytest.approx(0.0035), "each request counts the same, not each minute"
    assert found.overhead == pytest.approx(0.001)
    assert metrics.minutes_table(found).rows == [["09:00", "100", "100"], ["09:01", "300", "150"]]
    labels = [text.get_text() for text in plots.where_time_goes(0.01, found).figure.legends[0].get_texts()]
    assert labels == ["ModelLatency 3.5 ms", "OverheadLatency 1.0 ms", "network and client 5.5 ms"]


def test_it_waits_for_late_metrics_up_to_a_limit(account: Account) -> None:
    def arrive(_: float) -> None:
        account.points["Invocations", "Sum"] = [(START, 10.0)]

    told: list[str] = []
    found = metrics.wait(account.lab, ENDPOINT, START, 10, patience=60, sleep=arrive, report=told.append)
    assert found.invocations == 10
    assert told == ["CloudWatch has 0 of 10 invocations so far"]
    late = metrics.wait(account.lab, ENDPOINT, START, 11, patience=-1, report=told.append)
    assert late.invocations == 10


def test_it_waits_for_the_alarms_of_the_release(account: Account) -> None:
    told: list[str] = []
    slept: list[float] = []

    def wait(patience: float) -> list[str]:
        return metrics.wait_for_silence(
            account.lab, ENDPOINT, patience=patience, sleep=slept.append, report=told.append
        )

    assert wait(60) == []
    assert (told, slept) == ([], [])
    loud = {"server-errors": "ALARM", "model-latency": "OK"}
    account.release_alarms = [loud, loud, {"server-errors": "OK"}]
    assert wait(60) == []
    assert told == ["waiting for ana-iris-model-prd-server-errors to end"]
    assert len(slept) == 2
    account.release_alarms = [loud]
    assert wait(0) == ["ana-iris-model-prd-server-errors"]


def labels(axes: Axes) -> list[str]:
    """Return what the legend says."""
    legend = axes.get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


def test_the_plot_of_scaling_has_target_alarm_and_instances() -> None:
    story = [
        seen(),
        seen(when=START + timedelta(seconds=5), per_instance=1800.0, high="ALARM", desired=2),
        seen(when=START + timedelta(seconds=9), current=2, desired=2),
    ]
    above, below = plots.scaling(story, 1000, 1800).figure.axes
    assert "target 1000" in labels(above)
    assert np.array_equal(above.lines[0].get_ydata(), [1800, 1800, 900]), "two instances share it"
    assert labels(below) == ["desired", "in service"]
