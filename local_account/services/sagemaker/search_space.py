"""Where a tuning job searches: its ranges, and the points that the strategies choose in them.

Differs from AWS: the Bayesian strategy is a plain one (a Gaussian process over the results so far, and of 200
random points the one with the largest expected improvement). What AWS does is not public. `Auto` scaling is
logarithmic for ranges of positive numbers that span two orders of magnitude, and linear otherwise.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from local_account.services.sagemaker.resources import invalid

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import ParameterRangesUnionTypeDef

MOST_PARAMETERS = 30
_AUTO_SPAN = 100.0
_FIRST = 3
_CANDIDATES = 200
_NOISE = 1e-6
_LENGTH = 0.3


@dataclass(frozen=True)
class Numbers:
    """A range of numbers; ``scale`` is a ScalingType other than Auto."""

    name: str
    low: float
    high: float
    whole: bool
    scale: str

    def at(self, share: float) -> str:
        """Return the value at a share of the range from 0 to 1, as text."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        place = low + share * (high - low)
        if self.scale == "Logarithmic":
            place = math.exp(place)
        elif self.scale == "ReverseLogarithmic":
            place = 1 - math.exp(-place)
        place = min(max(place, self.low), self.high)
        return str(round(place)) if self.whole else repr(place)

    def share(self, text: str) -> float:
        """Return where in the range a value is, from 0 to 1."""
        low, high = self._scaled(self.low), self._scaled(self.high)
        return (self._scaled(float(text)) - low) / (high - low) if high > low else 0.0

    def _scaled(self, value: float) -> float:
        if self.scale == "Logarithmic":
            return math.log(value)
        if self.scale == "ReverseLogarithmic":
            return -math.log(1 - value)
        return value


@dataclass(frozen=True)
class Choices:
    """A categorical range."""

    name: str
    values: tuple[str, ...]


class SearchSpace:
    """The ranges of a tuning job. Raises ServiceError ValidationException for ranges that are not valid."""

    def __init__(self, ranges: ParameterRangesUnionTypeDef) -> None:
        self.choices = [
            Choices(one["Name"], tuple(one["Values"])) for one in ranges.get("CategoricalParameterRanges", [])
        ]
        self.numbers = [
            _numbers(one, whole=whole)
            for whole, member in ((True, "IntegerParameterRanges"), (False, "ContinuousParameterRanges"))
            for one in _listed(ranges, member)
        ]
        names = [one.name for one in self.choices] + [one.name for one in self.numbers]
        if not names:
            raise invalid("ParameterRanges needs at least one range")
        if len(set(names)) < len(names):
            raise invalid(f"A hyperparameter has more than one range: {', '.join(sorted(names))}")
        if len(names) > MOST_PARAMETERS:
            raise invalid(
                f"{len(names)} hyperparameters to search over: a tuning job has at most {MOST_PARAMETERS}"
            )
        for one in self.choices:
            if len(set(one.values)) < len(one.values):
                raise invalid(f"The values of {one.name} must be unique: {', '.join(one.values)}")
        self.names = names

    @property
    def combinations(self) -> float:
        """The number of points; infinite if a range is continuous."""
        if any(not one.whole for one in self.numbers):
            return math.inf
        sizes = [len(one.values) for one in self.choices]
        sizes += [int(one.high) - int(one.low) + 1 for one in self.numbers]
        return float(math.prod(sizes))

    def grid(self) -> list[dict[str, str]]:
        """Return every combination of categorical values."""
        axes = [[(one.name, value) for value in one.values] for one in self.choices]
        return [dict(point) for point in itertools.product(*axes)]

    def anywhere(self, chance: random.Random) -> dict[str, str]:
        """Return a random point."""
        point = {one.name: chance.choice(one.values) for one in self.choices}
        point |= {one.name: one.at(chance.random()) for one in self.numbers}
        return {name: point[name] for name in self.names}

    def new(self, chance: random.Random, known: Sequence[Mapping[str, str]]) -> dict[str, str]:
        """Return a random point that is not known yet, if one is found in a reasonable number of tries."""
        for _ in range(_CANDIDATES):
            if (point := self.anywhere(chance)) not in known:
                return point
        return self.anywhere(chance)

    def promising(
        self,
        chance: random.Random,
        results: Sequence[tuple[Mapping[str, str], float]],
        known: Sequence[Mapping[str, str]],
    ) -> dict[str, str]:
        """Return the point with the largest expected improvement; ``results`` are to be maximized."""
        if len(results) < _FIRST:
            return self.new(chance, known)
        candidates = [self.new(chance, known) for _ in range(_CANDIDATES)]
        gains = expected_improvement(
            [self._place(point) for point, _ in results],
            [value for _, value in results],
            [self._place(point) for point in candidates],
        )
        return max(zip(gains, candidates, strict=True), key=lambda pair: pair[0])[1]

    def _place(self, point: Mapping[str, str]) -> list[float]:
        """Return a point as numbers from 0 to 1: one for each number, one for each categorical value."""
        chosen = [float(point[one.name] == value) for one in self.choices for value in one.values]
        return chosen + [one.share(point[one.name]) for one in self.numbers]


def expected_improvement(
    places: Sequence[Sequence[float]], values: Sequence[float], candidates: Sequence[Sequence[float]]
) -> list[float]:
    """Return by how much each candidate is expected to exceed the largest value (a Gaussian process)."""
    import numpy as np

    known, asked = np.array(places), np.array(candidates)
    target = np.array(values)
    mean, deviation = target.mean(), target.std() or 1.0
    scaled = (target - mean) / deviation

    def kernel(one: Any, other: Any) -> Any:
        squares = ((one[:, None, :] - other[None, :, :]) ** 2).sum(axis=2)
        return np.exp(-squares / (2 * _LENGTH**2))

    inverse = np.linalg.inv(kernel(known, known) + _NOISE * np.eye(len(known)))
    between = kernel(asked, known)
    expected = between @ inverse @ scaled
    spread = np.sqrt(np.maximum(1e-12, 1 - np.einsum("ij,jk,ik->i", between, inverse, between)))
    gain = expected - scaled.max()
    z = gain / spread
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    below = np.array([0.5 * (1 + math.erf(one / math.sqrt(2))) for one in z])
    found: list[float] = (gain * below + spread * density).tolist()
    return found


def _listed(ranges: Mapping[str, Any], member: str) -> list[Any]:
    return list(ranges.get(member) or [])


def _numbers(one: Mapping[str, Any], *, whole: bool) -> Numbers:
    try:
        kind = int if whole else float
        low, high = kind(one["MinValue"]), kind(one["MaxValue"])
    except ValueError as error:
        what = "integer" if whole else "number"
        raise invalid(f"The range of {one['Name']} is not of {what}s: {error}") from error
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise invalid(f"The range of {one['Name']} needs a MinValue below its MaxValue")
    scale = one.get("ScalingType", "Auto")
    if scale == "Auto":
        scale = "Logarithmic" if low > 0 and high / low >= _AUTO_SPAN else "Linear"
    if scale == "Logarithmic" and low <= 0:
        raise invalid(f"Logarithmic scaling needs values greater than 0, which {one['Name']} has not")
    if scale == "ReverseLogarithmic" and (whole or not 0 <= low <= high < 1):
        raise invalid(f"ReverseLogarithmic scaling needs continuous values in 0 <= x < 1: {one['Name']}")
    return Numbers(one["Name"], low, high, whole, scale)
