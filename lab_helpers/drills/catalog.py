"""All drills, by name."""

from __future__ import annotations

from lab_helpers.display import Table
from lab_helpers.drills.approval import RejectedApproval
from lab_helpers.drills.container import FailingContainer
from lab_helpers.drills.drill import Drill, DrillError
from lab_helpers.drills.event import LostEvent
from lab_helpers.drills.hyperparameter import BadHyperparameter
from lab_helpers.drills.labels import PoisonedLabels, SwappedLabels
from lab_helpers.drills.shift import ShiftedData
from lab_helpers.drills.weak_model import WeakModel

ALL: dict[str, Drill] = {
    one.name: one
    for one in (
        BadHyperparameter(),
        WeakModel(),
        PoisonedLabels(),
        SwappedLabels(),
        RejectedApproval(),
        LostEvent(),
        ShiftedData(),
        FailingContainer(),
    )
}


def get(name: str) -> Drill:
    """Return a drill. Raises DrillError if there is none of this name."""
    if name not in ALL:
        raise DrillError(f"{name!r} is not a drill: give one of {', '.join(ALL)}")
    return ALL[name]


def named(text: str) -> list[str]:
    """Return the names in a list that is separated by commas; `all` stands for every drill.

    Raises DrillError for any other text, and for what is no text.
    """
    if not isinstance(text, str):
        raise DrillError(f'drills is {text!r}: give names in quotes, separated by commas, or "all"')
    names = list(ALL) if text.strip() == "all" else [one.strip() for one in text.split(",") if one.strip()]
    return [get(one).name for one in names]


def table() -> Table:
    """Show every drill: what breaks, and who should notice."""
    return Table(
        ["drill", "what breaks", "who should notice"],
        [[one.name, one.breaks, one.noticed_by] for one in ALL.values()],
    )
