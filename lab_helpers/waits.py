"""What a cell waits for, shown with a clock that ticks."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import TypeVar

from lab_helpers.display import Table, duration, ticking
from lab_helpers.errors import Interrupted
from lab_helpers.live import Frame, Live, tick

Description = TypeVar("Description")
GOING = {"InProgress", "Stopping"}
"""States of a processing or transform job that end by themselves."""


def show(live: Live, what: str, name: str, status: str, began: float) -> None:
    """Show what is waited for; `began` is a time of `time.monotonic`."""
    heads = [what, "status", "waited"]
    clock = ticking(time.monotonic() - began)
    live.show(Table(heads, [[name, status, ""]]), now=Frame(Table(heads, [[name, status, clock]])))


def until_ended(
    what: str,
    job: str,
    look: Callable[[], Description],
    status: Callable[[Description], str],
    *,
    within: str,
    sleep: Callable[[float], None],
) -> Description:
    """Wait until a job has ended, however it did, and return its description.

    Raises Interrupted, which says `within` what time the job ends by itself.
    """
    live, began = Live(), time.monotonic()
    try:
        while (state := status(found := look())) in GOING:
            frame = functools.partial(show, live, what, job, state, began)
            frame()
            tick(min(0.5 + (time.monotonic() - began) / 20, 10), frame, sleep)
    except KeyboardInterrupt:
        raise Interrupted(f"Interrupted: {job} goes on by itself, and ends within {within}.") from None
    live.show(Table([what, "status", "took"], [[job, state, duration(time.monotonic() - began)]]))
    return found
