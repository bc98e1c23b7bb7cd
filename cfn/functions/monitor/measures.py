"""Measures of predictions: confusion matrix, rates with intervals, calibration, errors, percentiles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

Z = 1.959963984540054
"""Standard deviations of a normal distribution on either side of which 5 % are left."""


@dataclass(frozen=True)
class Bin:
    """Predictions whose probability is from `low` to `high`: how many, how sure, and how many were right."""

    low: float
    high: float
    count: int
    confidence: float
    """The mean probability; 0 in an empty bin."""
    right: float
    """The share of right predictions; 0 in an empty bin."""


def accuracy(truth: Sequence[object], predicted: Sequence[object]) -> float:
    """Return the share of right predictions; 0 without any."""
    return sum(t == p for t, p in zip(truth, predicted, strict=True)) / len(truth) if truth else 0.0


def confusion(
    truth: Sequence[object], predicted: Sequence[object], classes: Sequence[object]
) -> list[list[int]]:
    """Return the confusion matrix: rows are true classes, columns predicted ones, in the order of `classes`.

    A pair with a class that is not in `classes` is counted nowhere.
    """
    place = {name: i for i, name in enumerate(classes)}
    matrix = [[0] * len(place) for _ in place]
    for true, guess in zip(truth, predicted, strict=True):
        if true in place and guess in place:
            matrix[place[true]][place[guess]] += 1
    return matrix


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate, by Wilson's score; (0, 1) without trials.

    Unlike the normal approximation, it does not leave 0 to 1, nor shrink to nothing at its ends (E. B.
    Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927).
    """
    if not trials:
        return 0.0, 1.0
    rate, spread = successes / trials, Z**2 / trials
    middle = (rate + spread / 2) / (1 + spread)
    half = math.sqrt(rate * (1 - rate) * spread + spread**2 / 4) / (1 + spread)
    return max(0.0, min(middle - half, rate)), min(1.0, max(middle + half, rate))


def calibration(confidences: Sequence[float], right: Sequence[bool], bins: int = 10) -> list[Bin]:
    """Return `bins` bins of equal width from 0 to 1, and what became of the predictions in each.

    A calibrated model is right in as many cases as it is sure of: 8 of 10 at a probability of 0.8.
    """
    members: list[list[int]] = [[] for _ in range(bins)]
    for i, confidence in enumerate(confidences):
        members[min(bins - 1, max(0, int(confidence * bins)))].append(i)
    return [
        Bin(
            number / bins,
            (number + 1) / bins,
            len(found),
            math.fsum(confidences[i] for i in found) / len(found) if found else 0.0,
            sum(right[i] for i in found) / len(found) if found else 0.0,
        )
        for number, found in enumerate(members)
    ]


def r2(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the share of the variance that is explained: at most 1; below 0, the mean would be better."""
    mean = math.fsum(truth) / len(truth) if truth else 0.0
    spread = math.fsum((t - mean) ** 2 for t in truth)
    missed = math.fsum((p - t) ** 2 for t, p in zip(truth, predicted, strict=True))
    return 1 - missed / spread if spread else float(missed == 0)


def mean_absolute_error(truth: Sequence[float], predicted: Sequence[float]) -> float:
    """Return the mean distance of a prediction from the truth; 0 without any."""
    distances = [abs(p - t) for t, p in zip(truth, predicted, strict=True)]
    return math.fsum(distances) / len(distances) if distances else 0.0


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` percent of `values` do not exceed (nearest rank); 0 without any."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1] if ordered else 0.0
