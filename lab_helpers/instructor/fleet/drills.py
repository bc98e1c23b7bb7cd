"""Drills in the labs of a class: an instructor starts them, sees who noticed, and ends them.

Everything is read from the labs' buckets and pipelines (`lab_helpers.drills`), so a drill that one instructor
started can be watched and ended by another, or by the learner.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers.clients import Clients
from lab_helpers.drills import catalog, conduct, record
from lab_helpers.drills.conduct import Running
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.names import Names
from lab_helpers.patience import Patience, StoppedError
from lab_helpers.way_back.state import as_lab

LABS_AT_ONCE = 8
Report = Callable[[str, str], None]
"""Called with a lab id and what is being done there; from any thread."""


@dataclass(frozen=True)
class InLab:
    """The newest drill of a lab; `error` says why nothing is known or was done."""

    lab_id: str
    drill: Running | None = None
    error: str = ""

    def document(self) -> dict[str, Any]:
        """Return it for scripts; times are ISO 8601 in UTC."""
        found: dict[str, Any] = {"lab": self.lab_id or "default", "error": self.error}
        if self.drill:
            now = self.drill.record.seen(self.drill.sighting)
            found |= {
                "drill": now.drill,
                "id": now.id,
                "started": now.started.isoformat(),
                "by": now.by,
                "execution": now.execution,
                "happened": now.happened,
                "noticed_by": now.noticed_by,
                "seconds": now.seconds,
                "missed": now.missed,
                "ended": now.ended.isoformat() if now.ended else "",
                "put_back": list(now.done),
            }
        return found


def _without_bucket(error: Exception) -> str:
    """Return what to say of a lab without the bucket that has the records; empty for other errors."""
    gone = isinstance(error, ClientError) and error.response["Error"]["Code"] == "NoSuchBucket"
    return "the lab does not exist, or has no bucket: deploy it first (`fleet up`)" if gone else ""


@dataclass(frozen=True)
class Room:
    """The labs of an account, seen by an instructor."""

    clients: Clients
    region: str
    account: str
    stopping: threading.Event

    def start(self, labs: Sequence[Names], name: str, report: Report) -> list[InLab]:
        """Start a drill in these labs; where it has a person's part to play, play it."""

        def one(lab: Lab) -> Running:
            report(lab.names.lab_id, f"starting {name}")
            running, drill = conduct.start(lab, name), catalog.get(name)
            patience = Patience(self.stopping)
            while drill.by_hand and not running.sighting.settled:
                report(lab.names.lab_id, running.sighting.happened)
                patience.pause(lambda: f"{name} has not settled: `fleet drill status` shows it")
                drill.play(lab, running.record)
                running = conduct.look(lab, running.record)
            return running

        return self._each(labs, one)

    def status(self, labs: Sequence[Names]) -> list[InLab]:
        """Return what has become of the newest drill of each lab."""
        return self._each(labs, conduct.newest)

    def end(self, labs: Sequence[Names], report: Report) -> list[InLab]:
        """Put back what the running drills have changed; a lab without one is left alone."""

        def one(lab: Lab) -> Running | None:
            if found := record.running(lab):
                report(lab.names.lab_id, f"putting {found.drill} back")
            return conduct.end(lab)

        return self._each(labs, one)

    def _each(self, labs: Sequence[Names], do: Callable[[Lab], Running | None]) -> list[InLab]:
        def one(names: Names) -> InLab:
            lab = as_lab(self.clients, names, self.region, self.account)
            try:
                return InLab(names.lab_id, do(lab))
            except StoppedError:
                return InLab(names.lab_id, error="interrupted: the drill goes on; `fleet drill end` ends it")
            except (WorkshopError, TimeoutError, BotoCoreError, ClientError) as error:
                return InLab(names.lab_id, error=_without_bucket(error) or str(error))

        with ThreadPoolExecutor(LABS_AT_ONCE, thread_name_prefix="drill") as pool:
            try:
                return list(pool.map(one, labs))
            except BaseException:
                self.stopping.set()
                raise
