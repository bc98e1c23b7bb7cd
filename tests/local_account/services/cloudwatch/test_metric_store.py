"""Metric data: sums stay exact, percentiles close, old data becomes coarse, and all of it is on disk."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_account.foundation.store import Store
from local_account.services.cloudwatch.metrics import FINE_SECONDS, KEPT_SECONDS, Metric, MetricStore
from local_account.services.cloudwatch.statistics import Statistics

LATENCY = Metric("AWS/SageMaker", "ModelLatency", (("EndpointName", "e"), ("VariantName", "v")))


def of(*values: float) -> Statistics:
    found = Statistics()
    for value in values:
        found.add(value)
    return found


@pytest.fixture
def metrics(tmp_path: Path) -> Iterator[MetricStore]:
    store = Store(tmp_path / "account.sqlite")
    yield MetricStore(store)
    store.close()


def test_statistics_of_values() -> None:
    values = [random.Random(1).lognormvariate(6, 1) for _ in range(5000)]
    found = of(*values)
    assert found.value("Sum") == pytest.approx(sum(values))
    assert found.value("Average") == pytest.approx(sum(values) / 5000)
    assert (found.value("Minimum"), found.value("Maximum")) == (min(values), max(values))
    assert found.value("SampleCount") == 5000
    for percent in (1, 50, 90, 99, 99.9, 100):
        exact = sorted(values)[max(round(5000 * percent / 100) - 1, 0)]
        assert found.value(f"p{percent}") == pytest.approx(exact, rel=0.01)
    assert Statistics().value("Sum") is None


def test_a_statistic_set_has_no_percentiles_unless_all_values_are_one() -> None:
    assert Statistics.of_set(10, 30, 1, 5).value("p50") is None
    assert Statistics.of_set(10, 30, 3, 3).value("p50") == 3
    mixed = of(1.0)
    mixed.merge(Statistics.of_set(10, 30, 1, 5))
    assert (mixed.value("Sum"), mixed.value("p50")) == (31, None)


def test_values_of_a_second_add_up_and_periods_begin_at_the_start(metrics: MetricStore) -> None:
    for second, value in ((100, 1.0), (100, 2.0), (159, 4.0), (160, 8.0), (219, 16.0), (220, 32.0)):
        metrics.put(LATENCY, "None", second, of(value))
    found = metrics.periods(LATENCY, 100, 220, 60)
    assert {key: values.value("Sum") for key, values in found.items()} == {
        (100, "None"): 7.0,
        (160, "None"): 24.0,
    }
    assert metrics.periods(Metric("AWS/SageMaker", "ModelLatency"), 0, 999, 60) == {}
    assert metrics.periods(LATENCY, 0, 999, 60, unit="Seconds") == {}
    assert metrics.metrics("AWS/SageMaker") == [LATENCY]
    assert metrics.metrics("AWS/Events") == []


def test_old_data_is_merged_into_minutes_and_then_dropped(metrics: MetricStore) -> None:
    now = 1_000_000_020
    minute = (now - FINE_SECONDS - 600) // 60 * 60
    for second in (minute, minute + 1, minute + 59, now - 5):
        metrics.put(LATENCY, "None", second, of(second % 7 + 1.0, 100.0))
    before = metrics.periods(LATENCY, minute, now, 60)
    metrics.compact(now)
    assert metrics.periods(LATENCY, minute, now, 60) == before
    assert sorted(key[0] for key in metrics.periods(LATENCY, minute, now, 1)) == [minute, now - 5]
    metrics.compact(now + KEPT_SECONDS)
    assert metrics.periods(LATENCY, 0, now, 60) == {}
    assert metrics.metrics() == []
