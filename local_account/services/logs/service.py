"""CloudWatch Logs: groups, streams and events in a file of their own; metric filters; retention.

Contract: CloudWatch Logs API Reference. Events are kept as they come, a row for each PutLogEvents, so a write
costs the same whatever is stored. Subscription filters, Logs Insights (StartQuery), Live Tail, exports and
encryption keys are not supported, and refused by name.
"""

from __future__ import annotations

import logging
from typing import Any

from local_account.services.logs.event_operations import EventOperations
from local_account.services.logs.filter_operations import FilterOperations
from local_account.services.logs.group_operations import GroupOperations
from local_account.services.logs.retention import Sweeper

log = logging.getLogger(__name__)

_SWEEP_SECONDS = 60
_PUBLISH_SECONDS = 1


class Logs(GroupOperations, EventOperations, FilterOperations):
    """The CloudWatch Logs API.

    Lacks: `AssociateKmsKey`, `CreateDelivery`, `CreateExportTask`, `CreateLogAnomalyDetector`,
    `PutAccountPolicy`, `PutDataProtectionPolicy`, `PutIndexPolicy`, `PutSubscriptionFilter`, `StartLiveTail`,
    `StartQuery` (Logs Insights).
    """

    def start(self) -> None:
        """Free what is deleted or expired, and publish what metric filters find, from now on."""
        self.account.tasks.spawn("logs-sweeper", self._sweep_until_stopped)
        self.account.tasks.every(_PUBLISH_SECONDS, "logs-metrics", self._publish_if_found)

    def stop(self) -> None:
        """Wake the sweeper, which then ends."""
        self.deleted.set()

    def trim(self) -> None:
        """Give back memory that only makes the next request faster."""
        self.database.trim()

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def sweep(self) -> None:
        """Delete the events that have expired, and those of deleted groups and streams."""
        Sweeper(self.database, self.milliseconds, self.account.tasks.stopping.is_set).sweep()

    def publish_metrics(self) -> None:
        """Hand to CloudWatch what metric filters have found."""
        self.metric_filters.publish(self._put_metric_data, self.milliseconds())

    def _publish_if_found(self) -> None:
        if self.metric_filters.found.is_set():
            self.publish_metrics()

    def _put_metric_data(self, **request: Any) -> None:
        # Making a client takes a tenth of a second: not before there is something to publish.
        self.account.client("cloudwatch").put_metric_data(**request)

    def _sweep_until_stopped(self) -> None:
        while not self.account.tasks.stopping.is_set():
            self.deleted.clear()
            try:
                self.sweep()
            except Exception:
                log.exception("expired and deleted events could not be freed")
            self.deleted.wait(_SWEEP_SECONDS)
