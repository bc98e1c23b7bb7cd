"""Two shares compared: intervals instead of feelings, and how many requests it takes to tell them apart.

Sources: E. B. Wilson, "Probable inference, the law of succession, and statistical inference" (1927);
R. G. Newcombe, "Interval estimation for the difference between independent proportions" (1998), method 10;
J. L. Fleiss, "Statistical Methods for Rates and Proportions", sample sizes for two proportions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from lab_helpers.display import Table

CONFIDENCE, POWER = 0.95, 0.8
"""How often an interval contains the truth, and how often a test of the planned size finds a difference."""


@dataclass(frozen=True)
class Share:
    """How many of `count` requests were answered right. Raises ValueError for numbers that cannot be."""

    name: str
    hits: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.hits <= self.count or not self.count:
            raise ValueError(f"{self.hits} of {self.count} is not a share: count at least one request")

    @property
    def value(self) -> float:
        """The share, from 0 to 1."""
        return self.hits / self.count

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return Wilson's interval: where the share of all requests to come may be."""
        z = _z(confidence)
        spread = z * z / self.count
        middle = (self.value + spread / 2) / (1 + spread)
        half = z * math.sqrt(self.value * (1 - self.value) / self.count + spread / (4 * self.count))
        half /= 1 + spread
        # Exactly 0 and 1 at the ends, which rounding would miss by a little.
        low = middle - half if self.hits else 0.0
        return low, middle + half if self.hits < self.count else 1.0


@dataclass(frozen=True)
class Comparison:
    """The difference of two independent shares, `second` minus `first`, with its interval."""

    first: Share
    second: Share
    low: float
    high: float

    @property
    def difference(self) -> float:
        """The difference that was seen, from -1 to 1."""
        return self.second.value - self.first.value

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out 0: chance alone would rarely make such a difference."""
        return self.low > 0 or self.high < 0

    @property
    def better(self) -> str:
        """The name of the better one; empty if they cannot be told apart."""
        return (self.second if self.low > 0 else self.first).name if self.told_apart else ""

    def __repr__(self) -> str:
        verdict = f"{self.better} is better" if self.told_apart else "too close to tell"
        return (
            f"{self.second.name} minus {self.first.name}: {100 * self.difference:+.1f} points, between "
            f"{100 * self.low:+.1f} and {100 * self.high:+.1f}: {verdict}"
        )


def compare(first: Share, second: Share, confidence: float = CONFIDENCE) -> Comparison:
    """Return the difference of two shares with Newcombe's interval, which stays right for shares near 1."""
    (low1, high1), (low2, high2) = first.interval(confidence), second.interval(confidence)
    seen = second.value - first.value
    low = seen - math.hypot(second.value - low2, high1 - first.value)
    high = seen + math.hypot(high2 - second.value, first.value - low1)
    return Comparison(first, second, low, high)


def needed(first: float, second: float, confidence: float = CONFIDENCE, power: float = POWER) -> int:
    """Return how many requests each of two models needs, so that a test mostly finds this difference.

    `first` and `second` are shares, from 0 to 1. Raises ValueError if they are the same.
    """
    if first == second:
        raise ValueError("two shares that are the same cannot be told apart, however many requests there are")
    mean = (first + second) / 2
    chance = _z(confidence) * math.sqrt(2 * mean * (1 - mean))
    found = NormalDist().inv_cdf(power) * math.sqrt(first * (1 - first) + second * (1 - second))
    return math.ceil(((chance + found) / (first - second)) ** 2)


def table(comparisons: Sequence[Comparison]) -> Table:
    """Show comparisons: what was counted, and what it says."""
    heads = ["requests", "right, first", "right, second", "difference", "interval", "verdict"]
    return Table(
        heads,
        [
            [
                f"{one.first.count + one.second.count:,}",
                f"{one.first.value:.1%} of {one.first.count:,}",
                f"{one.second.value:.1%} of {one.second.count:,}",
                f"{100 * one.difference:+.1f} points",
                f"{100 * one.low:+.1f} to {100 * one.high:+.1f}",
                f"{one.better} is better" if one.told_apart else "too close to tell",
            ]
            for one in comparisons
        ],
    )


def _z(confidence: float) -> float:
    return NormalDist().inv_cdf((1 + confidence) / 2)
