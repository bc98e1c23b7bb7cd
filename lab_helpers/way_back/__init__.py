"""Bring a lab to the start of a notebook, whatever state it is in.

A learner asks for it in a notebook (`to`), an instructor with the command `reset`: the same plan, carried out
with the rights of whoever asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab_helpers.lab import Lab
    from lab_helpers.way_back.offer import WayBack


def to(number: str, lab: Lab) -> WayBack:
    """Return what going back to the start of a notebook, such as `03`, would change; changes nothing yet.

    Displayed, it shows that and two buttons; its method `go` does it without a click. Raises WayBackError if
    there is no such notebook, or if only an instructor can do it.
    """
    from lab_helpers.way_back.offer import WayBack  # noqa: PLC0415 (only then are its modules needed)

    return WayBack(number, lab)
