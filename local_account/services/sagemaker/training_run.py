"""One training job, from its first status to its last.

The contract of the container is in the developer guide under "How Amazon SageMaker AI Provides Training
Information" and "… Processes Training Output". The container gets no AWS credentials: the local account
listens on the machine's loopback interface, which a container cannot reach.

Differs from AWS: a `CheckpointConfig.S3Uri` is a prefix, with or without a slash at its end: `ck/run` also
brings the checkpoints of `ck/run2`. End it with a slash. Source: reported of AWS, which does not say.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Unpack

from botocore.exceptions import ClientError

from local_account.services.sagemaker import images
from local_account.services.sagemaker.algorithm_metrics import AlgorithmMetrics
from local_account.services.sagemaker.archives import Files, read_text
from local_account.services.sagemaker.container_uploads import Uploads
from local_account.services.sagemaker.job_containers import JobContainer, Signal, while_pulling
from local_account.services.sagemaker.job_runs import JobRun, StoppedError
from local_account.services.sagemaker.jobs import (
    ENDED,
    REASON_LENGTH,
    Document,
    JobError,
    JobKind,
    move,
)
from local_account.services.sagemaker.records import TrainingJobChanges
from local_account.services.sagemaker.resources import Resources
from local_account.services.sagemaker.s3_data import (
    NoDataError,
    channel_objects,
    list_prefix,
    opened,
    split,
)

if TYPE_CHECKING:
    from docker.models.containers import Container
    from mypy_boto3_sagemaker.literals import SecondaryStatusType
    from mypy_boto3_sagemaker.type_defs import ChannelUnionTypeDef

    from local_account.services.sagemaker.logs import Logs, LogStream

T = TypeVar("T")

LOG_GROUP = "/aws/sagemaker/TrainingJobs"
_ML = "opt/ml"
_HOST = "algo-1"
KIND = JobKind("training_jobs", "TrainingJob", "SageMaker Training Job State Change")


def record(
    resources: Resources,
    name: str,
    status: SecondaryStatusType,
    message: str,
    **changes: Unpack[TrainingJobChanges],
) -> None:
    """Move a job to a secondary status, change other members, and notify EventBridge.

    The messages of transitions come from the API's description of SecondaryStatusTransition. Otherwise as
    ``jobs.move``.
    """

    def moved(job: Document, now: datetime) -> None:
        transitions = job["SecondaryStatusTransitions"]
        transitions[-1]["EndTime"] = now
        transitions.append({"Status": status, "StartTime": now, "StatusMessage": message})
        if job["TrainingJobStatus"] in ENDED:
            transitions[-1]["EndTime"] = now
        job["SecondaryStatus"] = status

    others = {member: value for member, value in changes.items() if member != "TrainingJobStatus"}
    move(resources, KIND, name, changes.get("TrainingJobStatus", ""), others, moved=moved)


class TrainingRun(JobRun):
    """Carries out one training job."""

    kind = KIND

    def __init__(
        self,
        resources: Resources,
        name: str,
        logs: Logs,
        signals: queue.SimpleQueue[Signal],
        grace: float,
    ) -> None:
        super().__init__(resources, name)
        self._job = resources.table("training_jobs").require(name)
        self._logs = logs
        self._signals = signals
        self._grace = grace
        self._stopped = self._timed_out = False
        self._s3 = self._account.client("s3", self._job["RoleArn"])
        self._metrics = AlgorithmMetrics(
            name, self._job["AlgorithmSpecification"].get("MetricDefinitions", [])
        )

    def _record(
        self, status: SecondaryStatusType, message: str, **changes: Unpack[TrainingJobChanges]
    ) -> None:
        record(self._resources, self._name, status, message, **changes)

    def _end(self, status: Literal["Completed", "Failed", "Stopped"], reason: str = "") -> None:
        secondary: SecondaryStatusType = status
        message = f"Training job {status.lower()}"
        if self._timed_out and status == "Stopped":
            secondary = "MaxRuntimeExceeded"
            message = "Training job runtime exceeded MaxRuntimeInSeconds provided"
        now = self._account.now()
        changes: TrainingJobChanges = {"TrainingJobStatus": status, "TrainingEndTime": now}
        if reason:
            changes["FailureReason"] = reason
        started = self._resources.table("training_jobs").require(self._name).get("TrainingStartTime")
        if isinstance(started, datetime):
            seconds = max(1, round((now - started).total_seconds()))
            changes["TrainingTimeInSeconds"] = changes["BillableTimeInSeconds"] = seconds
        if final := self._metrics.final():
            changes["FinalMetricDataList"] = final
        self._record(secondary, message, **changes)

    def _work(self) -> None:
        self._raise_if_stopped()
        self._record("Downloading", "Downloading input data", TrainingStartTime=self._account.now())
        image, role = self._job["image"], self._job["RoleArn"]
        files = while_pulling(self._account, image, role, lambda: self._downloading(self._input))
        self._raise_if_stopped()
        container = images.create_container(self._account, self._group, image, **self._options())
        self._downloading(lambda: files.put_into(container))
        self._raise_if_stopped()
        code = self._run_container(container)
        if self._account.tasks.stopping.is_set():
            return
        self._upload(container, code)
        if self._stopped:
            raise StoppedError
        if code != 0:
            raise JobError(self._algorithm_error(container, code))

    # --- before the container runs

    def _downloading(self, step: Callable[[], T]) -> T:
        """Take a step that reads S3; raise JobError in the words of SageMaker if S3 refuses."""
        try:
            return step()
        except ClientError as error:
            fault, status = error.response["Error"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            raise JobError(
                f"ClientError: Data download failed:{fault['Code']} ({status}): {fault['Message']}"
            ) from error

    def _input(self) -> Files:
        files = Files()
        for directory in ("", "/input", "/input/config", "/input/data", "/model", "/output", "/output/data"):
            files.directory(_ML + directory)
        files.json(f"{_ML}/input/config/hyperparameters.json", self._job.get("HyperParameters", {}))
        files.json(f"{_ML}/input/config/resourceconfig.json", self._resource_config())
        channels = self._job.get("InputDataConfig", [])
        files.json(
            f"{_ML}/input/config/inputdataconfig.json",
            {channel["ChannelName"]: self._channel_config(channel) for channel in channels},
        )
        for channel in channels:
            self._download(channel, files)
        if checkpoints := self._job.get("CheckpointConfig"):
            # All that begins with the prefix, "ck/run" as well as "ck/run2": as reported of AWS.
            bucket, prefix = split(checkpoints["S3Uri"])
            local = checkpoints.get("LocalPath", f"/{_ML}/checkpoints").strip("/")
            files.directory(local)
            for key in list_prefix(self._s3, bucket, prefix):
                path = f"{local}/{key[len(prefix) :].lstrip('/')}"
                files.file(path, partial(opened, self._s3, bucket, key))
        return files

    def _download(self, channel: ChannelUnionTypeDef, files: Files) -> None:
        try:
            objects = channel_objects(
                self._s3,
                channel["DataSource"]["S3DataSource"],
                self._account.config.region,
                self._job["RoleArn"],
            )
        except NoDataError as error:
            raise JobError(f"ClientError: Data download failed:{error}") from error
        for item in objects:
            path = f"{_ML}/input/data/{channel['ChannelName']}/{item.path}"
            files.file(path, partial(opened, self._s3, item.bucket, item.key))

    def _channel_config(self, channel: ChannelUnionTypeDef) -> dict[str, str]:
        source = channel["DataSource"]["S3DataSource"]
        config: dict[str, str] = {
            "TrainingInputMode": channel.get("InputMode", "File"),
            "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
        }
        if "ContentType" in channel:
            config["ContentType"] = channel["ContentType"]
        return config

    def _resource_config(self) -> dict[str, Any]:
        group, kind = "homogeneousCluster", self._job["ResourceConfig"]["InstanceType"]
        return {
            "current_host": _HOST,
            "current_instance_type": kind,
            "current_group_name": group,
            "hosts": [_HOST],
            "instance_groups": [{"instance_group_name": group, "instance_type": kind, "hosts": [_HOST]}],
            "network_interface_name": "eth0",
        }

    def _options(self) -> dict[str, Any]:
        algorithm = self._job["AlgorithmSpecification"]
        options: dict[str, Any] = {
            "command": algorithm.get("ContainerArguments", ["train"]),
            "hostname": _HOST,
            "mounts": [self._account.containers.volume(self._group, f"/{_ML}/input/data")],
            "environment": {
                "TRAINING_JOB_NAME": self._name,
                "TRAINING_JOB_ARN": self._job["TrainingJobArn"],
                "AWS_REGION": self._account.config.region,
                **self._job.get("Environment", {}),
            },
        }
        if "ContainerEntrypoint" in algorithm:
            options["entrypoint"] = algorithm["ContainerEntrypoint"]
            options["command"] = algorithm.get("ContainerArguments", [])
        if self._job["EnableNetworkIsolation"]:
            options["network_mode"] = "none"
        return options

    # --- while it runs

    def _run_container(self, container: Container) -> int:
        milliseconds = int(time.time() * 1000)
        stream = self._logs.stream(
            LOG_GROUP, f"{self._name}/{_HOST}-{milliseconds}", self._job["RoleArn"], self._metrics.scan
        )
        try:
            return self._run_logged(container, stream)
        finally:
            stream.close()
            self._send_metrics()

    def _run_logged(self, container: Container, stream: LogStream) -> int:
        running = JobContainer(container, stream, self._signals, name=self._group, grace=self._grace)
        running.start("the algorithm container starts when invoked with 'docker run <image> train'")
        self._record("Training", "Training image download completed. Training in progress.")
        seconds = self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
        return running.wait(seconds, self._send_metrics, self._ending)

    def _ending(self, signal: Signal) -> None:
        self._stopped = True
        if signal is Signal.TIME_UP:
            self._record("Stopping", "Stopping the training job", TrainingJobStatus="Stopping")
            self._timed_out = True

    def _send_metrics(self) -> None:
        """Send new metrics; they are a duty beside the job, and never decide its status."""
        if self._account.tasks.stopping.is_set():
            return
        if self._metrics.send(self._account.client("cloudwatch", self._job["RoleArn"])):
            with self._resources.table("training_jobs").update(self._name) as job:
                job["FinalMetricDataList"] = self._metrics.final()

    # --- after it ran

    def _upload(self, container: Container, code: int) -> None:
        """Upload the results as the request says: the model unless training failed, other output always."""
        output = self._job["OutputDataConfig"]
        bucket, prefix = split(output["S3OutputPath"])
        folder = prefix.rstrip("/")
        base = f"{folder}/{self._name}/output" if folder else f"{self._name}/output"
        packed = output.get("CompressionType", "GZIP") == "GZIP"
        uploads = Uploads(self._s3, self._account.config.state_dir)
        upload = uploads.archive if packed else uploads.files
        model, data = ("model.tar.gz", "output.tar.gz") if packed else ("model/", "data/")
        succeeded = code == 0 or self._stopped
        changes: TrainingJobChanges = {}
        if succeeded:
            changes["ModelArtifacts"] = {"S3ModelArtifacts": f"s3://{bucket}/{base}/{model}"}
        self._record("Uploading", "Uploading generated training model", **changes)
        try:
            if succeeded:
                upload(container, f"/{_ML}/model", bucket, f"{base}/{model}")
            upload(container, f"/{_ML}/output/data", bucket, f"{base}/{data}")
            if checkpoints := self._job.get("CheckpointConfig"):
                local = checkpoints.get("LocalPath", f"/{_ML}/checkpoints")
                uploads.files(container, local, *split(checkpoints["S3Uri"].rstrip("/") + "/"))
        except self._s3.exceptions.ClientError as error:
            raise JobError(
                f"ClientError: Artifact upload failed:Error {error.response['Error']['Message']} "
                f"(s3://{bucket}/{base}/)"
            ) from error

    def _algorithm_error(self, container: Container, code: int) -> str:
        suffix = f", exit code: {code}"
        room = REASON_LENGTH - len("AlgorithmError: ") - len(suffix)
        failure = read_text(container, f"/{_ML}/output/failure", room).strip()
        return f"AlgorithmError: {failure}{suffix}"
