"""Metric data in SQLite: a row per metric and second; after three hours, a row per minute.

CloudWatch keeps data with a resolution of one second for three hours and of one minute for fifteen days
("Metrics retention" in its User Guide); here every metric has a resolution of one second.

Differs from AWS: datapoints of a second are merged into one per minute after three hours, and kept for
fifteen days (on AWS up to fifteen months). Services whose metrics exist: SageMaker, and failed and successful
invocations of EventBridge's rules (`AWS/Events`).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.services.cloudwatch.statistics import Statistics

if TYPE_CHECKING:
    from local_account.foundation.store import Store

Dimensions = tuple[tuple[str, str], ...]
FINE_SECONDS = 3 * 3600
KEPT_SECONDS = 15 * 86_400
_MINUTE = 60
_TABLES = (
    "CREATE TABLE IF NOT EXISTS metrics (id INTEGER PRIMARY KEY, namespace TEXT, name TEXT, dimensions TEXT,"
    " unit TEXT, UNIQUE (namespace, name, dimensions, unit))",
    "CREATE TABLE IF NOT EXISTS metric_data (metric INTEGER, second INTEGER, count REAL, total REAL,"
    " least REAL, most REAL, distribution TEXT, PRIMARY KEY (metric, second)) WITHOUT ROWID",
)
_COLUMNS = "second, count, total, least, most, distribution"


@dataclass(frozen=True)
class Metric:
    """What identifies a metric: namespace, name and all of its dimensions, in alphabetical order."""

    namespace: str
    name: str
    dimensions: Dimensions = ()

    @classmethod
    def of(cls, params: Mapping[str, Any]) -> Metric:
        """Return the metric that a request or an alarm names."""
        pairs = {(one["Name"], one["Value"]) for one in params.get("Dimensions", [])}
        return cls(params["Namespace"], params["MetricName"], tuple(sorted(pairs)))

    def as_api(self) -> dict[str, Any]:
        """Return the metric as the API's ``Metric``."""
        dimensions = [{"Name": name, "Value": value} for name, value in self.dimensions]
        return {"Namespace": self.namespace, "MetricName": self.name, "Dimensions": dimensions}


class MetricStore:
    """All metric data of an account. Safe to use from several threads."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        for statement in _TABLES:
            store.execute(statement)
        self._ids: dict[tuple[Metric, str], int] = {}
        self._puts: dict[Metric, int] = {}

    def put(self, metric: Metric, unit: str, second: int, values: Statistics) -> None:
        """Add values to those of a second (since 1970)."""
        self.put_all([(metric, unit, second, values)])

    def put_all(self, data: Iterable[tuple[Metric, str, int, Statistics]]) -> None:
        """Add values to those of seconds, all of them or, if that fails, none."""
        listed = list(data)
        with self._lock, self._store.together():
            for metric, unit, second, values in listed:
                self._add(self._id(metric, unit), second, values)
        for metric, *_ in listed:
            self._puts[metric] = self.puts(metric) + 1

    def has_data_since(self, metric: Metric, second: int) -> bool:
        """Return whether a metric has data at or after a second; clients may put data of the future."""
        return bool(
            self._store.execute(
                "SELECT 1 FROM metric_data JOIN metrics ON metric=id WHERE namespace=? AND name=?"
                " AND dimensions=? AND second>=? LIMIT 1",
                metric.namespace,
                metric.name,
                json.dumps(metric.dimensions),
                second,
            )
        )

    def puts(self, metric: Metric) -> int:
        """Return how often data of a metric was put: as long as this stays, no data has been added."""
        return self._puts.get(metric, 0)

    def metrics(self, namespace: str | None = None, name: str | None = None) -> list[Metric]:
        """Return the metrics that have data, filtered by namespace or name if given."""
        rows = self._store.execute(
            "SELECT DISTINCT namespace, name, dimensions FROM metrics m WHERE (?1 IS NULL OR namespace=?1)"
            " AND (?2 IS NULL OR name=?2) AND EXISTS (SELECT 1 FROM metric_data WHERE metric=m.id)"
            " ORDER BY 1, 2, 3",
            namespace,
            name,
        )
        return [Metric(space, label, _dimensions(text)) for space, label, text in rows]

    def periods(
        self, metric: Metric, start: int, end: int, period: int, unit: str | None = None
    ) -> dict[tuple[int, str], Statistics]:
        """Return the data from ``start`` up to, not including, ``end``, by period and unit.

        Times are seconds since 1970; a period is identified by its first second, counted from ``start``.
        """
        rows = self._store.execute(
            f"SELECT unit, {_COLUMNS} FROM metric_data JOIN metrics ON metric=id WHERE namespace=? AND name=?"  # noqa: S608
            " AND dimensions=? AND second>=? AND second<?",
            metric.namespace,
            metric.name,
            json.dumps(metric.dimensions),
            start,
            end,
        )
        found: dict[tuple[int, str], Statistics] = {}
        for row_unit, *row in rows:
            if unit in (None, row_unit):
                key = (row[0] - (row[0] - start) % period, row_unit)
                found.setdefault(key, Statistics()).merge(_statistics(row))
        return dict(sorted(found.items()))

    def compact(self, now: int) -> None:
        """Merge data older than three hours into minutes, and drop data older than fifteen days."""
        fine = (now - FINE_SECONDS) // _MINUTE * _MINUTE
        self._store.execute("DELETE FROM metric_data WHERE second<?", now - KEPT_SECONDS)
        for metric, minute, rows in self._old_seconds(fine):
            together = Statistics()
            for row in rows:
                together.merge(_statistics(row))
            with self._lock:
                self._write(metric, minute, together)
                self._store.execute(
                    "DELETE FROM metric_data WHERE metric=? AND second>? AND second<?",
                    metric,
                    minute,
                    minute + _MINUTE,
                )

    def _old_seconds(self, before: int) -> Iterator[tuple[int, int, list[list[Any]]]]:
        minutes = self._store.execute(
            "SELECT DISTINCT metric, second/60*60 FROM metric_data WHERE second<? AND second%60<>0", before
        )
        for metric, minute in minutes:
            rows = self._store.execute(
                f"SELECT {_COLUMNS} FROM metric_data WHERE metric=? AND second>=? AND second<?",  # noqa: S608
                metric,
                minute,
                minute + _MINUTE,
            )
            yield metric, minute, [list(row) for row in rows]

    def _id(self, metric: Metric, unit: str) -> int:
        known = self._ids.get((metric, unit))
        if known is not None:
            return known
        key = (metric.namespace, metric.name, json.dumps(metric.dimensions), unit)
        self._store.execute(
            "INSERT OR IGNORE INTO metrics (namespace, name, dimensions, unit) VALUES (?, ?, ?, ?)", *key
        )
        rows = self._store.execute(
            "SELECT id FROM metrics WHERE namespace=? AND name=? AND dimensions=? AND unit=?", *key
        )
        self._ids[metric, unit] = int(rows[0][0])
        return int(rows[0][0])

    def _add(self, metric: int, second: int, values: Statistics) -> None:
        rows = self._store.execute(
            f"SELECT {_COLUMNS} FROM metric_data WHERE metric=? AND second=?",  # noqa: S608 - constants
            metric,
            second,
        )
        if rows:
            values.merge(_statistics(list(rows[0])))
        self._write(metric, second, values)

    def _write(self, metric: int, second: int, values: Statistics) -> None:
        distribution = values.distribution
        self._store.execute(
            "INSERT OR REPLACE INTO metric_data VALUES (?, ?, ?, ?, ?, ?, ?)",
            metric,
            second,
            values.count,
            values.total,
            values.least,
            values.most,
            None if distribution is None else json.dumps(list(distribution.items())),
        )


def _statistics(row: list[Any]) -> Statistics:
    _, count, total, least, most, distribution = row
    values = None if distribution is None else dict(json.loads(distribution))
    return Statistics(count, total, least, most, values)


def _dimensions(text: str) -> Dimensions:
    return tuple((name, value) for name, value in json.loads(text))
