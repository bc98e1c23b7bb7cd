"""Metric filters: kept, tested, and published to CloudWatch."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_account.services.logs import Logs
from tests.local_account.services.logs.conftest import LogWriter

ACCESS = '127.0.0.1 - frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


class Metrics:
    """One namespace for each test, and what CloudWatch has in it."""

    def __init__(self, writer: LogWriter, cloudwatch: Any) -> None:
        self.writer = writer
        self.namespace = writer.group.replace("/", "-")
        self.cloudwatch = cloudwatch

    def filter(self, name: str, pattern: str, value: str = "1", **transformation: Any) -> None:
        self.writer.client.put_metric_filter(
            logGroupName=self.writer.group,
            filterName=name,
            filterPattern=pattern,
            metricTransformations=[self.transformation(name, value, **transformation)],
        )

    def transformation(self, name: str, value: str = "1", **more: Any) -> dict[str, Any]:
        return {"metricName": name, "metricNamespace": self.namespace, "metricValue": value, **more}

    def refused(self, pattern: str, **transformation: Any) -> str:
        return self.writer.refused(
            "put_metric_filter",
            logGroupName=self.writer.group,
            filterName="refused",
            filterPattern=pattern,
            metricTransformations=[self.transformation("refused", **transformation)],
        )

    def published(self, name: str, **dimensions: str) -> tuple[float, float] | None:
        """Return sum and number of the values of a metric; None if it has none."""
        now = datetime.fromtimestamp(self.writer.now / 1000, UTC)
        found = self.cloudwatch.get_metric_statistics(
            Namespace=self.namespace,
            MetricName=name,
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - timedelta(minutes=5),
            EndTime=now + timedelta(minutes=5),
            Period=600,
            Statistics=["Sum", "SampleCount"],
        )["Datapoints"]
        return (found[0]["Sum"], found[0]["SampleCount"]) if found else None


@pytest.fixture
def metrics(writer: LogWriter, service_client: Callable[[str], Any]) -> Metrics:
    return Metrics(writer, service_client("cloudwatch"))


def test_matches_are_counted_and_values_published(metrics: Metrics, logs: Logs) -> None:
    writer = metrics.writer
    writer.stream("s")
    writer.put("s", (0, "ERROR before the filter"))
    metrics.filter("errors", "ERROR")
    metrics.filter("latency", "{ $.latency = * }", "$.latency")
    metrics.filter("bytes", "[..., status=4*, size]", "$size")
    writer.put("s", (0, "ERROR 1"), (0, "fine"), (1, "ERROR 2"), (1, ACCESS))
    writer.put("s", (2, '{"latency": 50}'), (2, '{"latency": 25.5}'), (2, '{"latency": "no number"}'))
    logs.publish_metrics()
    assert metrics.published("errors") == (2, 2)
    assert metrics.published("latency") == (75.5, 2)
    assert metrics.published("bytes") == (1534, 1)
    logs.publish_metrics()
    assert metrics.published("errors") == (2, 2), "each value is published once"


def test_dimensions_come_from_the_event(metrics: Metrics, logs: Logs) -> None:
    metrics.writer.stream("s")
    metrics.filter("calls", "{ $.kind = * }", dimensions={"Kind": "$.kind"}, unit="Count")
    metrics.writer.put("s", (0, '{"kind": "GET"}'), (0, '{"kind": "PUT"}'), (0, '{"kind": "GET"}'))
    logs.publish_metrics()
    assert metrics.published("calls", Kind="GET") == (2, 2)
    assert metrics.published("calls", Kind="PUT") == (1, 1)


def test_a_minute_without_a_match_has_the_default_value(
    metrics: Metrics, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer, now = metrics.writer, logs.account.now()
    monkeypatch.setattr(logs, "clock", lambda: now)
    writer.now = logs.milliseconds()
    writer.stream("s")
    metrics.filter("quiet", "ERROR", defaultValue=7.0)
    metrics.filter("loud", "fine", defaultValue=7.0)
    writer.put("s", (0, "fine"))
    logs.publish_metrics()
    assert metrics.published("quiet") is None, "the minute is not over"
    monkeypatch.setattr(logs, "clock", lambda: now + timedelta(minutes=2))
    logs.publish_metrics()
    logs.publish_metrics()
    assert metrics.published("quiet") == (7, 1)
    assert metrics.published("loud") == (1, 1)


def test_what_cloudwatch_did_not_accept_is_published_later(
    metrics: Metrics, logs: Logs, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.writer.stream("s")
    metrics.filter("errors", "ERROR")

    def fails(_: str) -> Any:
        raise ConnectionError("CloudWatch does not answer")

    with monkeypatch.context() as patched:
        patched.setattr(logs.account, "client", fails)
        metrics.writer.put("s", (0, "ERROR"))
        with pytest.raises(ConnectionError):
            logs.publish_metrics()
    logs.publish_metrics()
    assert metrics.published("errors") == (1, 1)


def test_what_cloudwatch_refuses_does_not_hold_up_the_rest(metrics: Metrics, logs: Logs) -> None:
    metrics.writer.stream("s")
    metrics.filter("calls", "{ $.kind = * }", dimensions={"Kind": "$.kind"})
    metrics.filter("size", "{ $.size = * }", "$.size")
    too_long = "x" * 2000
    metrics.writer.put("s", (0, f'{{"kind": "{too_long}"}}'), (0, '{"size": 1e300}'), (0, '{"kind": ""}'))
    logs.publish_metrics()
    metrics.writer.put("s", (0, '{"kind": "GÄT"}'), (0, '{"kind": "GET"}'), (0, '{"size": 2}'))
    logs.publish_metrics()
    assert metrics.published("calls", Kind="GET") == (1, 1)
    assert metrics.published("size") == (2, 1)


def test_filters_are_listed_replaced_and_deleted(metrics: Metrics) -> None:
    writer = metrics.writer
    for name in ("b", "a", "other"):
        metrics.filter(name, "ERROR")
    metrics.filter("a", "WARN", "2")

    def found(**request: Any) -> list[str]:
        pages = writer.client.get_paginator("describe_metric_filters").paginate(**request)
        return [one["filterName"] for page in pages for one in page["metricFilters"]]

    assert found(logGroupName=writer.group, PaginationConfig={"PageSize": 2}) == ["a", "b", "other"]
    assert found(logGroupName=writer.group, filterNamePrefix="o") == ["other"]
    assert found(metricName="b", metricNamespace=metrics.namespace) == ["b"]
    (first, *_) = writer.client.describe_metric_filters(logGroupName=writer.group)["metricFilters"]
    assert (first["filterPattern"], first["logGroupName"]) == ("WARN", writer.group)
    assert first["applyOnTransformedLogs"] is False
    assert first["metricTransformations"] == [metrics.transformation("a", "2")]
    assert writer.described()["metricFilterCount"] == 3
    delete = {"logGroupName": writer.group, "filterName": "a"}
    writer.client.delete_metric_filter(**delete)
    assert found(logGroupName=writer.group) == ["b", "other"]
    assert writer.refused("delete_metric_filter", **delete).startswith("ResourceNotFoundException")


def test_a_namespace_can_have_a_colon(metrics: Metrics) -> None:
    namespace = "A.B-c_d/1#2:metricNamespace"
    metrics.writer.client.put_metric_filter(
        logGroupName=metrics.writer.group,
        filterName="colon",
        filterPattern="ERROR",
        metricTransformations=[{"metricName": "m", "metricNamespace": namespace, "metricValue": "1"}],
    )
    found = metrics.writer.client.describe_metric_filters(metricName="m", metricNamespace=namespace)
    assert [one["filterName"] for one in found["metricFilters"]] == ["colon"]


def test_bad_filters_are_refused(metrics: Metrics) -> None:
    dimensions = {"d": "$.d"}
    json = "{ $.d = * }"
    assert metrics.refused("{ $.d") == "InvalidParameterException: Invalid metric filter pattern"
    assert metrics.refused("a:b") == "InvalidParameterException: Invalid character(s) in term ':'"
    assert metrics.refused("ERROR", dimensions=dimensions) == (
        "InvalidParameterException: The specified filter pattern does not support dimensions"
    )
    assert metrics.refused(json, dimensions=dimensions, defaultValue=0.0) == (
        "InvalidParameterException: Invalid metric transformation: dimensions and default value are mutually "
        "exclusive properties."
    )
    assert "'many'" in metrics.refused("ERROR", value="many")
    assert "metric value" in metrics.refused("ERROR", value="$.x")
    for value in ("$", "$.", "$.a[", "1_0", " 5 ", "\u0663"):
        assert f"metric value '{value}'" in metrics.refused("{ $.a = 1 }", value=value)
    assert "metric value '$c'" in metrics.refused("[a, b]", value="$c")
    assert "dimension value '$'" in metrics.refused("[a, b]", dimensions={"d": "$"})
    for number in range(5):
        metrics.filter(f"regex{number}", "%a%")
    assert metrics.refused("%b%") == "LimitExceededException: Resource limit exceeded."


def test_a_pattern_can_be_tried(writer: LogWriter) -> None:
    matches = writer.client.test_metric_filter(
        filterPattern="[ip, ..., request=*.html*, status_code=4*, size]",
        logEventMessages=["nothing", ACCESS],
    )["matches"]
    (match,) = matches
    assert (match["eventNumber"], match["eventMessage"]) == (2, ACCESS)
    assert match["extractedValues"]["$request"] == "GET /index.html HTTP/1.0"
    assert match["extractedValues"]["$2"] == "-"


def test_a_group_has_no_subscription_filters(writer: LogWriter) -> None:
    assert writer.client.describe_subscription_filters(logGroupName=writer.group)["subscriptionFilters"] == []
    absent = writer.refused("describe_subscription_filters", logGroupName="/absent")
    assert absent.startswith("ResourceNotFoundException")
