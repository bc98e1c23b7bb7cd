"""What was found about the model that DEV serves: checks that decide, and numbers for a person."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypedDict

from monitor.held_out import Cell, Label

MAX_SUMMARY = 400
"""The pipeline shows it inside CustomData of DeployApproval, which has at most 1,000 characters."""
MAX_DIFFERENCES = 100
"""Rows in the table of differences: more say no more."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried, whether it went as it has to, and what was seen."""

    name: str
    passed: bool
    said: str


class Interval(TypedDict):
    """A rate with its 95 % interval, from 0 to 1."""

    rate: float
    low: float
    high: float
    rows: int


class BinDocument(TypedDict):
    """Predictions of about the same probability: the mean probability, and the share that was right."""

    low: float
    high: float
    count: int
    confidence: float
    right: float


class Measured(TypedDict, total=False):
    """One algorithm of one endpoint on the held-out rows; a regressor has the last three members."""

    accuracy: float
    recall: dict[str, Interval]
    confusionMatrix: list[list[int]]
    calibration: list[BinDocument]
    r2: float
    meanAbsoluteError: float
    predictions: list[float]


class Latency(TypedDict):
    """Requests for one row, one after the other, as the function saw them; times in milliseconds."""

    requests: int
    errors: int
    p50: float
    p95: float
    p99: float
    milliseconds: list[float]


class Difference(TypedDict):
    """A held-out row that DEV and PRD answer differently; `right` is `DEV`, `PRD`, or `neither`."""

    algorithm: str
    row: int
    features: dict[str, Cell]
    truth: Label
    dev: Label
    prd: Label
    right: str


class ProductionDocument(TypedDict):
    """What PRD serves, and how it does on the same rows; `reason` says why it was not asked."""

    pipelineExecutionId: str
    compared: bool
    reason: str
    algorithms: dict[str, Measured]
    differing: dict[str, int]
    """Rows that both answer differently, by algorithm."""


class FindingsDocument(TypedDict):
    """`training/reports/<execution id>-dev.json`, schema 1."""

    schema: int
    pipelineExecutionId: str
    endpoint: str
    tested: bool
    passed: bool
    summary: str
    task: str
    target: str
    classes: list[str]
    rows: int
    truth: list[float]
    """Of a regressor: the right numbers."""
    checks: list[dict[str, object]]
    algorithms: dict[str, Measured]
    latency: dict[str, Latency]
    production: ProductionDocument | None
    differences: list[Difference]


@dataclass
class Findings:
    """Everything about one execution; `problem` says why nothing was tested."""

    execution_id: str
    endpoint: str
    task: str = "classification"
    target: str = ""
    classes: list[str] = field(default_factory=list)
    rows: int = 0
    truth: list[float] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    algorithms: dict[str, Measured] = field(default_factory=dict)
    latency: dict[str, Latency] = field(default_factory=dict)
    production: ProductionDocument | None = None
    differences: list[Difference] = field(default_factory=list)
    problem: str = ""

    @property
    def passed(self) -> bool:
        """Whether no check failed: what could not be tested is for a person to judge."""
        return all(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        """What was found, in at most `MAX_SUMMARY` characters."""
        if failed := [check for check in self.checks if not check.passed]:
            text = f"{len(failed)} of {len(self.checks)} tests of DEV failed: "
            text += "; ".join(f"{check.name}: {check.said}" for check in failed)
        elif self.problem:
            text = f"DEV was not tested: {self.problem}"
        else:
            first = next(iter(self.latency.values()), None)
            slow = f"; p95 {first['p95']:.0f} ms" if first else ""
            text = f"DEV passed all {len(self.checks)} tests; {self._scores()}{slow}; {self._production()}"
        return text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 3] + "..."

    def _scores(self) -> str:
        measure = "r2" if self.task == "regression" else "accuracy"
        return f"{measure} on {self.rows} rows: {listed(self.scores())}"

    def scores(self) -> dict[str, float]:
        """Return the accuracy of each algorithm, of a regressor r2."""
        return {name: score(one) for name, one in self.algorithms.items()}

    def _production(self) -> str:
        found = self.production
        if found is None:
            return "nothing in production yet"
        if not found["compared"]:
            return f"PRD not compared: {found['reason']}"
        scores = {name: score(one) for name, one in found["algorithms"].items()}
        count = sum(found["differing"].values())
        differ = "1 answer differs" if count == 1 else f"{count} answers differ"
        return f"PRD on the same rows: {listed(scores)}, {differ}"

    def variables(self) -> dict[str, str]:
        """Return the numbers as output variables of the action; their names have letters only."""
        first = next(iter(self.latency.values()), None)
        found = {"Passed": str(sum(check.passed for check in self.checks)), "Tests": str(len(self.checks))}
        if self.algorithms:
            found["Score"] = f"{next(iter(self.scores().values())):.4f}"
        if first:
            found |= {"LatencyP50": f"{first['p50']:.1f}", "LatencyP95": f"{first['p95']:.1f}"}
        return found

    def document(self) -> FindingsDocument:
        """Return the findings as a JSON document."""
        return {
            "schema": 1,
            "pipelineExecutionId": self.execution_id,
            "endpoint": self.endpoint,
            "tested": not self.problem,
            "passed": self.passed,
            "summary": self.summary,
            "task": self.task,
            "target": self.target,
            "classes": self.classes,
            "rows": self.rows,
            "truth": self.truth,
            "checks": [{"name": c.name, "passed": c.passed, "said": c.said} for c in self.checks],
            "algorithms": self.algorithms,
            "latency": self.latency,
            "production": self.production,
            "differences": self.differences[:MAX_DIFFERENCES],
        }


def score(one: Measured) -> float:
    """Return the accuracy, of a regressor r2."""
    return one["accuracy"] if "accuracy" in one else one["r2"]


def listed(scores: dict[str, float]) -> str:
    """Return scores by algorithm as text."""
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())
