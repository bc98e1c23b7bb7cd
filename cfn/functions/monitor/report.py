"""The report on one execution: the basis for answering TrainApproval and judging DeployApproval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from quality_gate import QualityGate, RegressionGate

from .comparison import Comparison
from .evaluation import Evaluation, is_regression, regression_scores
from .gate import Check

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        AlgorithmSpecificationOutputTypeDef,
        MetricDataTypeDef,
        ModelArtifactsTypeDef,
        OutputDataConfigTypeDef,
        StoppingConditionTypeDef,
    )

MAX_SUMMARY = 512
"""CodePipeline PutApprovalResult: the longest summary."""
MAX_REASON, SHOWN_LINES = 240, 3
"""Characters of a failed job's reason, and lines of its log after it, in the summary."""


class TrainingJob(TypedDict, total=False):
    """What the monitor reads of SageMaker DescribeTrainingJob; empty for a job that never existed."""

    TrainingJobName: str
    TrainingJobStatus: str
    SecondaryStatus: str
    FailureReason: str
    AlgorithmSpecification: AlgorithmSpecificationOutputTypeDef
    OutputDataConfig: OutputDataConfigTypeDef
    StoppingCondition: StoppingConditionTypeDef
    ModelArtifacts: ModelArtifactsTypeDef
    HyperParameters: dict[str, str]
    TrainingStartTime: datetime
    TrainingEndTime: datetime
    BillableTimeInSeconds: int
    FinalMetricDataList: list[MetricDataTypeDef]


class NoGate(TypedDict):
    """Takes the place of the quality gate when none was read because the job failed or its record is gone."""


class CheckDocument(TypedDict):
    """A comparison of the quality gate."""

    name: str
    value: float
    threshold: float
    passed: bool


class JobDocument(TypedDict):
    """A training job; a member is None if SageMaker has not reported it."""

    name: str | None
    status: str | None
    failureReason: str | None
    image: str | None
    modelDataUrl: str | None
    hyperParameters: dict[str, str]
    startTime: str | None
    endTime: str | None
    billableSeconds: int | None
    metrics: dict[str, float]
    logLines: list[str]
    """The last ones, of a job that did not complete."""


class ProductionDocument(TypedDict):
    """What served when the model was judged."""

    pipelineExecutionId: str
    compared: bool
    reason: str
    """Why it was not compared."""
    rows: int
    """Held-out rows that it was asked about."""
    scores: dict[str, float]
    """Its accuracy, of a regressor r2, on these rows, by algorithm."""


class ReportDocument(TypedDict):
    """`training/reports/<execution id>.json`, schema 1."""

    schema: int
    pipelineExecutionId: str
    trigger: str
    """What started the execution, such as `rule iris-train-drift`; empty if that is not known."""
    decision: str
    """`approved` or `rejected`."""
    summary: str
    trainingJob: JobDocument
    qualityGate: QualityGate | RegressionGate | NoGate
    checks: list[CheckDocument]
    production: ProductionDocument | None
    evaluation: Evaluation | None


@dataclass(frozen=True)
class Production:
    """The release that PRD serves now; `evaluation` is None when its report is gone.

    `comparison` is None if it was not asked about the held-out rows; `reason` says why.
    """

    execution_id: str
    evaluation: Evaluation | None
    comparison: Comparison | None = None
    reason: str = ""

    def document(self) -> ProductionDocument:
        """Return what the report says about it."""
        found = self.comparison
        return {
            "pipelineExecutionId": self.execution_id,
            "compared": found is not None,
            "reason": self.reason,
            "rows": found.rows if found else 0,
            "scores": found.theirs if found else {},
        }

    def __str__(self) -> str:
        if self.comparison is None:
            return f"PRD not compared: {self.reason}"
        return f"PRD on the same {self.comparison.rows} rows: {_listed(self.comparison.theirs)}"


@dataclass(frozen=True)
class Report:
    """What is known about the model of one pipeline execution, and the decision.

    `problem` says why there is nothing to compare; empty when there is. `log` is the end of a failed job's.
    """

    execution_id: str
    job: TrainingJob
    gate: QualityGate | RegressionGate | None = None
    evaluation: Evaluation | None = None
    checks: tuple[Check, ...] = ()
    production: Production | None = None
    problem: str = ""
    log: tuple[str, ...] = ()
    trigger: str = ""

    @property
    def approved(self) -> bool:
        """Whether every check passed and none is missing."""
        return not self.problem and bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def decision(self) -> str:
        """`approved` or `rejected`."""
        return "approved" if self.approved else "rejected"

    @property
    def key(self) -> str:
        """Key of the report in the lab's bucket."""
        return f"training/reports/{self.execution_id}.json"

    @property
    def summary(self) -> str:
        """The decision, its reason, the numbers and the report's key, short enough for an approval."""
        end = f"; report: {self.key}"
        return _cut(f"{self.decision}, {self._why()}", MAX_SUMMARY - len(end)) + end

    def _why(self) -> str:
        if self.problem:
            return _cut(self.problem, MAX_REASON if self.log else MAX_SUMMARY) + self._log_end()
        failed = [str(check) for check in self.checks if not check.passed]
        count = len(self.checks)
        if failed and count == 1:
            judged = f"the only check failed: {failed[0]}"
        elif failed:
            judged = f"{len(failed)} of {count} checks failed: " + "; ".join(failed)
        else:
            passed = "the only check passed" if count == 1 else f"all {count} checks passed"
            judged = f"{passed}; {self._scores()}"
        return f"{judged}; {self._compared()}"

    def _log_end(self) -> str:
        """Return the log's last lines that say more than the reason does."""
        more = [line.strip() for line in self.log if line.strip() and line.strip() not in self.problem]
        return f"; last log lines: {' / '.join(more[-SHOWN_LINES:])}" if more else ""

    def _scores(self) -> str:
        if self.evaluation is None:
            return "no scores"
        if is_regression(self.evaluation):
            numbers = regression_scores(self.evaluation)
            return "r2: " + _listed({name: one["r2"] for name, one in numbers.items()})
        scores = self.evaluation["algorithms"]
        return "accuracy: " + _listed({name: one["accuracy"] for name, one in scores.items()})

    def _compared(self) -> str:
        return "nothing in production yet" if self.production is None else str(self.production)

    def document(self) -> ReportDocument:
        """Return the report as a JSON document."""
        job = self.job
        return {
            "schema": 1,
            "pipelineExecutionId": self.execution_id,
            "trigger": self.trigger,
            "decision": self.decision,
            "summary": self.summary,
            "trainingJob": {
                "name": job.get("TrainingJobName"),
                "status": job.get("TrainingJobStatus"),
                "failureReason": job.get("FailureReason"),
                "image": job["AlgorithmSpecification"].get("TrainingImage")
                if "AlgorithmSpecification" in job
                else None,
                "modelDataUrl": job.get("ModelArtifacts", {}).get("S3ModelArtifacts"),
                "hyperParameters": job.get("HyperParameters", {}),
                "startTime": _time(job.get("TrainingStartTime")),
                "endTime": _time(job.get("TrainingEndTime")),
                "billableSeconds": job.get("BillableTimeInSeconds"),
                "metrics": {m["MetricName"]: m["Value"] for m in job.get("FinalMetricDataList", [])},
                "logLines": list(self.log),
            },
            "qualityGate": self.gate or {},
            "checks": [
                {"name": c.name, "value": c.value, "threshold": c.threshold, "passed": c.passed}
                for c in self.checks
            ],
            "production": self.production.document() if self.production else None,
            "evaluation": self.evaluation,
        }

    def markdown(self) -> str:
        """Return the report for people."""
        job = self.document()["trainingJob"]
        parameters = ", ".join(f"{name}={value}" for name, value in job["hyperParameters"].items())
        lines = [
            f"# Model of execution {self.execution_id}",
            "",
            f"**{self.decision.capitalize()}**: {self._why()}",
            "",
            f"- started by: {self.trigger or 'not known'}",
            f"- training job: {job['name']} ({job['status']}, {job['billableSeconds'] or 0} s billed)",
            f"- image: {job['image']}",
            f"- model: {job['modelDataUrl']}",
            f"- hyperparameters: {parameters or 'none'}",
            f"- production: {self._compared()}",
        ]
        if reason := job["failureReason"]:
            lines += ["", "Why the job failed:", "", *(f"    {line}" for line in reason.splitlines())]
        if self.log:
            lines += ["", "The end of its log:", "", *(f"    {line}" for line in self.log)]
        if self.checks:
            lines += ["", "| check | value | at least | |", "|---|---|---|---|"]
            lines += [
                f"| {c.name} | {c.value:.4f} | {c.threshold:.4f} | {'passed' if c.passed else '**failed**'} |"
                for c in self.checks
            ]
        if self.evaluation and is_regression(self.evaluation):
            lines += ["", "| algorithm | mean absolute error | root mean squared error |", "|---|---|---|"]
            lines += [
                f"| {name} | {one['mean_absolute_error']:.6g} | {one['root_mean_squared_error']:.6g} |"
                for name, one in regression_scores(self.evaluation).items()
            ]
        for name, scores in (self.evaluation["algorithms"] if self.evaluation else {}).items():
            if matrix := scores.get("confusion_matrix"):
                classes = self.evaluation.get("classes", []) if self.evaluation else []
                lines += [
                    "",
                    f"Confusion matrix of {name} (rows: true class; {', '.join(map(str, classes))})",
                    "",
                ]
                lines += ["    " + " ".join(f"{count:>4}" for count in row) for row in matrix]
        return "\n".join(lines) + "\n"


def _listed(scores: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4f}" for name, value in scores.items())


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 3] + "..."


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
