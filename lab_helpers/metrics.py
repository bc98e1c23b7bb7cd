"""What CloudWatch recorded about an endpoint's requests (namespace AWS/SageMaker).

Contract: "Amazon SageMaker AI metrics in Amazon CloudWatch" (endpoint invocation metrics) and GetMetricData.
Metrics are recorded per minute and can take a minute or two to appear.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lab_helpers.display import Table
from lab_helpers.lab import Lab

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryTypeDef

VARIANT = "AllTraffic"
NAMESPACE = "AWS/SageMaker"
PERIOD = 60
"""Seconds; endpoint metrics have no finer resolution."""


@dataclass(frozen=True)
class Series:
    """Values of one statistic of one metric, oldest first; `minutes` are the starts of the periods."""

    metric: str
    statistic: str
    minutes: tuple[datetime, ...]
    values: tuple[float, ...]

    @property
    def total(self) -> float:
        """Sum of the values, such as the total of a count."""
        return sum(self.values)


def read(
    lab: Lab, endpoint: str, wanted: Sequence[tuple[str, str]], start: datetime, end: datetime | None = None
) -> list[Series]:
    """Return one Series per (metric, statistic) from the minute of `start` on (GetMetricData)."""
    queries: list[MetricDataQueryTypeDef] = [
        {
            "Id": f"m{i}",
            "MetricStat": {
                "Metric": {
                    "Namespace": NAMESPACE,
                    "MetricName": metric,
                    "Dimensions": [
                        {"Name": "EndpointName", "Value": endpoint},
                        {"Name": "VariantName", "Value": VARIANT},
                    ],
                },
                "Period": PERIOD,
                "Stat": statistic,
            },
        }
        for i, (metric, statistic) in enumerate(wanted)
    ]
    points: dict[str, list[tuple[datetime, float]]] = {query["Id"]: [] for query in queries}
    pages = (
        lab.client("cloudwatch")
        .get_paginator("get_metric_data")
        .paginate(
            MetricDataQueries=queries,
            StartTime=start.replace(second=0, microsecond=0),
            EndTime=(end or datetime.now(UTC)) + timedelta(seconds=1),
            ScanBy="TimestampAscending",
        )
    )
    for page in pages:
        for result in page["MetricDataResults"]:
            points[result["Id"]] += zip(result["Timestamps"], result["Values"], strict=True)
    return [
        Series(metric, statistic, *_columns(sorted(points[f"m{i}"])))
        for i, (metric, statistic) in enumerate(wanted)
    ]


def _columns(points: list[tuple[datetime, float]]) -> tuple[tuple[datetime, ...], tuple[float, ...]]:
    return tuple(when for when, _ in points), tuple(value for _, value in points)


def newest(lab: Lab, endpoint: str, metric: str, statistic: str) -> float | None:
    """Return the newest value of the last three minutes, or None if there is none."""
    [series] = read(lab, endpoint, [(metric, statistic)], datetime.now(UTC) - timedelta(minutes=3))
    return series.values[-1] if series.values else None


@dataclass(frozen=True)
class Recorded:
    """What CloudWatch recorded since a point in time; latencies in seconds, averaged over all requests."""

    invocations: int
    refused: int
    """Requests that the container answered with a 4xx status."""
    broken: int
    """Requests that the container answered with a 5xx status, or not at all."""
    model: float
    """ModelLatency: from sending the request to the container until its answer arrives."""
    overhead: float
    """OverheadLatency: everything else that SageMaker does with the request."""
    series: tuple[Series, ...]


def recorded(lab: Lab, endpoint: str, start: datetime) -> Recorded:
    """Add up what CloudWatch recorded since the minute of `start`."""
    found = read(
        lab,
        endpoint,
        [
            ("Invocations", "Sum"),
            ("Invocation4XXErrors", "Sum"),
            ("Invocation5XXErrors", "Sum"),
            *((name, statistic) for name in _LATENCIES for statistic in ("Sum", "SampleCount")),
            ("InvocationsPerInstance", "Sum"),
        ],
        start,
    )
    totals = [series.total for series in found]
    return Recorded(
        invocations=round(totals[0]),
        refused=round(totals[1]),
        broken=round(totals[2]),
        model=totals[3] / max(totals[4], 1) / 1e6,
        overhead=totals[5] / max(totals[6], 1) / 1e6,
        series=(found[0], found[7]),
    )


_LATENCIES = ("ModelLatency", "OverheadLatency")


def wait(
    lab: Lab,
    endpoint: str,
    start: datetime,
    invocations: int,
    *,
    patience: float,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] = print,
) -> Recorded:
    """Wait until CloudWatch has `invocations`, at most `patience` seconds, and return what it recorded."""
    began, told = time.monotonic(), -1
    while (found := recorded(lab, endpoint, start)).invocations < invocations:
        if found.invocations != told:
            report(f"CloudWatch has {found.invocations:,} of {invocations:,} invocations so far")
            told = found.invocations
        waited = time.monotonic() - began
        if waited > patience:
            break
        sleep(min(1 + waited / 10, 10))
    return found


def firing(lab: Lab, endpoint: str) -> list[str]:
    """Return the endpoint's firing alarms that roll a release back (DescribeAlarms).

    They have its name in theirs, and watch its own metrics. The alarm for drift watches what checks found.
    """
    pages = lab.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=f"{endpoint}-")
    return [
        alarm["AlarmName"]
        for page in pages
        for alarm in page["MetricAlarms"]
        if alarm["StateValue"] == "ALARM" and alarm.get("Namespace") == NAMESPACE
    ]


def wait_for_silence(
    lab: Lab,
    endpoint: str,
    *,
    patience: float,
    sleep: Callable[[float], None] = time.sleep,
    report: Callable[[str], None] = print,
) -> list[str]:
    """Wait until no alarm of the endpoint is firing; return those that still are after `patience` seconds."""
    began, told = time.monotonic(), list[str]()
    while (found := firing(lab, endpoint)) and time.monotonic() - began < patience:
        if found != told:
            report(f"waiting for {', '.join(found)} to end")
            told = found
        sleep(3)
    return found


def minutes_table(found: Recorded) -> Table:
    """Show invocations, and invocations per instance, minute by minute."""
    columns: list[dict[datetime, float]] = [
        dict(zip(series.minutes, series.values, strict=True)) for series in found.series
    ]
    return Table(
        ["minute (UTC)", *(series.metric for series in found.series)],
        [
            [f"{minute.astimezone(UTC):%H:%M}", *(f"{column.get(minute, 0):,.0f}" for column in columns)]
            for minute in sorted(set().union(*columns))
        ],
    )
