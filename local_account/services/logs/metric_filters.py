"""Metric filters: what they find is kept with the events, and published to CloudWatch by a timer.

Contract: *PutMetricFilter* in the CloudWatch Logs API Reference; CloudWatch Logs User Guide, "Creating
metrics from log events using filters". What was found is written in the transaction of the events, and
deleted once CloudWatch has accepted it: each value is published at least once.

Differs from AWS: what metric filters find is sent to CloudWatch once a second.
"""

from __future__ import annotations

import json
import logging
import math
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from botocore.exceptions import ClientError, ParamValidationError

from local_account.services.logs.database import Database
from local_account.services.logs.patterns import Pattern, as_number, compile_pattern

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef

log = logging.getLogger(__name__)

_MINUTE = 60_000
_PUBLISHED = 1_000
"""Observations in one go; PutMetricData takes up to 1,000 values and, for each, how often it was seen."""
_VALUES = 150


class Transformation(TypedDict):
    """MetricTransformation of the API."""

    metricName: str
    metricNamespace: str
    metricValue: str
    defaultValue: NotRequired[float]
    dimensions: NotRequired[dict[str, str]]
    unit: NotRequired[str]


class FilterDocument(TypedDict):
    """A metric filter, as DescribeMetricFilters shows it."""

    filterName: str
    filterPattern: str
    metricTransformations: list[Transformation]
    creationTime: int
    logGroupName: str
    applyOnTransformedLogs: NotRequired[bool]


class MetricId(TypedDict):
    """The metric that a value belongs to."""

    namespace: str
    name: str
    unit: str
    dimensions: dict[str, str]


@dataclass(frozen=True)
class MetricFilter:
    """A filter that is applied to each batch of its group."""

    name: str
    pattern: Pattern
    transformation: Transformation

    @classmethod
    def of(cls, document: FilterDocument) -> MetricFilter:
        """Compile a filter."""
        (transformation,) = document["metricTransformations"]
        return cls(document["filterName"], compile_pattern(document["filterPattern"]), transformation)

    def observe(
        self, connection: sqlite3.Connection, group: int, timestamps: Sequence[int], messages: list[str]
    ) -> None:
        """Keep what the filter finds in a batch, in the caller's transaction."""
        seen: dict[tuple[str, int, float], int] = defaultdict(int)
        chosen = self.pattern.select(messages)
        for index in chosen:
            found = self._observation(messages[index])
            if found:
                metric, value = found
                seen[metric, timestamps[index] // _MINUTE, value] += 1
        connection.executemany(
            "INSERT INTO observations (metric, minute, value, count) VALUES (?, ?, ?, ?)",
            [(metric, minute, value, count) for (metric, minute, value), count in seen.items()],
        )
        if self.transformation.get("defaultValue") is not None:
            matched = {timestamps[index] // _MINUTE for index in chosen}
            connection.executemany(
                "INSERT INTO filtered_minutes VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET matched=max(matched, excluded.matched)",
                [
                    (group, self.name, minute, minute in matched)
                    for minute in {timestamp // _MINUTE for timestamp in timestamps}
                ],
            )

    def _observation(self, message: str) -> tuple[str, float] | None:
        """Return metric and value of a matching event; None if the event lacks the value or a dimension."""
        text: str | None = self.transformation["metricValue"]
        if text and text.startswith("$"):
            text = self.pattern.value(message, text)
        value = number(text or "")
        if value is None:
            return None
        dimensions = {}
        for name, selector in self.transformation.get("dimensions", {}).items():
            found = self.pattern.value(message, selector)
            if not found:
                return None
            dimensions[name] = found
        return self.metric(dimensions), value

    def metric(self, dimensions: dict[str, str]) -> str:
        """Return the metric's identity as JSON."""
        identity: MetricId = {
            "namespace": self.transformation["metricNamespace"],
            "name": self.transformation["metricName"],
            "unit": self.transformation.get("unit", "None"),
            "dimensions": dimensions,
        }
        return json.dumps(identity, sort_keys=True)


def number(text: str) -> float | None:
    """Return the number that a text is; None if it is none, or not finite."""
    value = as_number(text)
    return value if value is not None and math.isfinite(value) else None


class MetricFilters:
    """The metric filters of an account."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._compiled: dict[int, list[MetricFilter]] = {}
        self._publishing = threading.Lock()
        self.found = threading.Event()
        """Set while there may be something to publish: the account is at rest most of the time."""
        self.found.set()

    def of_group(self, connection: sqlite3.Connection, group: int) -> list[MetricFilter]:
        """Return the compiled filters of a group; to be called in a transaction that writes."""
        if group not in self._compiled:
            self._compiled[group] = [MetricFilter.of(one) for one in documents(connection, group)]
        return self._compiled[group]

    def put(self, connection: sqlite3.Connection, group: int, document: FilterDocument) -> None:
        """Write a filter, new or in place of an old one."""
        connection.execute(
            "INSERT INTO metric_filters VALUES (?, ?, ?)"
            " ON CONFLICT DO UPDATE SET document=excluded.document",
            (group, document["filterName"], json.dumps(document)),
        )
        self._compiled.pop(group, None)

    def delete(self, connection: sqlite3.Connection, group: int, name: str) -> bool:
        """Delete a filter; return whether there was one."""
        deleted = connection.execute("DELETE FROM metric_filters WHERE log_group=? AND name=?", (group, name))
        connection.execute("DELETE FROM filtered_minutes WHERE log_group=? AND name=?", (group, name))
        self._compiled.pop(group, None)
        return deleted.rowcount > 0

    def publish(self, put_metric_data: Callable[..., Any], now: int) -> None:
        """Hand what was found to CloudWatch, and default values for whole minutes without a match."""
        with self._publishing:
            self.found.clear()
            try:
                while self._publish_observations(put_metric_data):
                    pass
                if self._publish_defaults(put_metric_data, now // _MINUTE):
                    self.found.set()
            except BaseException:
                self.found.set()
                raise

    def _publish_observations(self, put_metric_data: Callable[..., Any]) -> bool:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT id, metric, minute, value, count FROM observations ORDER BY id LIMIT ?", (_PUBLISHED,)
            ).fetchall()
        if not rows:
            return False
        values: dict[tuple[str, int], dict[float, int]] = defaultdict(lambda: defaultdict(int))
        for _, metric, minute, value, count in rows:
            values[metric, minute][value] += count
        data: dict[str, list[MetricDatumTypeDef]] = defaultdict(list)
        for (metric, minute), counts in values.items():
            identity: MetricId = json.loads(metric)
            data[identity["namespace"]] += _data(identity, minute, counts)
        for namespace, some in data.items():
            _send(put_metric_data, namespace, some)
        with self._database.write() as connection:
            connection.execute("DELETE FROM observations WHERE id<=?", (rows[-1][0],))
        return len(rows) == _PUBLISHED

    def _publish_defaults(self, put_metric_data: Callable[..., Any], this_minute: int) -> bool:
        """Return whether there are minutes that are not over."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT log_group, name, minute, matched, document FROM filtered_minutes"
                " LEFT JOIN metric_filters USING (log_group, name) WHERE minute<?",
                (this_minute,),
            ).fetchall()
        for group, name, minute, matched, text in rows:
            if text and not matched:
                one = MetricFilter.of(json.loads(text))
                default = one.transformation.get("defaultValue")
                if default is not None:
                    identity: MetricId = json.loads(one.metric({}))
                    _send(put_metric_data, identity["namespace"], list(_data(identity, minute, {default: 1})))
            with self._database.write() as connection:
                connection.execute(
                    "DELETE FROM filtered_minutes WHERE log_group=? AND name=? AND minute=?",
                    (group, name, minute),
                )
        with self._database.read() as connection:
            return connection.execute("SELECT 1 FROM filtered_minutes LIMIT 1").fetchone() is not None


def documents(connection: sqlite3.Connection, group: int) -> list[FilterDocument]:
    """Return the filters of a group by name."""
    rows = connection.execute("SELECT document FROM metric_filters WHERE log_group=? ORDER BY name", (group,))
    return [json.loads(row[0]) for row in rows]


def _send(put_metric_data: Callable[..., Any], namespace: str, data: list[MetricDatumTypeDef]) -> None:
    """Hand values to CloudWatch; what it refuses would be refused again, and is only reported.

    A datum that it refuses (a dimension from a log may have any characters) costs no other one.
    """
    try:
        put_metric_data(Namespace=namespace, MetricData=data)
    except (ClientError, ParamValidationError) as error:
        if isinstance(error, ClientError) and error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
            raise
        if len(data) == 1:
            log.exception("a value that a metric filter found for %s was lost", namespace)
            return
        for one in data:
            _send(put_metric_data, namespace, [one])


def _data(identity: MetricId, minute: int, counts: dict[float, int]) -> Iterator[MetricDatumTypeDef]:
    pairs = list(counts.items())
    for start in range(0, len(pairs), _VALUES):
        some = pairs[start : start + _VALUES]
        yield {
            "MetricName": identity["name"],
            "Dimensions": [{"Name": key, "Value": value} for key, value in identity["dimensions"].items()],
            "Timestamp": datetime.fromtimestamp(minute * 60, UTC),
            "Values": [value for value, _ in some],
            "Counts": [float(count) for _, count in some],
            "Unit": identity["unit"],  # type: ignore[typeddict-item]
        }
