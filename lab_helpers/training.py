"""A training job: its progress, its measurements, and the report on which its approval is based."""

from __future__ import annotations

import io
import json
import re
import tarfile
from dataclasses import dataclass
from datetime import datetime
from typing import NotRequired, TypedDict

from lab_helpers import keys
from lab_helpers.builds import stream_lines
from lab_helpers.causes import shortened
from lab_helpers.display import Table, Tabular, duration
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
"""Log group of every training job; a stream's name begins with the job's (SageMaker Developer Guide,
"CloudWatch Logs for Amazon SageMaker AI")."""


class EvaluationMissing(WorkshopError, LookupError):  # noqa: N818
    """A training job has left no evaluation."""


class ReportMissing(WorkshopError, LookupError):  # noqa: N818
    """The monitor has not written a report on this execution."""


class Scores(TypedDict):
    """How well one algorithm did on the test rows; rates from 0 to 1, by class if there are several."""

    accuracy: float
    recall: dict[str, float]
    precision: NotRequired[dict[str, float]]
    confusion_matrix: list[list[int]]
    """Rows are the true classes, columns the predicted ones, in the order of `Evaluation.classes`."""
    r2: NotRequired[float]
    """Of a model that predicts numbers, which has none of the above: the share of the variance explained."""
    mean_absolute_error: NotRequired[float]
    root_mean_squared_error: NotRequired[float]
    """Both errors have the target's unit."""


class Evaluation(TypedDict):
    """`evaluation.json`: what the training container measured on rows that training didn't see."""

    task: NotRequired[str]
    """`classification` or `regression`."""
    algorithms: dict[str, Scores]
    classes: list[str]
    """Empty for a model that predicts numbers."""
    target: NotRequired[str]
    """The column to predict; images of earlier versions do not say it."""
    features: NotRequired[dict[str, str]]
    """The other columns in order, and what stands in each: `number` or `text`, with ` or nothing`."""
    rows: dict[str, int]
    """Number of rows in `training` and `test`."""
    digests: NotRequired[dict[str, str]]
    """Digests of `data`, `code` and `model`, to check that a training run can be repeated."""
    hyperparameters: NotRequired[dict[str, object]]


class QualityGate(TypedDict, total=False):
    """Thresholds from `trainingjob.json`, each from 0 to 1: three of a classifier or two of a regressor."""

    MinimumAccuracy: float
    MinimumRecall: float
    MaximumAccuracyDrop: float
    MinimumR2: float
    MaximumR2Drop: float


class Check(TypedDict):
    """One comparison of the quality gate: `value` must reach `threshold`."""

    name: str
    value: float
    threshold: float
    passed: bool


class Production(TypedDict):
    """The release that served when a model was judged, asked about the same rows."""

    pipelineExecutionId: str
    scores: dict[str, float]
    """Its accuracy, of a regressor r2, by algorithm; empty if it was not asked."""


class Report(TypedDict):
    """The monitor's report on an execution, schema 1 (`ReportDocument` in `cfn/functions/monitor/report.py`).

    If training failed, `qualityGate` and `checks` are empty and `evaluation` is None.
    """

    pipelineExecutionId: str
    trigger: NotRequired[str]
    """What started the execution, such as `rule iris-train-labels`."""
    decision: str
    """`approved` or `rejected`."""
    summary: str
    qualityGate: QualityGate
    checks: list[Check]
    production: NotRequired[Production | None]
    """None before the first release."""
    evaluation: Evaluation


def compared(report: Report, name: str) -> Table:
    """Return the scores of a judged model, called `name`, beside those of PRD on the same rows.

    Raises ReportMissing if PRD was not asked.
    """
    production, evaluation = report.get("production"), report["evaluation"]
    if not production or not production["scores"]:
        raise ReportMissing("the report has no scores of PRD: nothing was released, or it could not be asked")
    rows = [
        [one, f"{measured(evaluation, one):.3f}", f"{there:.3f}"]
        for one, there in production["scores"].items()
    ]
    return Table(["algorithm", name, "PRD, same rows"], rows)


def measured(evaluation: Evaluation, algorithm: str) -> float:
    """Return the accuracy that training measured on rows that it held out, of a regressor r2."""
    found = evaluation["algorithms"][algorithm]
    return found["accuracy"] if evaluation["classes"] else found.get("r2", 0.0)


@dataclass(frozen=True, repr=False)
class Job(Tabular):
    """A training job from SageMaker DescribeTrainingJob; `metrics` are the final values by name."""

    name: str
    status: str
    failure: str
    image: str
    instance: str
    hyperparameters: dict[str, str]
    data: str
    """S3 URI of the channel `training`: a prefix, or one object."""
    seconds: float | None
    billable_seconds: int
    metrics: dict[str, float]
    transitions: tuple[tuple[str, str], ...]
    model_data: str
    output: str
    created: datetime
    """When CreateTrainingJob was called: its data is what was there then."""

    @property
    def reason(self) -> str:
        """The line of the FailureReason that says why, without the traceback that may follow it."""
        said = [line for line in self.failure.splitlines() if line.strip(" ,:")]
        return shortened(said[0].strip()) if said else ""

    def table(self) -> Table:
        """Show the job's main facts."""
        rows = [
            ["status", self.status],
            ["image", self.image],
            ["instance", self.instance],
            ["hyperparameters", ", ".join(f"{k}={v}" for k, v in self.hyperparameters.items())],
            ["training time", f"{duration(self.seconds)} ({self.billable_seconds} s billed)"],
            *([f"metric {name}", f"{value:.4f}"] for name, value in self.metrics.items()),
            ["model", self.model_data],
        ]
        if self.failure:
            rows.insert(1, ["failure", self.reason])
        return Table(["training job", self.name], rows)


def state(lab: Lab, job: str) -> str:
    """Return what a training job is doing, such as `Downloading` (DescribeTrainingJob, SecondaryStatus)."""
    found = lab.client("sagemaker").describe_training_job(TrainingJobName=job)
    return found["SecondaryStatus"]


def describe(lab: Lab, job: str) -> Job:
    """Return a training job; raises botocore's ClientError (ValidationException) if there is none."""
    found = lab.client("sagemaker").describe_training_job(TrainingJobName=job)
    began, ended = found.get("TrainingStartTime"), found.get("TrainingEndTime")
    resources = found["ResourceConfig"]
    return Job(
        name=job,
        status=found["TrainingJobStatus"],
        failure=found.get("FailureReason", ""),
        image=found["AlgorithmSpecification"]["TrainingImage"],
        instance=f"{resources.get('InstanceCount', 1)} x {resources.get('InstanceType', '')}",
        hyperparameters=found.get("HyperParameters", {}),
        data=next(
            (
                channel["DataSource"].get("S3DataSource", {}).get("S3Uri", "")
                for channel in found.get("InputDataConfig", [])
                if channel["ChannelName"] == "training"
            ),
            "",
        ),
        seconds=(ended - began).total_seconds() if began and ended else None,
        billable_seconds=found.get("BillableTimeInSeconds", 0),
        metrics={m["MetricName"]: m["Value"] for m in found.get("FinalMetricDataList", [])},
        transitions=tuple(
            (t["Status"], t.get("StatusMessage", "")) for t in found.get("SecondaryStatusTransitions", [])
        ),
        model_data=found.get("ModelArtifacts", {}).get("S3ModelArtifacts", ""),
        output=found["OutputDataConfig"]["S3OutputPath"],
        created=found["CreationTime"],
    )


def log_lines(lab: Lab, job: str, count: int = 40) -> list[str]:
    """Return the last `count` lines that the job's first container logged."""
    logs = lab.client("logs")
    try:
        streams = logs.describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=f"{job}/")
    except logs.exceptions.ResourceNotFoundException:
        return []
    return [
        line
        for stream in streams["logStreams"][:1]
        for line in stream_lines(lab, LOG_GROUP, stream["logStreamName"], count)
    ]


def evaluation(lab: Lab, job: Job) -> Evaluation:
    """Return the `evaluation.json` that the training container left in `output.tar.gz`.

    The archive holds what the container wrote to `/opt/ml/output/data` (SageMaker Developer Guide, "How
    Amazon SageMaker AI processes training output").
    """
    content = output(lab, job, "evaluation.json")
    if content is None:
        raise EvaluationMissing(
            f"training job {job.name} left no evaluation.json in its output: "
            "the program must write it to /opt/ml/output/data"
        )
    found: Evaluation = json.loads(content)
    return found


def output(lab: Lab, job: Job, name: str) -> bytes | None:
    """Return a file that the training container left in `output.tar.gz`, or None if it left none."""
    archive = read(lab, f"{job.output.rstrip('/')}/{job.name}/output/output.tar.gz")
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        member = next((one for one in tar.getmembers() if one.name.lstrip("./") == name), None)
        content = tar.extractfile(member) if member else None
        return content.read() if content else None


def report(lab: Lab, execution_id: str) -> Report:
    """Return the quality report that the monitor wrote for a pipeline execution; raises ReportMissing."""
    key = keys.report(execution_id)
    try:
        found: Report = json.loads(read(lab, f"s3://{lab.bucket}/{key}"))
    except lab.client("s3").exceptions.NoSuchKey as error:
        raise ReportMissing(
            f"there is no report on execution {execution_id}: the monitor writes it when the training job "
            "has ended.\n  What to do: follow the execution (notebook 03) until TrainApproval is answered."
        ) from error
    return found


def thresholds(report: Report) -> dict[str, float]:
    """Return what the scores have to reach by its name in words, such as `minimum accuracy`."""
    return {
        re.sub("(?<!^)(?=[A-Z])", " ", name).lower(): float(str(value))
        for name, value in report["qualityGate"].items()
        if name.startswith("Minimum")
    }


def read(lab: Lab, uri: str) -> bytes:
    """Return the bytes of `s3://bucket/key`."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return lab.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
