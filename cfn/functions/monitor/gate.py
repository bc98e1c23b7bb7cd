"""The quality gate: compare an evaluation with the thresholds of `trainingjob.json` and with production."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, cast

from quality_gate import QualityGate, RegressionGate

from .evaluation import Evaluation, EvaluationError, is_regression, regression_scores

ROUNDING = 1e-9
"""In binary, 0.95 - 0.02 is slightly more than 0.93; a model that is exactly as good as required passes."""
SERVED_ROUNDING = 1e-5
"""What r2 may lose between training and serving: ONNX Runtime computes with 32 bits, and the same regressor
differs in the seventh digit of a prediction. A model that is as good as the one in production passes."""


class SameRows(Protocol):
    """Two models on the same rows: accuracies, of regressors r2, by algorithm."""

    @property
    def ours(self) -> dict[str, float]:
        """Of the new model: the algorithms that both have."""

    @property
    def theirs(self) -> dict[str, float]:
        """Of the model in production."""


@dataclass(frozen=True)
class Check:
    """One comparison: `value` must be at least `threshold`."""

    name: str
    value: float
    threshold: float
    rounding: float = ROUNDING

    @property
    def passed(self) -> bool:
        """Whether the value reaches the threshold."""
        return self.value >= self.threshold - self.rounding

    def __str__(self) -> str:
        return f"{self.name} {self.value:.4f} {'reaches' if self.passed else 'is below'} {self.threshold:.4f}"


def judge(
    evaluation: Evaluation,
    gate: QualityGate | RegressionGate,
    production: Evaluation | None = None,
    scores: SameRows | None = None,
) -> list[Check]:
    """Return every check of `evaluation`; `production` is the evaluation of what serves now, if known.

    `scores` compares both models on the same rows. An algorithm that production has but the new model lacks
    fails its check: its callers would get errors. So does a model that predicts numbers where production
    predicts classes. Raises EvaluationError if the thresholds are for the other kind of model.
    """
    regression = is_regression(evaluation)
    if regression != ("MinimumR2" in gate):
        kind, keys = _KINDS[regression]
        raise EvaluationError(f"the model is a {kind}: QualityGate in trainingjob.json needs {keys}")
    checks = (_numbers if regression else _classes)(evaluation, gate)
    if production and is_regression(production) != regression:
        return [*checks, Check("predicts the same kind of answer as production", 0.0, 1.0)]
    theirs = {**(production["algorithms"] if production else {}), **(scores.theirs if scores else {})}
    checks += [
        Check(f"{name}: exists as in production", 0.0, 1.0)
        for name in theirs
        if name not in evaluation["algorithms"]
    ]
    if scores:
        measure, drop = ("r2", "MaximumR2Drop") if regression else ("accuracy", "MaximumAccuracyDrop")
        allowed = cast("dict[str, float]", gate)[drop]
        rounding = SERVED_ROUNDING if regression else ROUNDING
        checks += [
            Check(
                f"{name}: {measure} compared with production",
                ours,
                max(0.0, scores.theirs[name] - allowed),
                rounding,
            )
            for name, ours in scores.ours.items()
        ]
    return checks


_KINDS = {
    False: ("classifier", "MinimumAccuracy, MinimumRecall and MaximumAccuracyDrop"),
    True: ("regressor", "MinimumR2 and MaximumR2Drop"),
}


def _numbers(evaluation: Evaluation, thresholds: QualityGate | RegressionGate) -> list[Check]:
    gate = cast("RegressionGate", thresholds)
    scores = regression_scores(evaluation)
    return [Check(f"{name}: r2", one["r2"], gate["MinimumR2"]) for name, one in scores.items()]


def _classes(evaluation: Evaluation, thresholds: QualityGate | RegressionGate) -> list[Check]:
    gate, checks = cast("QualityGate", thresholds), []
    for name, scores in evaluation["algorithms"].items():
        checks.append(Check(f"{name}: accuracy", scores["accuracy"], gate["MinimumAccuracy"]))
        checks += [
            Check(f"{name}: recall of {label}", value, gate["MinimumRecall"])
            for label, value in scores["recall"].items()
        ]
    return checks
