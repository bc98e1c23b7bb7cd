"""Metrics of endpoints ("Amazon SageMaker AI endpoint invocation metrics"), sent apart from the requests."""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lab_helpers.local_account.account import Account

NAMESPACE = "AWS/SageMaker"
_UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}


@dataclass
class _Statistics:
    count: int = 0
    total: float = 0.0
    least: float = field(default=float("inf"))
    most: float = field(default=float("-inf"))

    def add(self, value: float) -> None:
        self.count += 1
        self.total += value
        self.least = min(self.least, value)
        self.most = max(self.most, value)

    def as_values(self) -> dict[str, float]:
        return {
            "SampleCount": float(self.count),
            "Sum": self.total,
            "Minimum": self.least,
            "Maximum": self.most,
        }


class InvocationMetrics:
    """Counts and latencies per variant since the last flush."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._lock = threading.Lock()
        self._statistics: dict[tuple[str, str, str], _Statistics] = defaultdict(_Statistics)

    def record(
        self,
        endpoint: str,
        variant: str,
        status: int,
        *,
        instances: int,
        model_us: float,
        overhead_us: float,
    ) -> None:
        """Take one invocation: how the container answered (0 when it did not) and how long it took."""
        values = {
            "Invocations": 1.0,
            "InvocationsPerInstance": 1.0 / max(instances, 1),
            "Invocation4XXErrors": float(400 <= status < 500),
            "Invocation5XXErrors": float(status >= 500 or status == 0),
            "ModelLatency": model_us,
            "OverheadLatency": overhead_us,
        }
        with self._lock:
            for name, value in values.items():
                self._statistics[endpoint, variant, name].add(value)

    def flush(self) -> None:
        """Put what was counted into CloudWatch."""
        with self._lock:
            statistics, self._statistics = self._statistics, defaultdict(_Statistics)
        if not statistics:
            return
        now = self._account.now()
        data: list[dict[str, Any]] = [
            {
                "MetricName": name,
                "Dimensions": [
                    {"Name": "EndpointName", "Value": endpoint},
                    {"Name": "VariantName", "Value": variant},
                ],
                "Timestamp": now,
                "Unit": _UNITS.get(name, "None"),
                "StatisticValues": values.as_values(),
            }
            for (endpoint, variant, name), values in statistics.items()
        ]
        for start in range(0, len(data), 1000):
            self._account.client("cloudwatch").put_metric_data(
                Namespace=NAMESPACE, MetricData=data[start : start + 1000]
            )
