"""What the account takes while nothing is asked of it: memory, processor time, disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.growth.memory import idle_percent
from benchmarks.growth.plan import Notes, Plan
from benchmarks.growth.servers import Server, account
from benchmarks.lab import BenchLab, rest
from benchmarks.room import furnish


@dataclass(frozen=True)
class Resting:
    """A server at rest."""

    server: str
    resident_mb: float
    idle_percent: float


def at_rest(servers: Sequence[Server], plan: Plan, notes: Notes) -> list[Resting]:
    """Return memory and processor time of servers that are asked nothing, one after the other."""
    found: list[Resting] = []
    for server in servers:
        rest(plan.rest_seconds)
        busy = idle_percent(server, plan.idle_seconds)
        found.append(one := Resting(server.name, server.resident_mb, busy))
        notes.say(f"at rest: {one.server} {one.resident_mb:.0f} MB, {one.idle_percent:.2f} % of a core")
    return found


@dataclass(frozen=True)
class Labs:
    """A room of labs with their history, beside everything else that the account holds."""

    number: int
    up_seconds: float
    ready_again_seconds: float
    resting: Resting


def with_labs(lab: BenchLab, plan: Plan, notes: Notes) -> Labs:
    """Make a room of labs on the account as it is, and leave it at rest."""
    up, ready_again = (one.value for one in furnish(lab, plan.labs, plan.history))
    notes.say(f"{plan.labs} labs provisioned in {up:.0f} s, the account ready again in {ready_again:.1f} s")
    (resting,) = at_rest([account(lab)], plan, notes)
    return Labs(plan.labs, up, ready_again, resting)
