"""What a drill is: something that breaks, someone who should notice, and a way back."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar

from lab_helpers.errors import WorkshopError

if TYPE_CHECKING:
    from lab_helpers.drills.record import Record
    from lab_helpers.lab import Lab


class DrillError(WorkshopError, RuntimeError):
    """A drill cannot start, or could not be put back; the message says why and what to do."""


@dataclass(frozen=True)
class Sighting:
    """What a drill has led to so far."""

    happened: str
    """One sentence about the newest thing."""
    by: str = ""
    """Who noticed, such as `the monitor function`; empty while nobody has."""
    at: datetime | None = None
    """When they noticed."""
    settled: bool = False
    """Whether nothing more will happen by itself."""
    missed: bool = False
    """Whether what should have been stopped is in production."""


class Drill(ABC):
    """One drill. `start` and `put_back` can be interrupted: `put_back` copes with whatever is left."""

    name: ClassVar[str]
    breaks: ClassVar[str]
    """What breaks, as a sentence."""
    noticed_by: ClassVar[str]
    """Who should notice it, and how."""
    needs_release: ClassVar[bool] = False
    """Whether PRD has to serve."""
    by_hand: ClassVar[bool] = False
    """Whether `play` has a part to play after the start."""

    def check(self, lab: Lab) -> None:
        """Raise DrillError if the lab lacks what only this drill needs. Changes nothing."""
        del lab

    def kept(self, lab: Lab) -> dict[str, str]:
        """Return what `start` is going to change, as it is: the record keeps it for `put_back`."""
        del lab
        return {}

    @abstractmethod
    def start(self, lab: Lab, record: Record) -> Record:
        """Break it, and return the record with what has become known, such as the execution."""

    def play(self, lab: Lab, record: Record) -> None:
        """Do now what a person does in this drill, if it is due."""
        del lab, record

    @abstractmethod
    def look(self, lab: Lab, record: Record) -> Sighting:
        """Return what has happened. Changes nothing."""

    @abstractmethod
    def put_back(self, lab: Lab, record: Record) -> list[str]:
        """Put everything back, and return what was done, a sentence each. Safe to repeat."""
