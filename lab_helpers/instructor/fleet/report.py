"""The report on a fleet: a row per participant, for the terminal, scripts and the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from lab_helpers.clients import Clients
from lab_helpers.instructor.fleet.overview import Overview
from lab_helpers.instructor.fleet.progress import Progress, read_fleet
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.prices import PriceError, Prices

NOTEBOOKS = ("01", "02", "03", "04", "05")


@dataclass(frozen=True)
class Row:
    """One participant and their lab; `hourly` is None if the price table lacks something that runs there."""

    participant: Participant
    progress: Progress
    hourly: Decimal | None

    @property
    def name(self) -> str:
        """The participant's name, or the lab id if there is no roster."""
        return self.participant.name or self.participant.lab_id or "default"

    @property
    def steps(self) -> tuple[str, ...]:
        """For each notebook `done`, `here` or an empty string."""
        reached = self.progress.reached
        return tuple(
            "done" if number < reached else "here" if number == reached else "" for number in NOTEBOOKS
        )

    def document(self) -> dict[str, Any]:
        """Return the row as JSON-compatible values."""
        progress = self.progress
        return {
            "name": self.participant.name,
            "lab": self.participant.lab_id or "default",
            "reached": progress.reached,
            "doing": progress.doing,
            "failures": [{"what": one.what, "why": one.why} for one in progress.failures],
            "endpoints": [
                {
                    "name": one.name,
                    "status": one.status,
                    "type": one.instance_type,
                    "instances": one.instances,
                }
                for one in progress.endpoints
            ],
            "instance": progress.instance,
            "stacks": dict(progress.stacks),
            "usd_per_hour": None if self.hourly is None else float(self.hourly),
            "last_activity": _iso(progress.last_activity),
        }


def read_rows(clients: Clients, participants: Sequence[Participant] | None, region: str) -> list[Row]:
    """Return everyone's progress; without participants, that of every lab with a top stack."""
    if participants is None:
        participants = [Participant("", "", lab_id) for lab_id in Overview.read(clients).labs()]
    try:
        prices = Prices.load(region)
    except PriceError:  # no price table for this region: an estimate is better than nothing
        prices = Prices.load()
    found = read_fleet(clients, [one.names for one in participants])
    return [
        Row(one, progress, _hourly(progress, prices))
        for one, progress in zip(participants, found, strict=True)
    ]


def total(rows: Sequence[Row]) -> Decimal:
    """Return the cost of all labs in USD per hour, as far as prices are known."""
    return sum((row.hourly for row in rows if row.hourly is not None), Decimal(0))


def _hourly(progress: Progress, prices: Prices) -> Decimal | None:
    try:
        return progress.hourly(prices)
    except PriceError:
        return None


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat(timespec="seconds") if moment else None
