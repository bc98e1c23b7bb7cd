"""The operations for hyperparameter tuning jobs. What a job does is in ``tuning_run``.

Differs from AWS: the training jobs of a tuning job wait while others use all instances; at its creation there
must be room for MaxParallelTrainingJobs. A tuning job goes on after the account was stopped; its training
jobs that were running fail, and their points are tried once more.

Refuses (CreateHyperParameterTuningJob): the strategy Hyperband (`StrategyConfig`), early stopping (`Auto`),
warm start, Autotune (`AutoParameters`), convergence detection, several training job definitions,
`HyperParameterTuningResourceConfig`, and what CreateTrainingJob refuses.
"""

from __future__ import annotations

import math
import secrets
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker.jobs import ENDED
from local_account.services.sagemaker.records import TuningJob
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)
from local_account.services.sagemaker.search_space import SearchSpace
from local_account.services.sagemaker.training import TrainingJobs, check_features
from local_account.services.sagemaker.tuning_run import (
    OBJECTIVE,
    TuningRun,
    as_listed,
    best,
    counters,
    record,
    summaries,
    training_request,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateHyperParameterTuningJobRequestTypeDef,
        CreateTrainingJobRequestTypeDef,
        DeleteHyperParameterTuningJobRequestTypeDef,
        DescribeHyperParameterTuningJobRequestTypeDef,
        ListHyperParameterTuningJobsRequestTypeDef,
        ListTrainingJobsForHyperParameterTuningJobRequestTypeDef,
        StopHyperParameterTuningJobRequestTypeDef,
    )

    from local_account.foundation.account import Account

_UNSUPPORTED = ("TrainingJobDefinitions", "WarmStartConfig")
"""Refuses in CreateHyperParameterTuningJob."""
_MOST_JOBS, _MOST_PARALLEL, _MOST_METRICS = 750, 10, 20
"""Default limits ("Resource Limits for Automatic Model Tuning")."""
_MOST_HYPERPARAMETERS = 100


class TuningJobs(TrainingJobs):
    """Tuning jobs; their training jobs are like any other."""

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._tuning_changes: dict[str, threading.Event] = {}

    def start(self) -> None:
        """Resume the jobs that were running when the account ended."""
        super().start()
        for name, job in self.table("tuning_jobs").items():
            if job["HyperParameterTuningJobStatus"] not in ENDED:
                self._spawn_tuning(name)

    def create_hyper_parameter_tuning_job(
        self, params: CreateHyperParameterTuningJobRequestTypeDef
    ) -> Answer:
        """See CreateHyperParameterTuningJob.

        Raises ServiceError ResourceInUse for a name in use, ResourceLimitExceeded if there is no room for
        MaxParallelTrainingJobs, ValidationException for ranges, limits or a metric that are not valid, and as
        CreateTrainingJob for the training jobs.
        """
        name = params["HyperParameterTuningJobName"]
        arn = self.resource_arn("hyper-parameter-tuning-job", name)
        job = self._tuning_document(params, arn)
        in_use = ServiceError(
            "ResourceInUse",
            "Tuning job names must be unique within an AWS account and region, and a tuning job with this "
            f"name already exists ({arn})",
        )
        if self.exists(arn):
            raise in_use
        sample = training_request(job, f"{name}-001-00000000", {}, [])
        check_features(cast("CreateTrainingJobRequestTypeDef", sample))
        sample_job = self._job_document(cast("CreateTrainingJobRequestTypeDef", sample), arn)
        self._check_job_sources(sample_job)
        quotas = self.account.quotas("sagemaker")
        with self.table("training_jobs").lock:
            parallel = params["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxParallelTrainingJobs"]
            self._check_instances(quotas, sample_job, parallel)
        self.add(self.table("tuning_jobs"), name, job, arn, params.get("Tags", []), in_use=in_use)
        record(self, name, "InProgress")
        self._spawn_tuning(name)
        return {"HyperParameterTuningJobArn": arn}

    def describe_hyper_parameter_tuning_job(
        self, params: DescribeHyperParameterTuningJobRequestTypeDef
    ) -> Answer:
        """See DescribeHyperParameterTuningJob."""
        job = self._tuning_job(params["HyperParameterTuningJobName"])
        return {**public(job), **counters(self, job), "BestTrainingJob": best(self, job)}

    def list_hyper_parameter_tuning_jobs(self, params: ListHyperParameterTuningJobsRequestTypeDef) -> Answer:
        """See ListHyperParameterTuningJobs."""
        jobs, token = list_page(
            params,
            self.table("tuning_jobs"),
            name="HyperParameterTuningJobName",
            status="HyperParameterTuningJobStatus",
        )
        shown = [
            {
                **public(job),
                **counters(self, job),
                "Strategy": job["HyperParameterTuningJobConfig"]["Strategy"],
                "ResourceLimits": job["HyperParameterTuningJobConfig"]["ResourceLimits"],
            }
            for job in jobs
        ]
        return {"HyperParameterTuningJobSummaries": shown, "NextToken": token}

    def list_training_jobs_for_hyper_parameter_tuning_job(
        self, params: ListTrainingJobsForHyperParameterTuningJobRequestTypeDef
    ) -> Answer:
        """See ListTrainingJobsForHyperParameterTuningJob."""
        job = self._tuning_job(params["HyperParameterTuningJobName"])
        shown, token = list_page(
            {"SortBy": "Name", **params},
            _Listed(summaries(self, job), scored=params.get("SortBy") == "FinalObjectiveMetricValue"),
            name="TrainingJobName",
            status="TrainingJobStatus",
            order="Ascending",
        )
        return {"TrainingJobSummaries": [as_listed(one) for one in shown], "NextToken": token}

    def stop_hyper_parameter_tuning_job(self, params: StopHyperParameterTuningJobRequestTypeDef) -> Answer:
        """See StopHyperParameterTuningJob; its training jobs are stopped, too."""
        name = params["HyperParameterTuningJobName"]
        job = self._tuning_job(name)
        if (status := job["HyperParameterTuningJobStatus"]) in ENDED:
            raise invalid(f"The request was rejected because the tuning job is in status {status}.")
        record(self, name, "Stopping")
        self._wake_tuning(name)
        return {}

    def delete_hyper_parameter_tuning_job(
        self, params: DeleteHyperParameterTuningJobRequestTypeDef
    ) -> Answer:
        """See DeleteHyperParameterTuningJob: its training jobs and what they have stored stay."""
        name = params["HyperParameterTuningJobName"]
        job = self._tuning_job(name)
        if (status := job["HyperParameterTuningJobStatus"]) not in ENDED:
            raise invalid(f"The request was rejected because the tuning job is in status {status}.")
        self.remove(self.table("tuning_jobs"), name, job["HyperParameterTuningJobArn"])
        return {}

    def _spawn_tuning(self, name: str) -> None:
        changed = self._tuning_changes.setdefault(name, threading.Event())
        self.account.tasks.spawn(f"tuning-job-{name}", self._run_tuning, name, changed)

    def _run_tuning(self, name: str, changed: threading.Event) -> None:
        try:
            TuningRun(self, name, changed, self._launch_tuned, self._stop_tuned).run()
        finally:
            self._tuning_changes.pop(name, None)

    def _launch_tuned(self, request: Mapping[str, Any], arn: str) -> None:
        self._launch_job(cast("CreateTrainingJobRequestTypeDef", request), arn)

    def _stop_tuned(self, name: str) -> None:
        self.stop_training_job({"TrainingJobName": name})

    def _job_ended(self, name: str) -> None:
        super()._job_ended(name)
        for tuning in list(self._tuning_changes):
            if name.startswith(f"{tuning}-"):
                self._wake_tuning(tuning)

    def _wake_tuning(self, name: str) -> None:
        if changed := self._tuning_changes.get(name):
            changed.set()

    def _tuning_job(self, name: str) -> TuningJob:
        job = self.table("tuning_jobs").get(name)
        if job is None:
            raise ServiceError(
                "ResourceNotFound",
                f"Amazon SageMaker can't find a tuning job called {name}. Type another name.",
            )
        return job

    def _tuning_document(self, params: CreateHyperParameterTuningJobRequestTypeDef, arn: str) -> TuningJob:
        config = params["HyperParameterTuningJobConfig"]
        _check_tuning(params)
        definition = params["TrainingJobDefinition"]
        objective = config["HyperParameterTuningJobObjective"]
        static = {**definition.get("StaticHyperParameters", {}), OBJECTIVE: objective["MetricName"]}
        maximum = _maximum(config)
        now = self.account.now()
        document: dict[str, Any] = {
            **{key: value for key, value in params.items() if key not in ("Tags", "Autotune")},
            "HyperParameterTuningJobArn": arn,
            "HyperParameterTuningJobStatus": "InProgress",
            "HyperParameterTuningJobConfig": {
                "TrainingJobEarlyStoppingType": "Off",
                **config,
                "ResourceLimits": {**config["ResourceLimits"], "MaxNumberOfTrainingJobs": maximum},
            },
            "TrainingJobDefinition": {**definition, "StaticHyperParameters": static},
            "CreationTime": now,
            "LastModifiedTime": now,
            "maximum": maximum,
            "seed": config.get("RandomSeed", secrets.randbits(32)),
            "jobs": [],
        }
        return cast("TuningJob", document)


class _Listed:
    """Summaries of training jobs as ``list_page`` reads a table."""

    def __init__(self, found: list[dict[str, Any]], *, scored: bool) -> None:
        self._found = [one for one in found if not scored or "FinalObjectiveMetricValue" in one]

    def values(self) -> list[dict[str, Any]]:
        """Return all of them."""
        return self._found

    def named(self, part: str) -> list[dict[str, Any]]:
        """Return those with a part in their name."""
        return [one for one in self._found if part in one["TrainingJobName"]]


def _maximum(config: Mapping[str, Any]) -> int:
    """Return how many training jobs there will be at most."""
    space = SearchSpace(config["ParameterRanges"])
    given = config["ResourceLimits"].get("MaxNumberOfTrainingJobs")
    if config["Strategy"] == "Grid":
        if space.numbers:
            raise invalid(
                "The Grid strategy takes categorical ranges only: give the values of each hyperparameter"
            )
        points = int(space.combinations)
        if given not in (None, points):
            raise invalid(
                f"MaxNumberOfTrainingJobs is {given}: with the Grid strategy, leave it out or give the "
                f"number of combinations, {points}"
            )
        wanted = points
    elif given is None:
        raise invalid(f"The {config['Strategy']} strategy needs MaxNumberOfTrainingJobs")
    else:
        wanted = given
    if wanted > _MOST_JOBS:
        raise invalid(f"{wanted} training jobs: a tuning job can have at most {_MOST_JOBS}")
    if not math.isinf(space.combinations) and space.combinations < wanted:
        raise invalid(
            "You don't have enough combinations of hyperparameter ranges. The total number of hyperparameter "
            f"combinations for the provided ranges [{space.combinations}] must be equal or greater than the "
            f"value of MaxNumberOfJobs, [{wanted}]. Provide additional ranges."
        )
    return int(wanted)


def _check_tuning(params: CreateHyperParameterTuningJobRequestTypeDef) -> None:
    refuse_unsupported(params, _UNSUPPORTED)
    if params.get("Autotune"):
        raise unsupported("Autotune")
    config = params["HyperParameterTuningJobConfig"]
    if config["Strategy"] == "Hyperband" or config.get("StrategyConfig"):
        raise unsupported("the strategy Hyperband (use Grid, Random or Bayesian)")
    if config.get("TrainingJobEarlyStoppingType", "Off") != "Off":
        raise unsupported("TrainingJobEarlyStoppingType Auto")
    criteria: Mapping[str, Any] = config.get("TuningJobCompletionCriteria") or {}
    convergence: Mapping[str, Any] = criteria.get("ConvergenceDetected") or {}
    if convergence.get("CompleteOnConvergence") == "Enabled":
        raise unsupported("TuningJobCompletionCriteria.ConvergenceDetected")
    if not config.get("HyperParameterTuningJobObjective"):
        raise invalid("HyperParameterTuningJobConfig needs a HyperParameterTuningJobObjective")
    if not config.get("ParameterRanges"):
        raise invalid("HyperParameterTuningJobConfig needs ParameterRanges")
    refuse_unsupported(config["ParameterRanges"], ("AutoParameters",))
    if not params.get("TrainingJobDefinition"):
        raise invalid("A TrainingJobDefinition is required")
    _check_limits(config["ResourceLimits"])
    _check_definition(params)


def _check_limits(limits: Mapping[str, Any]) -> None:
    parallel, most = limits["MaxParallelTrainingJobs"], limits.get("MaxNumberOfTrainingJobs")
    if parallel > _MOST_PARALLEL:
        raise ServiceError(
            "ResourceLimitExceeded",
            "The account-level service limit 'Number of parallel training jobs per hyperparameter tuning "
            f"job' is {_MOST_PARALLEL}, and MaxParallelTrainingJobs is {parallel}.",
        )
    if most is not None and parallel > most:
        raise invalid(f"MaxParallelTrainingJobs ({parallel}) cannot exceed MaxNumberOfTrainingJobs ({most})")


def _check_definition(params: CreateHyperParameterTuningJobRequestTypeDef) -> None:
    definition = params["TrainingJobDefinition"]
    refuse_unsupported(
        definition, ("TuningObjective", "HyperParameterRanges", "HyperParameterTuningResourceConfig")
    )
    config = params["HyperParameterTuningJobConfig"]
    metrics = [one["Name"] for one in definition["AlgorithmSpecification"].get("MetricDefinitions", [])]
    if len(metrics) > _MOST_METRICS:
        raise invalid(f"{len(metrics)} metrics: a tuning job can define at most {_MOST_METRICS}")
    if (name := config["HyperParameterTuningJobObjective"]["MetricName"]) not in metrics:
        raise invalid(
            f"The objective metric {name} is not one of the MetricDefinitions: {', '.join(metrics) or 'none'}"
        )
    searched = SearchSpace(config["ParameterRanges"]).names
    static = definition.get("StaticHyperParameters", {})
    if both := sorted(set(searched) & set(static)):
        raise invalid(f"{', '.join(both)} cannot be both a static and a tuned hyperparameter")
    if len(searched) + len(static) > _MOST_HYPERPARAMETERS:
        raise invalid(f"A training job can have at most {_MOST_HYPERPARAMETERS} hyperparameters")
