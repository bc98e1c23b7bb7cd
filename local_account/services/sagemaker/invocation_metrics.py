"""Metrics of endpoints ("Amazon SageMaker AI endpoint invocation metrics"), sent outside the requests.

AWS publishes them every minute; here they are sent every second, with the second they belong to.

Differs from AWS: metrics of invocations reach CloudWatch every second instead of every minute.
"""

from __future__ import annotations

import math
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from local_account.foundation.account import Account

NAMESPACE = "AWS/SageMaker"
_UNITS = {"ModelLatency": "Microseconds", "OverheadLatency": "Microseconds"}
_DATA_PER_CALL = 1000
_VALUES_PER_DATUM = 150
_STEP = math.log(1.02)


class _Invocation(NamedTuple):
    second: int
    endpoint: str
    variant: str
    status: int
    instances: int
    model_us: float
    overhead_us: float


class _Values:
    """Values of a metric in one second: exact sum and count, percentiles within one percent.

    Values within two percent of each other are sent as one, their mean.
    """

    def __init__(self) -> None:
        self._buckets: dict[int, tuple[int, float]] = {}

    def add(self, value: float) -> None:
        bucket = math.floor(math.log(value) / _STEP) if value > 0 else -1_000_000
        count, total = self._buckets.get(bucket, (0, 0.0))
        self._buckets[bucket] = count + 1, total + value

    def parts(self) -> Iterator[dict[str, list[float]]]:
        """Yield ``Values`` and ``Counts`` for PutMetricData, as many as a datum may have."""
        pairs = [(total / count, float(count)) for count, total in self._buckets.values()]
        for start in range(0, len(pairs), _VALUES_PER_DATUM):
            values, counts = zip(*pairs[start : start + _VALUES_PER_DATUM], strict=True)
            yield {"Values": list(values), "Counts": list(counts)}


class InvocationMetrics:
    """Invocations since the last flush. Recording one takes no lock and sends no request."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._invocations: deque[_Invocation] = deque()

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
        """Record one invocation: the container's answer (0 if none) and how long it took.

        ``instances`` is the variant's current number of active instances.
        """
        second = int(time.time())
        self._invocations.append(
            _Invocation(second, endpoint, variant, status, instances, model_us, overhead_us)
        )

    def flush(self) -> None:
        """Send what was recorded to CloudWatch."""
        metrics: dict[tuple[int, str, str, str], _Values] = defaultdict(_Values)
        for _ in range(len(self._invocations)):
            one = self._invocations.popleft()
            for name, value in _values(one).items():
                metrics[one.second, one.endpoint, one.variant, name].add(value)
        data: list[dict[str, Any]] = [
            {
                "MetricName": name,
                "Dimensions": [
                    {"Name": "EndpointName", "Value": endpoint},
                    {"Name": "VariantName", "Value": variant},
                ],
                "Timestamp": datetime.fromtimestamp(second, UTC),
                "Unit": _UNITS.get(name, "None"),
                **part,
            }
            for (second, endpoint, variant, name), values in metrics.items()
            for part in values.parts()
        ]
        for start in range(0, len(data), _DATA_PER_CALL):
            self._account.client("cloudwatch").put_metric_data(
                Namespace=NAMESPACE, MetricData=data[start : start + _DATA_PER_CALL]
            )


def _values(one: _Invocation) -> dict[str, float]:
    return {
        "Invocations": 1.0,
        "InvocationsPerInstance": 1.0 / max(one.instances, 1),
        "Invocation4XXErrors": float(400 <= one.status < 500),
        "Invocation5XXErrors": float(one.status >= 500 or one.status == 0),
        "ModelLatency": one.model_us,
        "OverheadLatency": one.overhead_us,
    }
