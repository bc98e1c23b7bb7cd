"""What the account takes while nothing is asked of it: memory, processor time, disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from benchmarks.growth.memory import idle_percent
from benchmarks.growth.plan import Notes, Plan
from benchmarks.growth.servers import Server, account
from benchmarks.lab import BenchLab, rest
from benchmarks.room import age, provision


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
    """A room of labs, beside everything else that the account holds."""

    number: int
    up_seconds: float
    grown: Resting
    """The process that stored everything, provisioned the labs, and took one of them to production."""
    ready_again_seconds: float
    restarted: Resting
    """A new process, with the history of a course in each lab."""


def with_labs(lab: BenchLab, plan: Plan, notes: Notes) -> Labs:
    """Make a room of labs on the account as it is, and leave it at rest: before a restart, and after one."""
    plan = replace(plan, idle_seconds=plan.labs_idle_seconds)
    up = provision(lab, plan.labs)
    notes.say(f"{plan.labs} labs provisioned in {up:.0f} s")
    (grown,) = at_rest([account(lab)], plan, notes)
    ready_again = age(lab, plan.labs, plan.history)
    notes.say(f"the account is ready again in {ready_again:.1f} s")
    (restarted,) = at_rest([account(lab)], plan, notes)
    return Labs(plan.labs, up, grown, ready_again, restarted)
