"""CloudWatch alarms: their state, their metric and their history."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from local_account.console import links, metrics
from local_account.console.plots import Line
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

_SECTION = "Alarms"
_HISTORY = 20


def listing(visit: Visit) -> Answer:
    """All alarms."""
    client: CloudWatchClient = visit.client("cloudwatch")
    found = [
        one for page in client.get_paginator("describe_alarms").paginate() for one in page["MetricAlarms"]
    ]
    return Page("alarms.html", _SECTION, _SECTION, {"alarms": found}, live=5)


def shown(visit: Visit, name: str) -> Answer:
    """An alarm."""
    client: CloudWatchClient = visit.client("cloudwatch")
    found = client.describe_alarms(AlarmNames=[name])["MetricAlarms"]
    if not found:
        raise NotFoundError(f"There is no alarm {name}.")
    history = client.describe_alarm_history(AlarmName=name, MaxRecords=_HISTORY)["AlarmHistoryItems"]
    values = {"alarm": found[0], "history": history, "lines": _lines(visit, found[0])}
    return Page("alarm.html", name, _SECTION, values, ((_SECTION, links.alarms()),), live=5)


def _lines(visit: Visit, alarm: MetricAlarmTypeDef) -> list[Line]:
    """Return the metric in the last hour, and the threshold beside it."""
    if "MetricName" not in alarm:
        return []
    end = datetime.now(UTC)
    begin = end - timedelta(hours=1)
    statistic = alarm.get("ExtendedStatistic") or alarm.get("Statistic") or "Average"
    dimensions = {one["Name"]: one["Value"] for one in alarm.get("Dimensions", [])}
    one = metrics.Wanted(alarm["MetricName"], alarm["Namespace"], alarm["MetricName"], dimensions, statistic)
    found = metrics.lines(visit, [one], begin, end, max(60, alarm.get("Period", 60)))
    threshold = alarm.get("Threshold")
    if found[0].values and threshold is not None:
        found.append(Line("threshold", [found[0].times[0], found[0].times[-1]], [threshold, threshold]))
    return found


PAGES: Mapping[str, Render] = {"/cloudwatch/alarms": listing, "/cloudwatch/alarm/<path:name>": shown}
