"""The model in production, asked about the rows that the new model was measured on."""

from __future__ import annotations

from dataclasses import dataclass

from .endpoint import Answers, Endpoint, EndpointError
from .evaluation import Evaluation, is_regression
from .held_out import HeldOut, HeldOutError


class NotComparedError(Exception):
    """The two models could not be compared on the same rows; the message says why."""


@dataclass(frozen=True)
class Comparison:
    """What production answers for `held_out`; scores are accuracies, of regressors r2, by algorithm."""

    held_out: HeldOut
    answers: dict[str, Answers]
    ours: dict[str, float]
    """Scores of the new model; of the algorithms that both have."""

    @property
    def rows(self) -> int:
        """How many rows both were asked about."""
        return len(self.held_out.rows)

    @property
    def theirs(self) -> dict[str, float]:
        """Scores of the model in production."""
        return {name: self.held_out.score(answers.labels) for name, answers in self.answers.items()}


def compare(
    endpoint: Endpoint, held_out: HeldOut, evaluation: Evaluation, production: Evaluation | None
) -> Comparison:
    """Ask `endpoint` about the held-out rows of the new model that `evaluation` is about.

    `production` is the evaluation of what the endpoint serves, None if its report is gone. Raises
    NotComparedError.
    """
    try:
        if not held_out.rows:
            raise NotComparedError("there are no held-out rows")
        answers = _answers(endpoint, held_out, evaluation, production)
    except HeldOutError as error:
        raise NotComparedError(f"{endpoint.name} cannot be asked: {error}") from error
    except EndpointError as error:
        raise NotComparedError(str(error)) from error
    ours = {
        name: our_score(name, held_out, evaluation) for name in answers if name in evaluation["algorithms"]
    }
    return Comparison(held_out, answers, ours)


def _answers(
    endpoint: Endpoint, held_out: HeldOut, evaluation: Evaluation, production: Evaluation | None
) -> dict[str, Answers]:
    if production is None:  # nobody knows which algorithms it has: those of the new model that it knows
        found = {}
        for name in evaluation["algorithms"]:
            try:
                found[name] = endpoint.ask(held_out.rows, name)
            except EndpointError as error:
                if not error.refused:
                    raise
                refusal = error
        if not found:
            raise refusal
        return found
    if is_regression(production) != held_out.regression:
        raise HeldOutError("it predicts another kind of answer")
    if (target := production.get("target", held_out.target)) != held_out.target:
        raise HeldOutError(f"it predicts {target}, the new model {held_out.target}")
    rows = held_out.columns(list(production.get("features", {})) or held_out.features)
    return {name: endpoint.ask(rows, name) for name in production["algorithms"]}


def our_score(algorithm: str, held_out: HeldOut, evaluation: Evaluation) -> float:
    """Return the new model's own score on the held-out rows."""
    if algorithm in held_out.predictions:
        return held_out.score(held_out.predictions[algorithm])
    found = evaluation["algorithms"][algorithm]
    return float(found["r2"] if held_out.regression else found["accuracy"])  # type: ignore[typeddict-item]
