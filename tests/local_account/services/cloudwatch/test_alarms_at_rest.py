"""Alarms without data cost nothing until there is data, however many there are."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from local_account.foundation.store import Store
from local_account.services.cloudwatch import alarms as alarms_module
from local_account.services.cloudwatch.alarms import Alarm, Alarms
from local_account.services.cloudwatch.metrics import Metric, MetricStore
from local_account.services.cloudwatch.statistics import Statistics

BEGIN = 1_800_000_000


class Clock:
    """The time that alarms see."""

    now = float(BEGIN)

    def time(self) -> float:
        self.now += 1
        return self.now


@pytest.fixture
def alarms(store: Store, monkeypatch: pytest.MonkeyPatch) -> Alarms:
    monkeypatch.setattr(alarms_module, "time", Clock())
    account = SimpleNamespace(
        store=store,
        now=lambda: datetime.now(UTC),
        config=SimpleNamespace(scaling_minute_seconds=1),
        bus=SimpleNamespace(publish=lambda *_: None),
    )
    made = Alarms(cast("Any", account), MetricStore(store))
    for name in ("a", "b"):
        alarm: dict[str, Any] = {
            "AlarmName": name,
            "AlarmArn": f"arn:{name}",
            "ActionsEnabled": True,
            "AlarmActions": [],
            "StateValue": "INSUFFICIENT_DATA",
            "StateReason": "",
            "StateTransitionedTimestamp": datetime.now(UTC),
            "Namespace": "n",
            "MetricName": name,
            "Dimensions": [],
            "Statistic": "Sum",
            "Period": 10,
            "EvaluationPeriods": 1,
            "Threshold": 5.0,
            "ComparisonOperator": "GreaterThanThreshold",
            "TreatMissingData": "notBreaching",
        }
        made.table.put(name, cast("Alarm", alarm))
    return made


def states(alarms: Alarms) -> dict[str, str]:
    return {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms.table.values()}


def put(alarms: Alarms, name: str, second: int) -> None:
    values = Statistics()
    values.add(9.0)
    alarms._metrics.put(Metric("n", name), "None", second, values)


def test_alarms_at_rest_read_nothing_and_wake_up_with_data(alarms: Alarms, store: Store) -> None:
    for _ in range(3):
        alarms.evaluate_all()
    assert states(alarms) == {"a": "OK", "b": "OK"}
    made: list[str] = []
    store._connection.set_trace_callback(made.append)
    alarms.evaluate_all()
    assert made == []

    put(alarms, "b", BEGIN)
    alarms.evaluate_all()

    assert states(alarms) == {"a": "OK", "b": "ALARM"}
    for _ in range(40):
        alarms.evaluate_all()
    assert states(alarms) == {"a": "OK", "b": "OK"}


def test_data_that_was_put_with_a_later_time_is_seen_then(alarms: Alarms) -> None:
    for _ in range(3):
        alarms.evaluate_all()
    put(alarms, "a", BEGIN + 20)
    alarms.evaluate_all()
    assert states(alarms)["a"] == "OK"

    for _ in range(25):
        alarms.evaluate_all()

    assert states(alarms)["a"] == "ALARM"
