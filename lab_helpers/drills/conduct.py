"""Start a drill, follow it until someone has noticed, and put everything back."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from botocore.exceptions import ClientError

from lab_helpers import console
from lab_helpers.display import Table, Tabular, duration, ticking
from lab_helpers.drills import catalog, record
from lab_helpers.drills.drill import DrillError, Sighting
from lab_helpers.drills.record import Record
from lab_helpers.drills.training import idle, serves
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.executions import first_line
from lab_helpers.lab import Lab
from lab_helpers.live import Frame, Live, tick


@dataclass(frozen=True, repr=False)
class Running(Tabular):
    """A drill in a lab, with what has happened so far."""

    record: Record
    sighting: Sighting

    @property
    def noticed(self) -> bool:
        """Whether someone has noticed."""
        return bool(self.sighting.by)

    def table(self) -> Table:
        """Show what broke, what happened, and who noticed."""
        drill, now = catalog.get(self.record.drill), self.record.seen(self.sighting)
        rows = [
            ["what breaks", drill.breaks],
            ["who should notice", drill.noticed_by],
            ["what happened", now.happened],
            ["noticed by", _noticed(now)],
            *(["put back", one] for one in now.done),
        ]
        return Table(["drill", self.record.drill], rows)


def _noticed(now: Record) -> str:
    if now.seconds is not None:
        return f"{now.noticed_by}, {duration(now.seconds)} after the start"
    return "nobody: it is in production" if now.missed else "nobody yet"


def start(lab: Lab, name: str) -> Running:
    """Start a drill. Raises DrillError, and changes nothing, if the lab is not in the state that it needs."""
    drill = catalog.get(name)
    if other := record.running(lab):
        raise DrillError(record.already(other))
    idle(lab)
    dev, prd = (serves(lab, one) for one in (lab.names.dev_endpoint, lab.names.prd_endpoint))
    if drill.needs_release and not prd:
        raise DrillError(
            f"the drill {name} needs a release in PRD, and {lab.names.prd_endpoint} does not exist: approve "
            "one in notebook 04 first (if it was deleted by hand, go back to 05)"
        )
    drill.check(lab)
    by = lab.client("sts").get_caller_identity()["Arn"]
    new = replace(record.new(name, by), dev=dev, prd=prd, kept=drill.kept(lab))
    record.begin(lab, new)
    try:
        started = drill.start(lab, new)
    except BaseException:
        end(lab)
        raise
    record.write(lab, started)
    return look(lab, started)


def look(lab: Lab, found: Record | None = None) -> Running:
    """Return what has happened in the drill that runs. Raises DrillError if none does."""
    found = found or _running(lab)
    return Running(found, catalog.get(found.drill).look(lab, found))


def newest(lab: Lab) -> Running | None:
    """Return the drill that runs, else the one that ended last with what it had led to, else None."""
    found = record.newest(lab)
    if found is None:
        return None
    return _ended(found) if found.ended else look(lab, found)


def _ended(found: Record) -> Running:
    seen = Sighting(found.happened, found.noticed_by, found.noticed, settled=True, missed=found.missed)
    return Running(found, seen)


def watch(lab: Lab, *, timeout: float = 1800, sleep: Callable[[float], None] = time.sleep) -> Running:
    """Follow the drill until someone has noticed, or until it waits for a person; show it meanwhile.

    Raises DrillError after `timeout` seconds, and Interrupted.
    """
    found, live, began = _running(lab), Live(), time.monotonic()
    drill = catalog.get(found.drill)
    if found.execution:
        page = console.of(lab.client("codepipeline"))
        live.link(
            "execution in the console", page.pipeline_execution(lab.names.train_pipeline, found.execution)
        )
    try:
        while True:
            drill.play(lab, found)
            now = drill.look(lab, found)
            waited = time.monotonic() - began
            if now.settled:
                break
            if waited > timeout:
                raise DrillError(
                    f"{now.happened}, after {duration(timeout)}: it goes on by itself; run this cell again "
                    "to follow it, or end the drill"
                )
            show = functools.partial(_show, live, found.drill, first_line(now.happened), began)
            show()
            tick(min(0.2 + waited / 40, 5), show, sleep)
    except KeyboardInterrupt:
        raise Interrupted(
            "Interrupted: the drill goes on by itself. Run this cell again to follow it, or the one that "
            "ends it."
        ) from None
    live.show(Table(["drill", "now", "waited"], [[found.drill, first_line(now.happened), ""]]))
    return Running(found, now)


def _show(live: Live, drill: str, now: str, began: float) -> None:
    heads, clock = ["drill", "now", "waited"], ticking(time.monotonic() - began)
    live.show(Table(heads, [[drill, now, ""]]), now=Frame(Table(heads, [[drill, now, clock]])))


def end(lab: Lab) -> Running | None:
    """Put back what the running drill has changed, and keep its record; None if no drill runs.

    Safe to interrupt and to repeat. Raises DrillError, and leaves the drill running, if that fails.
    """
    found = record.running(lab)
    if found is None:
        return None
    drill = catalog.get(found.drill)
    if not found.happened:
        # Before anything is put back: ending an execution looks like a person who has noticed.
        found = found.seen(_last_look(lab, found))
        record.write(lab, found)
    done = drill.put_back(lab, found)
    found = replace(found, done=tuple(done), ended=datetime.now(UTC))
    record.finish(lab, found)
    return _ended(found)


def _last_look(lab: Lab, found: Record) -> Sighting:
    try:
        return catalog.get(found.drill).look(lab, found)
    except (WorkshopError, ClientError) as error:  # what it looks at may be gone; putting back matters more
        return Sighting(f"unknown: {error}")


def abandon(lab: Lab) -> None:
    """Close the record of a drill that cannot be put back, because what it needs for that is gone."""
    if found := record.running(lab):
        left = ("nothing: the lab was too broken, and was reset instead",)
        record.finish(lab, replace(found, done=left, ended=datetime.now(UTC)))


def clear(lab: Lab) -> None:
    """End a drill that the caller has left running. Raises DrillError if someone else has started it."""
    found = record.running(lab)
    if found is None:
        return
    if _owner(found.by) != _owner(lab.client("sts").get_caller_identity()["Arn"]):
        raise DrillError(
            f"someone else has started a drill in this lab at {found.started:%H:%M:%S} UTC: find out what "
            "broke, and start your own when it has ended"
        )
    end(lab)
    print(f"The drill {found.drill} was still running: everything is put back.")


def _owner(arn: str) -> str:
    """Return the role behind an ARN; its sessions have names of their own."""
    return arn.rpartition("/")[0] if ":assumed-role/" in arn else arn


def run(lab: Lab, name: str) -> Running:
    """Start a drill, follow it until it settles, and put everything back, also if it is interrupted."""
    start(lab, name)
    try:
        watch(lab)
    finally:
        ended = end(lab)
    if ended is None:  # someone else was quicker
        last = record.newest(lab)
        assert last is not None  # noqa: S101 (it was just running)
        return _ended(last)
    return ended


def _running(lab: Lab) -> Record:
    found = record.running(lab)
    if found is None:
        raise DrillError("no drill runs in this lab: start one first")
    return found
