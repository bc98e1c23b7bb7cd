"""The executions that wait for their training job, and the rule that wakes the monitor."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from botocore.exceptions import ClientError
from quality_gate import QualityGate, RegressionGate
from serving import serving
from variables import Variables

from .comparison import NotComparedError, compare
from .endpoint import Endpoint
from .evaluation import EvaluationError, Output, read_archive
from .gate import judge
from .held_out import HeldOutError, parse
from .job_log import last_lines
from .registry import JobRecord as RegistryRecord
from .registry import Registry
from .report import Production, Report, ReportDocument, TrainingJob

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_codepipeline.type_defs import PaginatorConfigTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient

logger = logging.getLogger(__name__)

STAGE = "TrainApproval"
ENDED = ("Completed", "Failed", "Stopped")
"""Final values of TrainingJobStatus (SageMaker DescribeTrainingJob)."""
ASKING_SECONDS = 20.0
"""How long PRD may take for all held-out rows; the function itself has a minute."""


@dataclass(frozen=True)
class Settings(Variables):
    """The function's environment variables, as `train-model-pipeline.yml` sets them."""

    bucket: str
    pipeline: str
    training_job_prefix: str
    production_endpoint: str
    monitor_rule: str
    model_package_group: str
    pipeline_arn: str


class JobRecord(RegistryRecord):
    """The part of `training/jobs/<execution id>.json` that the monitor reads; the launcher writes it."""

    QualityGate: QualityGate | RegressionGate


@dataclass(frozen=True)
class Waiting:
    """A waiting approval: its action, its token, and the execution that it holds back."""

    execution_id: str
    action: str
    token: str


@dataclass(frozen=True)
class Monitor:
    """Answers TrainApproval, and keeps the versions in the model registry up to date."""

    settings: Settings
    s3: S3Client
    sagemaker: SageMakerClient
    codepipeline: CodePipelineClient
    events: EventBridgeClient
    logs: CloudWatchLogsClient
    runtime: SageMakerRuntimeClient
    registry: Registry

    def watch(self) -> None:
        """Answer what can be answered, and go to sleep when nothing is left.

        Called for every event and on a schedule. It looks at the current state instead of trusting the
        event, so a lost, repeated or early event changes nothing.
        """
        for waiting in self.waiting():
            self.answer(waiting)
        undecided = self._follow()
        if not undecided and not self.busy():
            self.events.disable_rule(Name=self.settings.monitor_rule)
            # A launcher may have enabled it between the check and the call.
            if self.busy():
                self.events.enable_rule(Name=self.settings.monitor_rule)

    def waiting(self) -> Iterator[Waiting]:
        """Yield waiting approvals. Token and execution id come from one response, so they belong together."""
        state = self.codepipeline.get_pipeline_state(name=self.settings.pipeline)
        for stage in state["stageStates"]:
            held = stage.get("latestExecution", {}).get("pipelineExecutionId")
            if stage["stageName"] != STAGE or not held:
                continue
            for action in stage.get("actionStates", []):
                latest = action.get("latestExecution", {})
                if latest.get("status") == "InProgress" and latest.get("token"):
                    yield Waiting(held, action["actionName"], latest["token"])

    def answer(self, waiting: Waiting) -> None:
        """Approve or reject one approval, unless its training job is still running."""
        job = self._job(waiting.execution_id)
        if job.get("TrainingJobStatus") not in (*ENDED, None):
            return
        text = self._get(f"training/jobs/{waiting.execution_id}.json")
        record: JobRecord | None = json.loads(text) if text is not None else None
        report = self.report(waiting.execution_id, job, record)
        self._write(report)
        logger.info("%s: %s", waiting.execution_id, report.summary)
        self._register(report, record)
        try:
            self.codepipeline.put_approval_result(
                pipelineName=self.settings.pipeline,
                stageName=STAGE,
                actionName=waiting.action,
                token=waiting.token,
                result={"summary": report.summary, "status": "Approved" if report.approved else "Rejected"},
            )
        except ClientError as error:
            if _code(error) not in ("ApprovalAlreadyCompletedException", "InvalidApprovalTokenException"):
                raise
            logger.info("%s already has an answer", waiting.execution_id)

    def _register(self, report: Report, record: JobRecord | None) -> None:
        """Add a version to the registry. The approval does not wait for it: a release matters more."""
        try:
            arn = self.registry.register(report, record or {})
        except Exception:  # whatever it is: without an answer, the pipeline would wait for days
            logger.exception("%s is not in the model registry", report.execution_id)
        else:
            logger.info("%s is %s", report.execution_id, arn or "not in the model registry: no model")

    def _follow(self) -> bool:
        try:
            return self.registry.follow()
        except ClientError:
            logger.exception("the model registry does not follow the approvals")
            return False

    def report(self, execution_id: str, job: TrainingJob, record: JobRecord | None) -> Report:
        """Judge the finished training job `job` of `execution_id`; `job` is `{}` if it never existed.

        `record` is what the launcher wrote about it, None if that is gone.
        """
        name = f"{self.settings.training_job_prefix}{execution_id}"
        trigger = record.get("Trigger", "") if record else ""
        if not job:
            problem = f"there is no training job {name}"
            return Report(execution_id, {"TrainingJobName": name}, problem=problem, trigger=trigger)
        if job["TrainingJobStatus"] != "Completed":
            problem = f"training job {job['TrainingJobStatus'].lower()}: {_why(job)}"
            log = last_lines(self.logs, name)
            return Report(execution_id, job, problem=problem, log=log, trigger=trigger)
        if record is None:
            problem = (
                f"s3://{self.settings.bucket}/training/jobs/{execution_id}.json is gone, "
                "and the quality gate with it"
            )
            return Report(execution_id, job, problem=problem)
        gate = record["QualityGate"]
        try:
            output = self._output(job)
            production = self.production(output)
            known, scores = (production.evaluation, production.comparison) if production else (None, None)
            checks = judge(output.evaluation, gate, known, scores)
        except EvaluationError as error:
            return Report(execution_id, job, gate, problem=str(error), trigger=trigger)
        return Report(execution_id, job, gate, output.evaluation, tuple(checks), production, trigger=trigger)

    def production(self, output: Output) -> Production | None:
        """Return what PRD serves, and how it does on the held-out rows in `output`."""
        endpoint = self.settings.production_endpoint
        execution_id, _ = serving(self.sagemaker, endpoint)
        if execution_id is None:
            return None
        text = self._get(f"training/reports/{execution_id}.json")
        report: ReportDocument | None = json.loads(text) if text is not None else None
        known = report["evaluation"] if report else None
        try:
            held_out = parse(output)
            asked = Endpoint(self.runtime, endpoint, time.monotonic() + ASKING_SECONDS)
            comparison = compare(asked, held_out, output.evaluation, known)
        except (NotComparedError, HeldOutError) as error:
            logger.warning("%s was not compared: %s", endpoint, error)
            return Production(execution_id, known, reason=str(error))
        return Production(execution_id, known, comparison)

    def busy(self) -> bool:
        """Return whether an execution has yet to pass TrainApproval or a training job of the lab runs."""
        return any(self._before_approval(found) for found in self._executions()) or any(self._running())

    def _executions(self) -> Iterator[str]:
        pages = self.codepipeline.get_paginator("list_pipeline_executions")
        newest: PaginatorConfigTypeDef = {
            "MaxItems": 200
        }  # newest first; a pipeline queues at most 50 executions
        for page in pages.paginate(pipelineName=self.settings.pipeline, PaginationConfig=newest):
            for found in page["pipelineExecutionSummaries"]:
                if found["status"] in ("InProgress", "Stopping"):
                    yield found["pipelineExecutionId"]

    def _before_approval(self, execution_id: str) -> bool:
        pages = self.codepipeline.get_paginator("list_action_executions")
        found = pages.paginate(
            pipelineName=self.settings.pipeline, filter={"pipelineExecutionId": execution_id}
        )
        return not any(
            action["stageName"] == STAGE and action["status"] != "InProgress"
            for page in found
            for action in page["actionExecutionDetails"]
        )

    def _running(self) -> Iterator[str]:
        prefix = self.settings.training_job_prefix
        pages = self.sagemaker.get_paginator("list_training_jobs")
        for page in pages.paginate(NameContains=prefix, StatusEquals="InProgress"):
            for job in page["TrainingJobSummaries"]:
                if job["TrainingJobName"].startswith(prefix):  # another lab's name can contain it
                    yield job["TrainingJobName"]

    def _job(self, execution_id: str) -> TrainingJob:
        name = f"{self.settings.training_job_prefix}{execution_id}"
        try:
            found = self.sagemaker.describe_training_job(TrainingJobName=name)
        except ClientError as error:
            if _code(error) in ("ValidationException", "ResourceNotFound"):
                return {}
            raise
        return cast("TrainingJob", found)

    def _output(self, job: TrainingJob) -> Output:
        path = job["OutputDataConfig"]["S3OutputPath"].removeprefix("s3://").rstrip("/")
        bucket, _, prefix = path.partition("/")
        try:
            body = self.s3.get_object(
                Bucket=bucket, Key=f"{prefix}/{job['TrainingJobName']}/output/output.tar.gz"
            )["Body"]
        except ClientError as error:
            if _code(error) in ("NoSuchKey", "404"):
                raise EvaluationError("the training job wrote nothing to /opt/ml/output/data") from error
            raise
        with body:
            return read_archive(body)

    def _write(self, report: Report) -> None:
        key = f"training/reports/{report.execution_id}"
        document = json.dumps(report.document(), indent=1).encode()
        for suffix, body, kind in (
            ("json", document, "application/json"),
            ("md", report.markdown().encode(), "text/markdown; charset=utf-8"),
        ):
            self.s3.put_object(
                Bucket=self.settings.bucket, Key=f"{key}.{suffix}", Body=body, ContentType=kind
            )

    def _get(self, key: str) -> bytes | None:
        """Return an object of the lab's bucket, or None if it does not exist."""
        try:
            return self.s3.get_object(Bucket=self.settings.bucket, Key=key)["Body"].read()
        except ClientError as error:
            if _code(error) == "NoSuchKey":
                return None
            raise


def _code(error: ClientError) -> str:
    return str(error.response["Error"]["Code"])


def _why(job: TrainingJob) -> str:
    """Return why a job did not complete: `SecondaryStatus` says whether it ran out of time."""
    if reason := job.get("FailureReason"):
        return " ".join(reason.partition("Traceback (most recent call last)")[0].split())
    if job.get("SecondaryStatus") in ("MaxRuntimeExceeded", "MaxWaitTimeExceeded"):
        limits = job.get("StoppingCondition") or {}
        seconds = limits.get("MaxRuntimeInSeconds", "?")
        return (
            f"{job['SecondaryStatus']}: it took longer than MaxRuntimeInSeconds, {seconds} s; "
            "raise that limit in trainingjob.json, or train less"
        )
    return "someone stopped it"
