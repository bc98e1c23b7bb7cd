"""How often each tool raised an alarm, and was right or wrong to do so."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.drift.shifts import NONE


@dataclass(frozen=True)
class Seen:
    """One window and one tool: what was shifted, and whether the tool raised an alarm."""

    tool: str
    data: str
    training_rows: int
    rows: int
    shift: str
    alarm: bool


@dataclass(frozen=True)
class Rate:
    """A share of windows with an alarm, with its 95 % interval (Wilson)."""

    alarms: int
    windows: int

    @property
    def share(self) -> float:
        """The share itself; 0 of no windows."""
        return self.alarms / self.windows if self.windows else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """The lower and the upper end."""
        if not self.windows:
            return 0.0, 1.0
        z, n = 1.96, self.windows
        middle = (self.share + z * z / 2 / n) / (1 + z * z / n)
        half = z * math.sqrt(self.share * (1 - self.share) / n + (z / 2 / n) ** 2) / (1 + z * z / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.1%} ({low:.1%} to {high:.1%})"


@dataclass(frozen=True)
class Counts:
    """Everything that was seen."""

    seen: Sequence[Seen]

    def where(self, **members: object) -> Counts:
        """Return the part with these members, such as `rows=50`."""
        wanted = members.items()
        return Counts([one for one in self.seen if all(getattr(one, name) == it for name, it in wanted)])

    def detection(self, tool: str) -> Rate:
        """Return how many windows with a shift raised an alarm."""
        return _rate(one for one in self.seen if one.tool == tool and one.shift != NONE.name)

    def false_alarms(self, tool: str) -> Rate:
        """Return how many windows without a shift did."""
        return _rate(one for one in self.seen if one.tool == tool and one.shift == NONE.name)


def _rate(seen: Iterable[Seen]) -> Rate:
    alarms = [one.alarm for one in seen]
    return Rate(sum(alarms), len(alarms))
