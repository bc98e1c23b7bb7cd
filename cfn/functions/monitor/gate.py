"""The quality gate: compare an evaluation with the thresholds of `trainingjob.json` and with production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

from .evaluation import Evaluation

ROUNDING = 1e-9
"""In binary, 0.95 - 0.02 is slightly more than 0.93; a model that is exactly as good as required passes."""


class QualityGate(TypedDict):
    """Thresholds from trainingjob.json, each from 0 to 1; the launcher keeps them in `training/jobs/`."""

    MinimumAccuracy: float
    MinimumRecall: float
    MaximumAccuracyDrop: float


@dataclass(frozen=True)
class Check:
    """One comparison: `value` must be at least `threshold`."""

    name: str
    value: float
    threshold: float

    @property
    def passed(self) -> bool:
        """Whether the value reaches the threshold."""
        return self.value >= self.threshold - ROUNDING

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} {'reaches' if self.passed else 'is below'} {self.threshold:.4f}"


def judge(evaluation: Evaluation, gate: QualityGate, production: Evaluation | None) -> list[Check]:
    """Return every check of `evaluation`; `production` is the evaluation of what serves now, if anything.

    An algorithm that production has but the new model lacks fails its check: its callers would get errors.
    """
    checks = []
    for name, scores in evaluation["algorithms"].items():
        checks.append(Check(f"{name}: accuracy", scores["accuracy"], gate["MinimumAccuracy"]))
        checks += [
            Check(f"{name}: recall of {label}", value, gate["MinimumRecall"])
            for label, value in scores["recall"].items()
        ]
    for name, scores in (production["algorithms"] if production else {}).items():
        new = evaluation["algorithms"].get(name)
        accuracy = new["accuracy"] if new else 0.0
        threshold = max(0.0, scores["accuracy"] - gate["MaximumAccuracyDrop"])
        checks.append(Check(f"{name}: accuracy compared with production", accuracy, threshold))
    return checks
