"""CPU and memory of serving containers (namespace ``/aws/sagemaker/Endpoints``), from the Docker Engine.

Contract: "Amazon SageMaker AI endpoint metrics" for names, units and ranges; AWS sends them every minute.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from local_account.foundation.containers import engine_errors
from local_account.services.sagemaker.fleets import Routes

if TYPE_CHECKING:
    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

NAMESPACE = "/aws/sagemaker/Endpoints"


@dataclass(frozen=True)
class Usage:
    """CPU seconds of a container since its start, and its share of the memory (0 to 1), at one moment."""

    time: datetime
    cpu_seconds: float
    memory: float

    @classmethod
    def of(cls, stats: dict[str, Any]) -> Usage | None:
        """Read ContainerStats of the Docker Engine API; None for a container that has just ended."""
        memory, cpu = stats.get("memory_stats") or {}, stats.get("cpu_stats") or {}
        if not memory.get("limit") or "cpu_usage" not in cpu:
            return None
        details = memory.get("stats", {})
        cache = details.get("total_inactive_file", details.get("inactive_file", 0))  # control groups v1, v2
        return cls(
            time=datetime.fromisoformat(stats["read"]),
            cpu_seconds=cpu["cpu_usage"]["total_usage"] / 1e9,
            memory=(memory["usage"] - cache) / memory["limit"],
        )


class InstanceMetrics:
    """Sends CPUUtilization (100 per core) and MemoryUtilization (up to 100) of each instance."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._routes = Routes.of(account)
        self._before: dict[str, Usage] = {}

    def send(self) -> None:
        """Query each instance and send what it returns; CPU from the second time on."""
        now: dict[str, Usage] = {}
        data: list[dict[str, Any]] = []
        for endpoint, fleet in self._routes.serving():
            for variant in fleet.variants.values():
                for instance in variant.healthy:
                    usage = self._usage(instance.container_id)
                    if usage:
                        now[instance.container_id] = usage
                        before = self._before.get(instance.container_id)
                        data += _data(endpoint, variant.spec["name"], usage, before)
        self._before = now
        if data:
            self._account.client("cloudwatch").put_metric_data(Namespace=NAMESPACE, MetricData=data)

    def _usage(self, container_id: str) -> Usage | None:
        try:
            container = self._account.containers.client.api
            return Usage.of(container.stats(container_id, stream=False, one_shot=True))
        except engine_errors():
            log.debug("no statistics for %s", container_id, exc_info=True)
            return None


def _data(endpoint: str, variant: str, usage: Usage, before: Usage | None) -> list[dict[str, Any]]:
    values = {"MemoryUtilization": 100 * usage.memory}
    if before and usage.time > before.time:
        seconds = (usage.time - before.time).total_seconds()
        values["CPUUtilization"] = 100 * (usage.cpu_seconds - before.cpu_seconds) / seconds
    return [
        {
            "MetricName": name,
            "Dimensions": [
                {"Name": "EndpointName", "Value": endpoint},
                {"Name": "VariantName", "Value": variant},
            ],
            "Timestamp": usage.time,
            "Unit": "Percent",
            "Value": value,
        }
        for name, value in values.items()
    ]
