"""A resource of a lab, as whoever stops or deletes it needs to know it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Resource:
    """A resource of a lab. `lab_id` is empty for the default lab, None for an unknown one.

    `kind` and `id` are what the service's delete operation takes; a log stream is `GROUP:STREAM`, a scaling
    policy `RESOURCE:POLICY`. `billable` is a key of `lab_helpers.prices` if the resource costs money for as
    long as it exists; `quantity` is the number of instances.
    """

    service: str
    kind: str
    id: str
    lab_id: str | None
    arn: str | None
    created: datetime | None
    billable: str | None
    quantity: int = 1
