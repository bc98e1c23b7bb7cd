"""Lines of CloudWatch metrics for plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local_account.console.plots import Line
from local_account.console.visit import Visit

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDataQueryUnionTypeDef


@dataclass(frozen=True)
class Wanted:
    """One line: a statistic of a metric, and what its values are multiplied by."""

    label: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    factor: float = 1


def lines(visit: Visit, wanted: Sequence[Wanted], begin: datetime, end: datetime, period: int) -> list[Line]:
    """Return a line for each of `wanted`, in one request; `period` is in seconds.

    The times are widened to whole periods, so that what has just been measured is there.
    """
    if not wanted:
        return []
    first = begin.timestamp() // period * period
    last = (end.timestamp() // period + 1) * period
    client: CloudWatchClient = visit.client("cloudwatch")
    queries: list[MetricDataQueryUnionTypeDef] = [
        {
            "Id": f"q{index}",
            "MetricStat": {
                "Metric": {
                    "Namespace": one.namespace,
                    "MetricName": one.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in one.dimensions.items()],
                },
                "Period": period,
                "Stat": one.statistic,
            },
        }
        for index, one in enumerate(wanted)
    ]
    found = client.get_metric_data(
        MetricDataQueries=queries,
        StartTime=datetime.fromtimestamp(first, UTC),
        EndTime=datetime.fromtimestamp(last, UTC),
        ScanBy="TimestampAscending",
    )["MetricDataResults"]
    results = {result["Id"]: result for result in found}
    return [
        Line(
            one.label,
            results[f"q{index}"]["Timestamps"],
            [value * one.factor for value in results[f"q{index}"]["Values"]],
        )
        for index, one in enumerate(wanted)
    ]
