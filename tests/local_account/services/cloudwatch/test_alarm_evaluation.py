"""States of alarms from their datapoints ("Configuring how CloudWatch alarms treat missing data")."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from local_account.services.cloudwatch.alarms import Alarm, window
from local_account.services.cloudwatch.evaluation import Datapoint, Evaluation, evaluate

BEGIN = datetime(2024, 5, 1, 12, 0, tzinfo=UTC)
POLICY = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/x:policyName/y"


def alarm(**changes: Any) -> Alarm:
    members = {
        "AlarmName": "a",
        "Period": 60,
        "EvaluationPeriods": 3,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
        "Statistic": "Sum",
        "AlarmActions": [],
    }
    return cast("Alarm", members | changes)


def points(text: str) -> list[Datapoint]:
    """``0`` is within the threshold, ``X`` breaches it, ``-`` is missing; the newest is last."""
    values = {"0": 1.0, "X": 11.0, "-": None}
    return [Datapoint(BEGIN + timedelta(minutes=i), values[char], 1) for i, char in enumerate(text)]


def evaluated(alarm: Alarm, data: str) -> Evaluation:
    """Evaluate an alarm whose state changes."""
    found = evaluate(alarm, points(data))
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("data", "missing", "ignore", "breaching", "not_breaching"),
    [
        ("0-X-X", "OK", "OK", "OK", "OK"),
        ("----0", "OK", "OK", "OK", "OK"),
        ("-----", "INSUFFICIENT_DATA", None, "ALARM", "OK"),
        ("0XX-X", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("--X--", "ALARM", None, "ALARM", "OK"),
        ("----X", None, None, "ALARM", "OK"),
        ("--XXX", "ALARM", "ALARM", "ALARM", "ALARM"),
        ("XXX00", "OK", "OK", "OK", "OK"),
    ],
)
def test_missing_data(
    data: str, missing: str, ignore: str | None, breaching: str | None, not_breaching: str | None
) -> None:
    for treatment, state in {
        "missing": missing,
        "ignore": ignore,
        "breaching": breaching,
        "notBreaching": not_breaching,
    }.items():
        found = evaluate(alarm(TreatMissingData=treatment), points(data))
        assert (found.state if found else None) == state, treatment


@pytest.mark.parametrize(("data", "state"), [("00X0X", "ALARM"), ("00X00", "OK"), ("0X0X0", "OK")])
def test_two_of_three(data: str, state: str) -> None:
    assert evaluated(alarm(DatapointsToAlarm=2), data).state == state


def test_the_reason_names_values_times_and_threshold() -> None:
    found = evaluated(alarm(EvaluationPeriods=1), "--X")
    assert found.reason == (
        "Threshold Crossed: 1 datapoint [11.0 (01/05/24 12:02:00)] was greater than the threshold (10.0)."
    )
    assert '"recentDatapoints": [11.0]' in found.reason_data(alarm(), BEGIN)
    assert evaluated(alarm(), "-----").reason == "Insufficient Data: 3 datapoints were unknown."


def test_a_scaling_alarm_uses_short_minutes_and_every_other_real_ones() -> None:
    now = 1_000_000.7
    plain = window(alarm(), now, 1)
    assert (plain.seconds, plain.end, plain.scale) == (60, 1_000_000, 1.0)
    quick = window(alarm(AlarmActions=[POLICY]), now, 1)
    assert (quick.seconds, quick.end, quick.scale) == (1, 999_999, 60.0)
    slower = window(alarm(AlarmActions=[POLICY]), now, 4)
    assert (slower.seconds, slower.end, slower.scale) == (4, 999_996, 15.0)
    as_on_aws = window(alarm(AlarmActions=[POLICY]), now, 60)
    assert (as_on_aws.seconds, as_on_aws.end % 60, as_on_aws.scale) == (60, 0, 1.0)
