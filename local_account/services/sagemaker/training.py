"""The operations for training jobs. What a job does is in ``training_run``.

Differs from AWS: `VpcConfig`, `VolumeKmsKeyId`, `VolumeSizeInGB`, `OutputDataConfig.KmsKeyId`,
`EnableManagedSpotTraining`, `EnableInterContainerTrafficEncryption`, `RetryStrategy`, `ShuffleConfig`,
`InfraCheckConfig`, `EnableSageMakerMetricsTimeSeries` and the times to wait of a `StoppingCondition` are kept
and have no effect; `EnableNetworkIsolation` takes the network away, as on AWS.

Differs from AWS: a training job that is still running when the account stops fails with
`InternalServerError`. Endpoints and notebook instances come back when it starts again.

Refuses (CreateTrainingJob): more than one instance (`InstanceGroups`, `InstancePlacementConfig`), input modes
other than File, channels that are not in S3 (`FileSystemDataSource`, `DatasetSource`) or not `S3Prefix` or
`ManifestFile`, or that ask for the access to a model (`ModelAccessConfig`, `HubAccessConfig`), built-in
algorithms (`AlgorithmName`), images of private registries (`TrainingImageConfig`), the profiler
(`ProfilerConfig`), remote debugging (`RemoteDebugConfig`).
"""

from __future__ import annotations

import queue
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import images, instance_quotas
from local_account.services.sagemaker.algorithm_metrics import compile_definitions
from local_account.services.sagemaker.job_containers import Signal
from local_account.services.sagemaker.job_tasks import Jobs, JobTasks
from local_account.services.sagemaker.jobs import INTERRUPTED, delete
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.records import TrainingJob
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)
from local_account.services.sagemaker.s3_data import NoDataError, channel_objects
from local_account.services.sagemaker.training_run import KIND, TrainingRun, record

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        ChannelUnionTypeDef,
        CreateTrainingJobRequestTypeDef,
        DeleteTrainingJobRequestTypeDef,
        DescribeTrainingJobRequestTypeDef,
        ListTrainingJobsRequestTypeDef,
        StopTrainingJobRequestTypeDef,
    )

    from local_account.foundation.account import Account

_PRINCIPAL = "sagemaker.amazonaws.com"
_UNSUPPORTED = (
    "ServerlessJobConfig", "DebugHookConfig", "DebugRuleConfigurations", "TensorBoardOutputConfig",
    "ExperimentConfig", "ProfilerRuleConfigurations", "MlflowConfig", "ModelPackageConfig",
    "SessionChainingConfig",
)  # fmt: skip
"""Refuses in CreateTrainingJob."""
_DAY = 86_400


class TrainingJobs(Jobs):
    """Training jobs, one container each.

    ``stop_grace_seconds`` pass between SIGTERM and SIGKILL when a job is stopped or runs too long: 120 on
    AWS ("How Amazon SageMaker AI Runs Your Training Image").
    """

    stop_grace_seconds = 120.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._training_logs = Logs(account)
        self._training = self.tasks_of(JobTasks[queue.SimpleQueue[Signal]](self, KIND, self._give_up_job))

    def create_training_job(self, params: CreateTrainingJobRequestTypeDef) -> Answer:
        """See CreateTrainingJob.

        Raises ServiceError ResourceInUse for a name in use, ResourceLimitExceeded if other jobs use all
        instances, ValidationException for an image that is not in ECR, an empty channel, or a role that
        SageMaker cannot assume.
        """
        return {"TrainingJobArn": self._launch_job(params)}

    def _launch_job(self, params: CreateTrainingJobRequestTypeDef, tuning_job_arn: str | None = None) -> str:
        """Create and start a job, maybe one of a tuning job; return its ARN. Raises as CreateTrainingJob."""
        name = params["TrainingJobName"]
        arn = self.resource_arn("training-job", name)
        job = self._job_document(params, arn)
        if tuning_job_arn:
            job["TuningJobArn"] = tuning_job_arn
        in_use = ServiceError(
            "ResourceInUse",
            "Training job names must be unique within an AWS account and region, and a training job with "
            f"this name already exists ({arn})",
        )
        table = self.table("training_jobs")
        if self.exists(arn):
            raise in_use
        self._check_job_sources(job)
        quotas = self.account.quotas("sagemaker")
        with table.lock:
            self._check_instances(quotas, job)
            self.add(table, name, job, arn, params.get("Tags", []), in_use=in_use)
            self._training.expect(name, queue.SimpleQueue())
        self._training.carry_out(name, self._run_job)
        return arn

    def describe_training_job(self, params: DescribeTrainingJobRequestTypeDef) -> Answer:
        """See DescribeTrainingJob."""
        return public(self._job(params["TrainingJobName"]))

    def list_training_jobs(self, params: ListTrainingJobsRequestTypeDef) -> Answer:
        """See ListTrainingJobs."""
        refuse_unsupported(params, ("WarmPoolStatusEquals", "TrainingPlanArnEquals"))
        jobs, token = list_page(
            params,
            self.table("training_jobs"),
            name="TrainingJobName",
            status="TrainingJobStatus",
            order="Ascending",
        )
        return {"TrainingJobSummaries": [public(job) for job in jobs], "NextToken": token}

    def stop_training_job(self, params: StopTrainingJobRequestTypeDef) -> Answer:
        """See StopTrainingJob; the job ends as Stopped, with what it has saved by then."""
        name = params["TrainingJobName"]
        if signals := self._training.to_stop(self._job(name)):
            record(self, name, "Stopping", "Stopping the training job", TrainingJobStatus="Stopping")
            signals.put(Signal.STOP)
        return {}

    def delete_training_job(self, params: DeleteTrainingJobRequestTypeDef) -> Answer:
        """See DeleteTrainingJob; only a job that has ended can be deleted."""
        delete(self, KIND, self._job(params["TrainingJobName"]))
        return {}

    def _run_job(self, name: str, signals: queue.SimpleQueue[Signal]) -> None:
        try:
            TrainingRun(self, name, self._training_logs, signals, self.stop_grace_seconds).run()
        finally:
            self._job_ended(name)

    def _job_ended(self, name: str) -> None:
        """Called when nothing happens any more in a job; ``tuning`` waits for that."""

    def _give_up_job(self, name: str) -> None:
        record(
            self,
            name,
            "Failed",
            "Training job failed",
            TrainingJobStatus="Failed",
            FailureReason=INTERRUPTED,
            TrainingEndTime=self.account.now(),
        )

    def _check_instances(self, quotas: Mapping[str, float], job: TrainingJob, wanted: int = 1) -> None:
        """Raise ServiceError ResourceLimitExceeded unless there is room for so many jobs like this one."""
        instance_quotas.check_jobs(quotas, instance_quotas.TRAINING_JOBS, KIND.running(self), job, wanted)

    def _job(self, name: str) -> TrainingJob:
        job = self.table("training_jobs").get(name)
        if job is None:
            raise invalid("Requested resource not found.")
        return job

    def _job_document(self, params: CreateTrainingJobRequestTypeDef, arn: str) -> TrainingJob:
        check_features(params)
        now = self.account.now()
        job: dict[str, Any] = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "TrainingJobArn": arn,
            "TrainingJobStatus": "InProgress",
            "SecondaryStatus": "Starting",
            "StoppingCondition": {"MaxRuntimeInSeconds": _DAY, **params.get("StoppingCondition", {})},
            "CreationTime": now,
            "LastModifiedTime": now,
            "SecondaryStatusTransitions": [
                {"Status": "Starting", "StartTime": now, "StatusMessage": "Starting the training job"}
            ],
        }
        for flag in (
            "EnableNetworkIsolation", "EnableInterContainerTrafficEncryption", "EnableManagedSpotTraining"
        ):  # fmt: skip
            job.setdefault(flag, False)
        return cast("TrainingJob", job)

    def _check_job_sources(self, job: TrainingJob) -> None:
        self.account.check_role(job["RoleArn"], _PRINCIPAL)
        try:
            job["image"] = images.resolve(self.account, job["AlgorithmSpecification"]["TrainingImage"])
        except images.ImageError as error:
            raise invalid(f"Cannot find the requested image: {error}") from error
        s3 = self.account.client("s3", job["RoleArn"])
        for channel in job.get("InputDataConfig", []):
            try:
                channel_objects(
                    s3, channel["DataSource"]["S3DataSource"], self.account.config.region, job["RoleArn"]
                )
            except NoDataError as error:
                raise invalid(str(error)) from error


def check_features(params: CreateTrainingJobRequestTypeDef) -> None:
    """Raise ServiceError for what the local account does not support, and for what is not valid."""
    refuse_unsupported(params, _UNSUPPORTED)
    algorithm = params.get("AlgorithmSpecification")
    if not algorithm or not algorithm.get("TrainingImage"):
        raise unsupported("a training job without AlgorithmSpecification.TrainingImage")
    refuse_unsupported(algorithm, ("AlgorithmName", "TrainingImageConfig"))
    _check_input_mode(algorithm["TrainingInputMode"])
    compile_definitions(algorithm.get("MetricDefinitions", []))
    resources = params.get("ResourceConfig") or {}
    refuse_unsupported(
        resources,
        (
            "InstanceGroups", "TrainingPlanArn", "InstancePreferences", "KeepAlivePeriodInSeconds",
            "InstancePlacementConfig",
        ),
    )  # fmt: skip
    if not resources.get("InstanceType") or not resources.get("InstanceCount"):
        raise invalid("ResourceConfig needs an InstanceType and an InstanceCount of 1 or more")
    if resources["InstanceCount"] > 1:
        raise unsupported(
            f"distributed training (ResourceConfig.InstanceCount {resources['InstanceCount']}; use 1)"
        )
    _check_waiting(params)
    if (params.get("RemoteDebugConfig") or {}).get("EnableRemoteDebug"):
        raise unsupported("RemoteDebugConfig")
    profiler = params.get("ProfilerConfig")
    if profiler is not None and not profiler.get("DisableProfiler"):  # on unless it says that it is off
        raise unsupported("ProfilerConfig")
    names = [channel["ChannelName"] for channel in params.get("InputDataConfig", [])]
    if len(set(names)) < len(names):
        raise invalid(f"Channel names must be unique, but are: {', '.join(names)}")
    for channel in params.get("InputDataConfig", []):
        _check_channel(channel)


def _check_waiting(params: CreateTrainingJobRequestTypeDef) -> None:
    """Check the time to wait for Spot capacity (StoppingCondition; the first words are reported of AWS)."""
    condition = params.get("StoppingCondition") or {}
    wait, run = condition.get("MaxWaitTimeInSeconds"), condition.get("MaxRuntimeInSeconds", _DAY)
    if wait is not None and not params.get("EnableManagedSpotTraining"):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It is only supported when EnableManagedSpotTraining is set to true"
        )
    if wait is not None and wait < run:
        raise invalid(
            f"Invalid MaxWaitTimeInSeconds. It is {wait}, but must be greater than or equal to "
            f"MaxRuntimeInSeconds ({run})"
        )


def _check_channel(channel: ChannelUnionTypeDef) -> None:
    source = channel["DataSource"].get("S3DataSource")
    if not source:
        raise unsupported(f"the data source of channel {channel['ChannelName']} (use S3DataSource)")
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise unsupported(f"S3DataType {source['S3DataType']} of channel {channel['ChannelName']}")
    refuse_unsupported(source, ("ModelAccessConfig", "HubAccessConfig", "InstanceGroupNames"))
    if source.get("AttributeNames"):
        raise invalid(f"Channel {channel['ChannelName']}: AttributeNames are for AugmentedManifestFile")
    _check_input_mode(channel.get("InputMode", "File"))
    if channel.get("CompressionType", "None") != "None":
        raise invalid(
            f"Channel {channel['ChannelName']}: CompressionType is for Pipe mode, in File mode use None"
        )


def _check_input_mode(mode: str) -> None:
    if mode != "File":
        raise unsupported(f"the input mode {mode} (use File)")
