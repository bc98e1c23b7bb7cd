"""The report on one execution: the basis for answering TrainApproval and judging DeployApproval."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from .evaluation import Evaluation, is_regression, regression_scores
from .gate import Check, QualityGate, RegressionGate

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


class ProductionDocument(TypedDict):
    """What served when the model was judged."""

    pipelineExecutionId: str
    compared: bool


class ReportDocument(TypedDict):
    """`training/reports/<execution id>.json`, schema 1."""

    schema: int
    pipelineExecutionId: str
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
    """The release that PRD serves now; `evaluation` is None when its report is gone."""

    execution_id: str
    evaluation: Evaluation | None

    def document(self) -> ProductionDocument:
        """Return what the report says about it."""
        return {"pipelineExecutionId": self.execution_id, "compared": self.evaluation is not None}


@dataclass(frozen=True)
class Report:
    """What is known about the model of one pipeline execution, and the decision.

    `problem` says why there is nothing to compare; empty when there is.
    """

    execution_id: str
    job: TrainingJob
    gate: QualityGate | RegressionGate | None = None
    evaluation: Evaluation | None = None
    checks: tuple[Check, ...] = ()
    production: Production | None = None
    problem: str = ""

    @property
    def approved(self) -> bool:
        """Whether every check passed and none is missing."""
        return not self.problem and bool(self.checks) and all(check.passed for check in self.checks)

    @property
    def summary(self) -> str:
        """The decision and its reason, short enough for an approval."""
        if self.problem:
            text = self.problem
        elif failed := [str(check) for check in self.checks if not check.passed]:
            text = f"{len(failed)} of {len(self.checks)} checks failed: " + "; ".join(failed)
        else:
            text = f"all {len(self.checks)} checks passed, {self._scores()}; {self._compared()}"
        return text if len(text) <= MAX_SUMMARY else text[: MAX_SUMMARY - 3] + "..."

    def _scores(self) -> str:
        if self.evaluation is None:
            return "no scores"
        if is_regression(self.evaluation):
            numbers = regression_scores(self.evaluation)
            return "r2: " + ", ".join(f"{name} {one['r2']:.4f}" for name, one in numbers.items())
        scores = self.evaluation["algorithms"]
        return "accuracy: " + ", ".join(f"{name} {one['accuracy']:.4f}" for name, one in scores.items())

    def _compared(self) -> str:
        if self.production is None:
            return "nothing in production yet"
        if self.production.evaluation is None:
            return f"not compared with production: the report of {self.production.execution_id} is gone"
        return f"compared with production ({self.production.execution_id})"

    def document(self) -> ReportDocument:
        """Return the report as a JSON document."""
        job = self.job
        return {
            "schema": 1,
            "pipelineExecutionId": self.execution_id,
            "decision": "approved" if self.approved else "rejected",
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
            f"**{'Approved' if self.approved else 'Rejected'}**: {self.summary}",
            "",
            f"- training job: {job['name']} ({job['status']}, {job['billableSeconds'] or 0} s billed)",
            f"- image: {job['image']}",
            f"- model: {job['modelDataUrl']}",
            f"- hyperparameters: {parameters or 'none'}",
            f"- production: {self._compared()}",
        ]
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


def _time(value: datetime | None) -> str | None:
    return value.isoformat() if value else None
