"""The operations for processing jobs. What a job does is in ``processing_run``.

Differs from AWS: `NetworkConfig.VpcConfig`, `NetworkConfig.EnableInterContainerTrafficEncryption`,
`ClusterConfig.VolumeSizeInGB`, `ClusterConfig.VolumeKmsKeyId` and `ProcessingOutputConfig.KmsKeyId` of a
processing job are kept and have no effect; `EnableNetworkIsolation` takes the network away, as on AWS. A
processing job that is still running when the account stops fails with `InternalServerError`.

Refuses (CreateProcessingJob): more than one instance, `InstancePreferences`, inputs other than `S3Input` in
File mode (`DatasetDefinition`), outputs to Feature Store, inputs and outputs that are `AppManaged`.
"""

from __future__ import annotations

import queue
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import images, instance_quotas
from local_account.services.sagemaker.job_containers import Signal
from local_account.services.sagemaker.job_tasks import Jobs, JobTasks
from local_account.services.sagemaker.jobs import INTERRUPTED, delete, name_in_use
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.processing_run import KIND, ProcessingRun, record
from local_account.services.sagemaker.records import ProcessingJob
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateProcessingJobRequestTypeDef,
        DeleteProcessingJobRequestTypeDef,
        DescribeProcessingJobRequestTypeDef,
        ListProcessingJobsRequestTypeDef,
        StopProcessingJobRequestTypeDef,
    )

    from local_account.foundation.account import Account

_PRINCIPAL = "sagemaker.amazonaws.com"
_UNSUPPORTED = ("ExperimentConfig",)
"""Refuses in CreateProcessingJob."""
_DAY = 86_400
_ROOT = "/opt/ml/processing/"


class ProcessingJobs(Jobs):
    """Processing jobs, one container each.

    ``processing_grace_seconds`` pass between SIGTERM and SIGKILL when a job is stopped or runs too long: 120
    on AWS.
    """

    processing_grace_seconds = 120.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._processing_logs = Logs(account)
        self._processing = self.tasks_of(
            JobTasks[queue.SimpleQueue[Signal]](self, KIND, self._give_up_processing)
        )

    def create_processing_job(self, params: CreateProcessingJobRequestTypeDef) -> Answer:
        """See CreateProcessingJob.

        Raises ServiceError ResourceInUse for a name in use, ResourceLimitExceeded if other jobs use all
        instances, ValidationException for an image that is not in ECR, paths outside of /opt/ml/processing,
        or a role that SageMaker cannot assume.
        """
        name = params["ProcessingJobName"]
        arn = self.resource_arn("processing-job", name)
        in_use = name_in_use(arn)
        _check_features(params)
        job = self._processing_document(params, arn)
        if self.exists(arn):
            raise in_use
        self.account.check_role(job["RoleArn"], _PRINCIPAL)
        uri = job["AppSpecification"]["ImageUri"]
        try:
            job["image"] = images.resolve(self.account, uri)
        except images.ImageError as error:
            raise invalid(
                f"Invalid image URI {uri}. Please provide a valid Amazon Elastic Container Registry path of "
                f"the Docker image to run. ({error})"
            ) from error
        table = self.table("processing_jobs")
        quotas = self.account.quotas("sagemaker")
        with table.lock:
            instance_quotas.check_jobs(quotas, instance_quotas.PROCESSING_JOBS, KIND.running(self), job)
            self.add(table, name, job, arn, params.get("Tags", []), in_use=in_use)
            self._processing.expect(name, queue.SimpleQueue())
        self._processing.carry_out(name, self._run_processing)
        return {"ProcessingJobArn": arn}

    def describe_processing_job(self, params: DescribeProcessingJobRequestTypeDef) -> Answer:
        """See DescribeProcessingJob."""
        return public(self._processing_job(params["ProcessingJobName"]))

    def list_processing_jobs(self, params: ListProcessingJobsRequestTypeDef) -> Answer:
        """See ListProcessingJobs."""
        jobs, token = list_page(
            params,
            self.table("processing_jobs"),
            name="ProcessingJobName",
            status="ProcessingJobStatus",
            order="Ascending",
        )
        return {"ProcessingJobSummaries": [public(job) for job in jobs], "NextToken": token}

    def stop_processing_job(self, params: StopProcessingJobRequestTypeDef) -> Answer:
        """See StopProcessingJob; the job ends as Stopped."""
        name = params["ProcessingJobName"]
        if signals := self._processing.to_stop(self._processing_job(name)):
            record(self, name, "Stopping")
            signals.put(Signal.STOP)
        return {}

    def delete_processing_job(self, params: DeleteProcessingJobRequestTypeDef) -> Answer:
        """See DeleteProcessingJob; only a job that has ended can be deleted."""
        delete(self, KIND, self._processing_job(params["ProcessingJobName"]))
        return {}

    def _run_processing(self, name: str, signals: queue.SimpleQueue[Signal]) -> None:
        ProcessingRun(self, name, self._processing_logs, signals, self.processing_grace_seconds).run()

    def _give_up_processing(self, name: str) -> None:
        now = self.account.now()
        record(self, name, "Failed", FailureReason=INTERRUPTED, ProcessingEndTime=now)

    def _processing_job(self, name: str) -> ProcessingJob:
        job = self.table("processing_jobs").get(name)
        if job is None:
            raise ServiceError("ResourceNotFound", f"Could not find requested job with name: {name}")
        return job

    def _processing_document(self, params: CreateProcessingJobRequestTypeDef, arn: str) -> ProcessingJob:
        now = self.account.now()
        cluster = params["ProcessingResources"]["ClusterConfig"]
        job: dict[str, Any] = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "ProcessingJobArn": arn,
            "ProcessingJobStatus": "InProgress",
            "ProcessingResources": {"ClusterConfig": {"InstanceCount": 1, **cluster}},
            "StoppingCondition": {"MaxRuntimeInSeconds": _DAY, **params.get("StoppingCondition", {})},
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        if "ProcessingInputs" in params:
            job["ProcessingInputs"] = [
                {
                    "InputName": one["InputName"],
                    "AppManaged": False,
                    "S3Input": {
                        "S3InputMode": "File",
                        "S3DataDistributionType": "FullyReplicated",
                        "S3CompressionType": "None",
                        **one["S3Input"],
                    },
                }
                for one in params["ProcessingInputs"]
            ]
        if outputs := params.get("ProcessingOutputConfig"):
            kept = [{"AppManaged": False, **one} for one in outputs["Outputs"]]
            job["ProcessingOutputConfig"] = {**outputs, "Outputs": kept}
        return cast("ProcessingJob", job)


def _check_features(params: CreateProcessingJobRequestTypeDef) -> None:
    """Raise ServiceError for what the local account does not support, and for what is not valid."""
    refuse_unsupported(params, _UNSUPPORTED)
    cluster = params["ProcessingResources"]["ClusterConfig"]
    refuse_unsupported(cluster, ("InstancePreferences",))
    for member in ("SelectedInstanceType", "SelectedInstanceCount"):
        if member in cluster:
            raise invalid(f"{member} is read-only, and not accepted in CreateProcessingJob")
    if not cluster.get("InstanceType"):
        raise invalid("ClusterConfig needs an InstanceType")
    if (count := cluster.get("InstanceCount", 1)) > 1:
        raise unsupported(f"a processing job on several instances (InstanceCount {count}; use 1)")
    given = params.get("ProcessingInputs", [])
    config = params.get("ProcessingOutputConfig")
    outputs = config["Outputs"] if config else []
    for one in given:
        _check_input(one)
    for output in outputs:
        _check_output(output)
    _check_unique("InputName", (one["InputName"] for one in given))
    _check_unique("OutputName", (one["OutputName"] for one in outputs))
    _check_unique("LocalPath", (one["S3Input"]["LocalPath"].rstrip("/") for one in given))


def _check_input(given: Any) -> None:
    what = f"input {given['InputName']}"
    if given.get("AppManaged"):
        raise unsupported(f"AppManaged of {what}")
    if "S3Input" not in given:
        if "DatasetDefinition" in given:
            raise unsupported(f"DatasetDefinition of {what} (use S3Input)")
        raise invalid(f"The {what} needs an S3Input")
    source = given["S3Input"]
    _check_path(source.get("LocalPath", ""), what)
    if source.get("S3InputMode", "File") != "File":
        raise unsupported(f"the S3InputMode {source['S3InputMode']} of {what} (use File)")
    if source.get("S3CompressionType", "None") != "None":
        raise invalid(f"The S3CompressionType of {what} is for Pipe mode; in File mode, use None")


def _check_output(output: Any) -> None:
    what = f"output {output['OutputName']}"
    for member in ("AppManaged", "FeatureStoreOutput"):
        if output.get(member):
            raise unsupported(f"{member} of {what} (use S3Output)")
    if "S3Output" not in output:
        raise invalid(f"The {what} needs an S3Output")
    _check_path(output["S3Output"].get("LocalPath", ""), what)


def _check_path(path: str, what: str) -> None:
    if not path.startswith(_ROOT) or ".." in path.split("/"):
        raise invalid(f"The LocalPath {path!r} of {what} is not valid: it must begin with {_ROOT}")


def _check_unique(member: str, values: Iterable[str]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    if twice:
        raise invalid(f"Each {member} must be unique, but there are several of {', '.join(twice)}")
