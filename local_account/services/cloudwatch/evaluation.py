"""The state of an alarm.

Contract: "Alarm evaluation" and "Configuring how CloudWatch alarms treat missing data" in the CloudWatch User
Guide.
"""

from __future__ import annotations

import json
import operator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StateValueType

    from local_account.services.cloudwatch.alarms import Alarm

OK: Final = "OK"
ALARM: Final = "ALARM"
INSUFFICIENT_DATA: Final = "INSUFFICIENT_DATA"
EXTRA_PERIODS = 2
"""The evaluation range is longer than the evaluation periods, so that late data does not count as missing."""

_COMPARISONS = {
    "GreaterThanOrEqualToThreshold": (operator.ge, "greater than or equal to"),
    "GreaterThanThreshold": (operator.gt, "greater than"),
    "LessThanThreshold": (operator.lt, "less than"),
    "LessThanOrEqualToThreshold": (operator.le, "less than or equal to"),
}
COMPARISONS = tuple(_COMPARISONS)


@dataclass(frozen=True)
class Datapoint:
    """The statistic of one period; ``value`` is None if there is no data."""

    time: datetime
    value: float | None
    samples: float = 0.0


@dataclass(frozen=True)
class Evaluation:
    """A state, the reason for it, and the datapoints that it comes from (newest last)."""

    state: StateValueType
    reason: str
    datapoints: tuple[Datapoint, ...]

    def reason_data(self, alarm: Alarm, now: datetime) -> str:
        """Return ``StateReasonData``."""
        data = {
            "version": "1.0",
            "queryDate": _iso(now),
            "startDate": _iso(self.datapoints[0].time) if self.datapoints else None,
            "statistic": alarm.get("Statistic"),
            "extendedStatistic": alarm.get("ExtendedStatistic"),
            "period": alarm["Period"],
            "recentDatapoints": [point.value for point in self.datapoints],
            "threshold": alarm["Threshold"],
            "evaluatedDatapoints": [
                {"timestamp": _iso(point.time), "sampleCount": point.samples, "value": point.value}
                for point in reversed(self.datapoints)
            ],
        }
        return json.dumps({key: value for key, value in data.items() if value is not None})


def evaluate(alarm: Alarm, datapoints: list[Datapoint]) -> Evaluation | None:
    """Return an alarm's state from the datapoints of its evaluation range, newest last.

    None means that the state does not change.
    """
    periods = alarm["EvaluationPeriods"]
    needed = alarm.get("DatapointsToAlarm", periods)
    treatment = alarm.get("TreatMissingData", "missing")
    breaches = _COMPARISONS[alarm["ComparisonOperator"]][0]

    def breaching(point: Datapoint) -> bool:
        return point.value is not None and bool(breaches(point.value, alarm["Threshold"]))

    # As many as the alarm evaluates; older datapoints fill in for missing newer ones.
    real = [point for point in datapoints if point.value is not None][-periods:]
    missing = periods - len(real)
    bad = sum(map(breaching, real))
    if not real:
        return _without_data(treatment, missing)
    if treatment == "breaching":
        bad += missing
    if bad >= needed:
        return Evaluation(ALARM, _reason(alarm, real, breached=True), tuple(real))
    if missing == 0 or treatment in ("breaching", "notBreaching"):
        return Evaluation(OK, _reason(alarm, real, breached=False), tuple(real))
    if bad < len(real):
        return Evaluation(OK, _reason(alarm, real, breached=False), tuple(real))
    if treatment == "ignore":
        return None
    # Only breaching data, and little of it: alarm when the first is old enough; earlier would be premature.
    age = len(datapoints) - datapoints.index(real[0])
    return Evaluation(ALARM, _reason(alarm, real, breached=True), tuple(real)) if age >= needed else None


def _without_data(treatment: str, missing: int) -> Evaluation | None:
    if treatment == "ignore":
        return None
    were = "datapoint was" if missing == 1 else "datapoints were"
    if treatment == "missing":
        return Evaluation(INSUFFICIENT_DATA, f"Insufficient Data: {missing} {were} unknown.", ())
    state: StateValueType
    state, word = (ALARM, "Breaching") if treatment == "breaching" else (OK, "NonBreaching")
    reason = f"Threshold Crossed: no datapoints were received for {missing} periods and {missing} missing "
    return Evaluation(state, f"{reason}{were} treated as [{word}].", ())


def _reason(alarm: Alarm, real: list[Datapoint], *, breached: bool) -> str:
    words = _COMPARISONS[alarm["ComparisonOperator"]][1]
    shown = ", ".join(f"{point.value} ({point.time:%d/%m/%y %H:%M:%S})" for point in reversed(real))
    count = len(real)
    points = "datapoint" if count == 1 else "datapoints"
    verb = "was" if count == 1 else "were"
    negation = "" if breached else "not "
    return (
        f"Threshold Crossed: {count} {points} [{shown}] {verb} {negation}{words} the threshold "
        f"({float(alarm['Threshold'])})."
    )


def _iso(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "+0000"
