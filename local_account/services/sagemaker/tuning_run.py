"""One hyperparameter tuning job: which training jobs it launches, when, and what comes of it.

All that it knows is in its document and in its training jobs, so it can go on after the account was stopped.
"""

from __future__ import annotations

import logging
import random
import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Unpack, cast

from local_account.foundation.errors import Params, ServiceError
from local_account.services.sagemaker.jobs import ENDED, REASON_LENGTH, JobKind, move
from local_account.services.sagemaker.records import (
    EndedJob,
    TrainingJobResults,
    TunedJob,
    TuningJob,
    TuningJobChanges,
)
from local_account.services.sagemaker.resources import INTERNAL_ERROR, Resources, public
from local_account.services.sagemaker.search_space import SearchSpace

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import HyperParameterTuningJobStatusType
    from mypy_boto3_sagemaker.type_defs import TagTypeDef

log = logging.getLogger(__name__)

OBJECTIVE = "_tuning_objective_metric"
"""The hyperparameter in which a training job is told the objective metric."""
_ATTEMPTS = 5
_PAUSE = 1.0
_NOT_IMPROVING = 0.01


KIND = JobKind(
    "tuning_jobs",
    "HyperParameterTuningJob",
    "SageMaker HyperParameter Tuning Job State Change",
    details=lambda resources, job: counters(resources, cast("TuningJob", job)),
)


def record(
    resources: Resources,
    name: str,
    status: HyperParameterTuningJobStatusType,
    **changes: Unpack[TuningJobChanges],
) -> None:
    """Move a job to a status, change other members, and notify EventBridge, as ``jobs.move`` does."""
    move(resources, KIND, name, status, changes)


def training_request(
    job: TuningJob, name: str, tuned: Mapping[str, str], tags: Sequence[TagTypeDef]
) -> dict[str, Any]:
    """Return the CreateTrainingJob request for a point."""
    definition: Mapping[str, Any] = job["TrainingJobDefinition"]
    request = {
        key: value
        for key, value in definition.items()
        if key not in ("DefinitionName", "StaticHyperParameters", "RetryStrategy")
    }
    return {
        **request,
        "TrainingJobName": name,
        "HyperParameters": {**definition["StaticHyperParameters"], **tuned},
        "Tags": list(tags),
    }


# --- what comes of the training jobs


def objective(job: TuningJob, ended: Mapping[str, Any]) -> float | None:
    """Return the final value of the objective metric of a training job, if it has printed one."""
    wanted = job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]["MetricName"]
    for one in ended.get("FinalMetricDataList", []):
        if one["MetricName"] == wanted:
            return float(one["Value"])
    return None


def _current(resources: Resources, one: TunedJob) -> Mapping[str, Any] | None:
    if "ended" in one:
        return one["ended"]
    return resources.table("training_jobs").get(one["name"])


def summaries(resources: Resources, job: TuningJob) -> list[dict[str, Any]]:
    """Return HyperParameterTrainingJobSummary of each training job, in the order of their launch."""
    goal = job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    found = []
    for one in job["jobs"]:
        training = _current(resources, one)
        if training is None:
            continue
        status = training["TrainingJobStatus"]
        summary: dict[str, Any] = {
            "TrainingJobName": one["name"],
            "TrainingJobArn": resources.resource_arn("training-job", one["name"]),
            "CreationTime": training["CreationTime"],
            "TrainingStartTime": training.get("TrainingStartTime"),
            "TrainingEndTime": training.get("TrainingEndTime"),
            "TrainingJobStatus": status,
            "TunedHyperParameters": one["tuned"],
            "FailureReason": training.get("FailureReason"),
            "ObjectiveStatus": "Pending",
        }
        if status in ENDED:
            value = objective(job, training)
            summary["ObjectiveStatus"] = (
                "Succeeded" if status == "Completed" and value is not None else "Failed"
            )
            if value is not None:
                summary["FinalObjectiveMetricValue"] = value
                summary["FinalHyperParameterTuningJobObjectiveMetric"] = {
                    "Type": goal["Type"],
                    "MetricName": goal["MetricName"],
                    "Value": value,
                }
        found.append(summary)
    return found


def best(resources: Resources, job: TuningJob) -> dict[str, Any] | None:
    """Return the summary of the training job with the best objective metric so far."""
    done = [one for one in summaries(resources, job) if one["ObjectiveStatus"] == "Succeeded"]
    if not done:
        return None
    found = max(done, key=lambda one: _sign(job) * one["FinalObjectiveMetricValue"])
    return as_listed(found)


def as_listed(summary: Mapping[str, Any]) -> Params:
    """Return a summary as the API has it: the value to sort by is not a member of it."""
    return public({key: value for key, value in summary.items() if key != "FinalObjectiveMetricValue"})


def counters(resources: Resources, job: TuningJob) -> Params:
    """Return the counters, details and resources of the Describe response."""
    found = summaries(resources, job)

    def count(*statuses: str) -> int:
        return sum(one["TrainingJobStatus"] in statuses for one in found)

    failed = [one for one in found if one["TrainingJobStatus"] == "Failed"]
    retryable = sum(_is_internal(one) for one in failed)
    states = [one["ObjectiveStatus"] for one in found]
    end = job.get("HyperParameterTuningEndTime") or resources.account.now()
    return {
        "TrainingJobStatusCounters": {
            "Completed": count("Completed"),
            "InProgress": count("InProgress", "Stopping"),
            "RetryableError": retryable,
            "NonRetryableError": len(failed) - retryable,
            "Stopped": count("Stopped"),
        },
        "ObjectiveStatusCounters": {
            state: states.count(state) for state in ("Succeeded", "Pending", "Failed")
        },
        "TuningJobCompletionDetails": {
            "NumberOfTrainingJobsObjectiveNotImproving": _not_improving(job, found)
        },
        "ConsumedResources": {"RuntimeInSeconds": round((end - job["CreationTime"]).total_seconds())},
    }


def _not_improving(job: TuningJob, found: Sequence[Mapping[str, Any]]) -> int:
    """Return how many jobs in a row, up to the last one, were not 1 % better than the best before them."""
    top: float | None = None
    count = 0
    for one in found:
        if one["ObjectiveStatus"] != "Succeeded":
            continue
        value = _sign(job) * one["FinalObjectiveMetricValue"]
        if top is None or value > top + abs(top) * _NOT_IMPROVING:
            count = 0
        else:
            count += 1
        top = value if top is None else max(top, value)
    return count


def _sign(job: TuningJob) -> int:
    goal = job["HyperParameterTuningJobConfig"]["HyperParameterTuningJobObjective"]
    return 1 if goal["Type"] == "Maximize" else -1


def _is_internal(training: Mapping[str, Any]) -> bool:
    return str(training.get("FailureReason") or "").startswith("InternalServerError")


class TuningRun:
    """Carries out one tuning job; ``changed`` is set when one of its training jobs has ended."""

    def __init__(
        self,
        resources: Resources,
        name: str,
        changed: threading.Event,
        launch: Callable[[Mapping[str, Any], str], None],
        stop: Callable[[str], None],
    ) -> None:
        self._resources = resources
        self._account = resources.account
        self._table = resources.table("tuning_jobs")
        self._name = name
        self._changed = changed
        self._launch = launch
        self._stop = stop
        job = self._table.require(name)
        self._config: Mapping[str, Any] = job["HyperParameterTuningJobConfig"]
        self._space = SearchSpace(self._config["ParameterRanges"])

    def run(self) -> None:
        """Go on until the job has ended, or the account stops."""
        stopping = self._account.tasks.stopping
        while not stopping.is_set():
            try:
                if self._step():
                    return
            except Exception:
                if stopping.is_set():
                    return
                log.exception("tuning job %s", self._name)
                self._end("Failed", INTERNAL_ERROR)
                return
            self._changed.wait(_PAUSE)
            self._changed.clear()

    def _step(self) -> bool:
        """Look at the training jobs and do what is to be done; return whether the job has ended."""
        job = self._collect()
        running = [one for one in job["jobs"] if "ended" not in one]
        end = self._ending(job)
        status: HyperParameterTuningJobStatusType
        reason: str | None
        if end is None:
            failure = self._fill(job, running)
            if failure is None:
                return False
            status, reason = "Failed", failure
        else:
            status, reason = end
        if status != "Completed" or self._completed_early(job):
            for one in running:
                self._stop_one(one)
        if running:
            return False
        self._end(status, reason)
        return True

    def _collect(self) -> TuningJob:
        """Note which training jobs have ended; return the job."""
        with self._table.update(self._name) as job:
            for one in job["jobs"]:
                if "ended" not in one and one["launched"]:
                    ended = self._ended(one["name"])
                    if ended is not None:
                        one["ended"] = ended
        return job

    def _ended(self, name: str) -> EndedJob | None:
        training: Any = self._resources.table("training_jobs").get(name)
        if training is None:  # deleted in the meantime
            return {"CreationTime": self._account.now(), "TrainingJobStatus": "Stopped"}
        if training["TrainingJobStatus"] not in ENDED:
            return None
        kept = (*TrainingJobResults.__annotations__, *EndedJob.__annotations__)
        return cast("EndedJob", {key: training[key] for key in kept if key in training})

    def _ending(self, job: TuningJob) -> tuple[HyperParameterTuningJobStatusType, str | None] | None:
        """Return how the job ends, if nothing more is to be launched."""
        if job["HyperParameterTuningJobStatus"] == "Stopping":
            return "Stopped", None
        if reason := self._failure(job):
            return "Failed", reason
        if self._completed_early(job):
            return "Completed", None
        limit = self._config["ResourceLimits"].get("MaxRuntimeInSeconds")
        if limit and (self._account.now() - job["CreationTime"]).total_seconds() > limit:
            return "Stopped", None
        if len(self._counted(job)) >= job["maximum"]:
            return "Completed", None
        return None

    def _failure(self, job: TuningJob) -> str | None:
        ended = [one["ended"] for one in self._counted(job) if "ended" in one]
        attempts = min(_ATTEMPTS, job["maximum"])
        if len(ended) < attempts:
            return None
        completed = [one for one in ended if one["TrainingJobStatus"] == "Completed"]
        if not completed and all(one["TrainingJobStatus"] == "Failed" for one in ended):
            return (
                f"No training job succeeded after {len(ended)} attempts. Please take a look at the training "
                "job failures to get more details."
            )
        if completed and all(objective(job, one) is None for one in completed):
            return (
                f"No objective metrics found after running {len(ended)} training jobs. Please ensure that "
                "the custom algorithm is emitting the objective metric as defined by the regular expression "
                "provided."
            )
        return None

    def _completed_early(self, job: TuningJob) -> bool:
        criteria = self._config.get("TuningJobCompletionCriteria", {})
        values = [objective(job, one["ended"]) for one in job["jobs"] if "ended" in one]
        found = [_sign(job) * one for one in values if one is not None]
        target = criteria.get("TargetObjectiveMetricValue")
        if target is not None and found and max(found) >= _sign(job) * target:
            return True
        patience = criteria.get("BestObjectiveNotImproving", {}).get("MaxNumberOfTrainingJobsNotImproving")
        return bool(patience and _not_improving(job, summaries(self._resources, job)) >= patience)

    # --- launching

    def _counted(self, job: TuningJob) -> list[TunedJob]:
        """Return the training jobs that count: a point is tried once more after an internal error."""
        return [one for index, one in enumerate(job["jobs"]) if not self._is_repeated(job, index)]

    def _is_repeated(self, job: TuningJob, index: int) -> bool:
        one = job["jobs"][index]
        earlier = [other for other in job["jobs"][:index] if other["tuned"] == one["tuned"]]
        return "ended" in one and _is_internal(one["ended"]) and not earlier

    def _fill(self, job: TuningJob, running: Sequence[TunedJob]) -> str | None:
        """Launch what there is room for; return why the job fails, or None."""
        room = self._config["ResourceLimits"]["MaxParallelTrainingJobs"] - len(running)
        room = min(room, job["maximum"] - len(self._counted(job)))
        for _ in range(room):
            with self._table.update(self._name) as noted:
                number = len(noted["jobs"]) + 1
                name = f"{self._name}-{number:03d}-{secrets.token_hex(4)}"
                noted["jobs"].append({"name": name, "tuned": self._next(noted), "launched": False})
        for one in self._table.require(self._name)["jobs"]:
            if not one["launched"]:
                try:
                    self._launch_one(one)
                except ServiceError as error:
                    if error.code == "ResourceLimitExceeded":
                        break  # others use the instances: later
                    self._forget(one)
                    return f"ClientError: {error.message}"
        return None

    def _forget(self, one: TunedJob) -> None:
        with self._table.update(self._name) as job:
            job["jobs"] = [other for other in job["jobs"] if other["name"] != one["name"]]

    def _launch_one(self, one: TunedJob) -> None:
        job = self._table.require(self._name)
        arn = job["HyperParameterTuningJobArn"]
        tags = self._resources.table("tags").get(arn) or {}
        request = training_request(
            job, one["name"], one["tuned"], [{"Key": key, "Value": value} for key, value in tags.items()]
        )
        try:
            self._launch(request, arn)
        except ServiceError as error:
            if error.code != "ResourceInUse":  # it was launched, and then the account was killed
                raise
        with self._table.update(self._name) as job:
            for other in job["jobs"]:
                if other["name"] == one["name"]:
                    other["launched"] = True

    def _next(self, job: TuningJob) -> dict[str, str]:
        """Choose the next point: one that is to be repeated, or a new one."""
        for index, one in enumerate(job["jobs"]):
            if self._is_repeated(job, index) and not any(
                other["tuned"] == one["tuned"] for other in job["jobs"][index + 1 :]
            ):
                return one["tuned"]
        known = [one["tuned"] for one in job["jobs"]]
        if self._config["Strategy"] == "Grid":
            return next(point for point in self._space.grid() if point not in known)
        chance = random.Random(f"{job['seed']}-{len(known)}")  # noqa: S311 (no secret)
        if self._config["Strategy"] == "Random":
            return self._space.new(chance, known)
        results = [
            (one["tuned"], _sign(job) * value)
            for one in job["jobs"]
            if "ended" in one and (value := objective(job, one["ended"])) is not None
        ]
        return self._space.promising(chance, results, known)

    # --- ending

    def _stop_one(self, one: TunedJob) -> None:
        if not one["launched"]:
            self._forget(one)
            return
        try:
            self._stop(one["name"])
        except ServiceError:
            log.debug("training job %s has ended by itself", one["name"], exc_info=True)

    def _end(self, status: HyperParameterTuningJobStatusType, reason: str | None) -> None:
        changes: TuningJobChanges = {"HyperParameterTuningEndTime": self._account.now()}
        if reason:
            changes["FailureReason"] = reason[:REASON_LENGTH]
        record(self._resources, self._name, status, **changes)
