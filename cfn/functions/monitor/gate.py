"""The quality gate: compare an evaluation with the thresholds of `trainingjob.json` and with production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict, cast

from .evaluation import Evaluation, EvaluationError, is_regression, regression_scores

ROUNDING = 1e-9
"""In binary, 0.95 - 0.02 is slightly more than 0.93; a model that is exactly as good as required passes."""


class QualityGate(TypedDict):
    """Thresholds from trainingjob.json, each from 0 to 1; the launcher keeps them in `training/jobs/`."""

    MinimumAccuracy: float
    MinimumRecall: float
    MaximumAccuracyDrop: float


class RegressionGate(TypedDict):
    """Thresholds for a model that predicts numbers, each from 0 to 1."""

    MinimumR2: float
    MaximumR2Drop: float


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


def judge(
    evaluation: Evaluation, gate: QualityGate | RegressionGate, production: Evaluation | None
) -> list[Check]:
    """Return every check of `evaluation`; `production` is the evaluation of what serves now, if anything.

    An algorithm that production has but the new model lacks fails its check: its callers would get errors. So
    does a model that predicts numbers where production predicts classes. Raises EvaluationError if the
    thresholds are for the other kind of model.
    """
    regression = is_regression(evaluation)
    if regression != ("MinimumR2" in gate):
        kind, keys = _KINDS[regression]
        raise EvaluationError(f"the model is a {kind}: QualityGate in trainingjob.json needs {keys}")
    if production and is_regression(production) != regression:
        checks = [Check("predicts the same kind of answer as production", 0.0, 1.0)]
        return [*(_numbers if regression else _classes)(evaluation, gate, None), *checks]
    return (_numbers if regression else _classes)(evaluation, gate, production)


_KINDS = {
    False: ("classifier", "MinimumAccuracy, MinimumRecall and MaximumAccuracyDrop"),
    True: ("regressor", "MinimumR2 and MaximumR2Drop"),
}


def _numbers(
    evaluation: Evaluation, thresholds: QualityGate | RegressionGate, production: Evaluation | None
) -> list[Check]:
    gate, scores = cast("RegressionGate", thresholds), regression_scores(evaluation)
    checks = [Check(f"{name}: r2", one["r2"], gate["MinimumR2"]) for name, one in scores.items()]
    for name, old in (regression_scores(production) if production else {}).items():
        new = scores[name]["r2"] if name in scores else 0.0
        threshold = max(0.0, old["r2"] - gate["MaximumR2Drop"]) if name in scores else 1.0
        checks.append(Check(f"{name}: r2 compared with production", new, threshold))
    return checks


def _classes(
    evaluation: Evaluation, thresholds: QualityGate | RegressionGate, production: Evaluation | None
) -> list[Check]:
    gate, checks = cast("QualityGate", thresholds), []
    for name, scores in evaluation["algorithms"].items():
        checks.append(Check(f"{name}: accuracy", scores["accuracy"], gate["MinimumAccuracy"]))
        checks += [
            Check(f"{name}: recall of {label}", value, gate["MinimumRecall"])
            for label, value in scores["recall"].items()
        ]
    for name, scores in (production["algorithms"] if production else {}).items():
        new = evaluation["algorithms"].get(name)
        accuracy = new["accuracy"] if new else 0.0
        threshold = max(0.0, scores["accuracy"] - gate["MaximumAccuracyDrop"]) if new else 1.0
        checks.append(Check(f"{name}: accuracy compared with production", accuracy, threshold))
    return checks
