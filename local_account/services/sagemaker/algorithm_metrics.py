"""Metrics that an algorithm prints, found by regular expressions (MetricDefinitions, CreateTrainingJob)."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from local_account.foundation.errors import log_loss
from local_account.services.sagemaker.resources import invalid

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_cloudwatch.type_defs import MetricDatumTypeDef
    from mypy_boto3_sagemaker.type_defs import MetricDataTypeDef, MetricDefinitionTypeDef

log = logging.getLogger(__name__)

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_LARGEST = 2.0**360
"""The largest magnitude that CloudWatch takes (MetricDatum, Value); it refuses NaN and infinity, too."""


class AlgorithmMetrics:
    """The values found in one job's log so far."""

    def __init__(self, job_name: str, definitions: Sequence[MetricDefinitionTypeDef]) -> None:
        self._job_name = job_name
        self._patterns = compile_definitions(definitions)
        self._lock = threading.Lock()
        self._last: dict[str, tuple[float, datetime]] = {}
        self._new: list[MetricDatumTypeDef] = []
        self._refused = False

    def scan(self, line: str, time_ms: int) -> None:
        """Look for metrics in one line of the log: the first group that matches a number is the value.

        A number that CloudWatch does not take is left out: one NaN must not cost the values beside it.
        """
        for name, pattern in self._patterns:
            for match in pattern.finditer(line):
                try:
                    value = float(match.group(1) if pattern.groups else match.group())
                except (TypeError, ValueError):
                    continue
                if not abs(value) <= _LARGEST:  # NaN is not, either
                    continue
                time = datetime.fromtimestamp(time_ms / 1000, UTC)
                with self._lock:
                    self._last[name] = (value, time)
                    self._new.append(
                        {
                            "MetricName": name,
                            "Dimensions": [{"Name": "TrainingJobName", "Value": self._job_name}],
                            "Timestamp": time,
                            "Value": value,
                        }
                    )

    def final(self) -> list[MetricDataTypeDef]:
        """Return FinalMetricDataList: the last value of each metric."""
        with self._lock:
            return [
                {"MetricName": name, "Value": value, "Timestamp": time}
                for name, (value, time) in self._last.items()
            ]

    def send(self, cloudwatch: CloudWatchClient) -> bool:
        """Send new values to CloudWatch; return whether there were any.

        Values that cannot be sent are lost, and never fail the job: the account's log says why, once.
        """
        with self._lock:
            data, self._new = self._new, []
        for start in range(0, len(data), 1000):
            try:
                cloudwatch.put_metric_data(Namespace=NAMESPACE, MetricData=data[start : start + 1000])
            except Exception as error:
                if not self._refused:
                    log_loss(log, error, "metrics of the training job %s are lost", self._job_name)
                self._refused = True
        return bool(data)


def compile_definitions(definitions: Sequence[MetricDefinitionTypeDef]) -> list[tuple[str, re.Pattern[str]]]:
    """Compile MetricDefinitions; raise ServiceError ValidationException for an invalid expression."""
    patterns = []
    for definition in definitions:
        try:
            patterns.append((definition["Name"], re.compile(definition["Regex"])))
        except re.error as error:
            raise invalid(
                f"The Regex {definition['Regex']!r} of the metric {definition['Name']!r} is not a valid "
                f"regular expression: {error}"
            ) from error
    return patterns
