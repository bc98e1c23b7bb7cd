"""What CloudWatch knows about a metric's values in a time span ("Statistics" in its User Guide).

Refuses: trimmed and other further statistics (`tm90`, `wm95`, `tc90`, `ts90`, `IQM`, `PR`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

SIMPLE = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d{1,10})?|100)")
_DIGITS = 3


def is_statistic(name: str) -> bool:
    """Return whether ``Statistics.value`` knows a statistic (``Average``, ``p99``)."""
    return name in SIMPLE or _PERCENTILE.fullmatch(name) is not None


@dataclass
class Statistics:
    """Count, sum, minimum, maximum and distribution of some values.

    ``distribution`` maps values, rounded to three significant digits, to how often each occurred; it is None
    if a statistic set was put, for which CloudWatch has no percentiles either.
    """

    count: float = 0.0
    total: float = 0.0
    least: float = float("inf")
    most: float = float("-inf")
    distribution: dict[float, float] | None = field(default_factory=dict)

    @classmethod
    def of_set(cls, count: float, total: float, least: float, most: float) -> Statistics:
        """Return a statistic set (``StatisticValues``); its distribution is known if all values are equal."""
        same = count == 1 or least == most
        return cls(count, total, least, most, {_rounded(least): count} if same else None)

    def add(self, value: float, count: float = 1.0) -> None:
        """Add a value that occurred ``count`` times."""
        rounded = _rounded(value)
        self.merge(Statistics(count, value * count, value, value, {rounded: count}))

    def merge(self, other: Statistics) -> None:
        """Add all the values of another span."""
        self.count += other.count
        self.total += other.total
        self.least = min(self.least, other.least)
        self.most = max(self.most, other.most)
        if self.distribution is None or other.distribution is None:
            self.distribution = None
            return
        for value, count in other.distribution.items():
            self.distribution[value] = self.distribution.get(value, 0.0) + count

    def value(self, statistic: str) -> float | None:
        """Return a statistic, or None if there are no values (or, for a percentile, no distribution)."""
        if not self.count:
            return None
        if statistic == "Average":
            return self.total / self.count
        match = _PERCENTILE.fullmatch(statistic)
        if match:
            return self._percentile(float(match[1]))
        simple = {
            "SampleCount": self.count,
            "Sum": self.total,
            "Minimum": self.least,
            "Maximum": self.most,
        }
        return simple[statistic]

    def _percentile(self, percent: float) -> float | None:
        """Return the value that ``percent`` of the values do not exceed (nearest rank)."""
        if self.distribution is None:
            return None
        rank = self.count * percent / 100
        seen = 0.0
        for value in sorted(self.distribution):
            seen += self.distribution[value]
            if seen >= rank * (1 - 1e-9):
                break
        return min(max(value, self.least), self.most)


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
