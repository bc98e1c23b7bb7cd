"""One processing job, from its first status to its last.

The contract of the container is in the developer guide under "Build Your Own Processing Container".
"""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from botocore.exceptions import ClientError

from local_account.services.sagemaker import images
from local_account.services.sagemaker.archives import Files, read_bytes
from local_account.services.sagemaker.job_containers import JobContainer, Signal, while_pulling
from local_account.services.sagemaker.job_runs import JobRun, StoppedError
from local_account.services.sagemaker.jobs import JobError, JobKind, move
from local_account.services.sagemaker.processing_outputs import Outputs
from local_account.services.sagemaker.records import ProcessingJobChanges
from local_account.services.sagemaker.resources import Resources, public
from local_account.services.sagemaker.s3_data import NoDataError, channel_objects, opened

if TYPE_CHECKING:
    from docker.models.containers import Container
    from mypy_boto3_sagemaker.literals import ProcessingJobStatusType

    from local_account.services.sagemaker.logs import Logs, LogStream

LOG_GROUP = "/aws/sagemaker/ProcessingJobs"
KIND = JobKind("processing_jobs", "ProcessingJob", "SageMaker Processing Job State Change")
_HOST = "algo-1"
_MESSAGE_BYTES = 1024


def record(
    resources: Resources,
    name: str,
    status: ProcessingJobStatusType,
    **changes: Unpack[ProcessingJobChanges],
) -> None:
    """Move a job to a status, change other members, and notify EventBridge, as ``jobs.move`` does."""
    move(resources, KIND, name, status, changes)


class ProcessingRun(JobRun):
    """Carries out one processing job."""

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
        self._job = resources.table("processing_jobs").require(name)
        self._logs = logs
        self._signals = signals
        self._grace = grace
        self._stopped = False
        self._message: str | None = None
        self._s3 = self._account.client("s3", self._job["RoleArn"])

    def _end(self, status: ProcessingJobStatusType, reason: str = "") -> None:
        changes: ProcessingJobChanges = {"ProcessingEndTime": self._account.now()}
        if reason:
            changes["FailureReason"] = reason
        if self._message is not None:
            changes["ExitMessage"] = self._message
        record(self._resources, self._name, status, **changes)

    def _work(self) -> None:
        self._raise_if_stopped()
        record(self._resources, self._name, "InProgress", ProcessingStartTime=self._account.now())
        files = while_pulling(self._account, self._job["image"], self._job["RoleArn"], self._files)
        self._raise_if_stopped()
        container = images.create_container(self._account, self._group, self._job["image"], **self._options())
        try:
            files.put_into(container)
        except ClientError as error:
            raise _not_downloaded(error) from error
        self._raise_if_stopped()
        outputs = Outputs(self._account, self._s3, container, self._job)
        code = self._run_container(container, outputs)
        if self._account.tasks.stopping.is_set():
            return
        self._message = self._exit_message(container)
        outputs.upload(succeeded=code == 0 and not self._stopped)
        if self._stopped:
            raise StoppedError
        if code != 0:
            raise JobError(f"AlgorithmError: , exit code: {code}")

    # --- before the container runs

    def _files(self) -> Files:
        files = Files()
        for directory in ("", "/config", "/processing", "/output"):
            files.directory(f"opt/ml{directory}")
        files.json("opt/ml/config/processingjobconfig.json", self._config())
        files.json(
            "opt/ml/config/resourceconfig.json",
            {
                "current_host": _HOST,
                "current_instance_type": self._job["ProcessingResources"]["ClusterConfig"]["InstanceType"],
                "hosts": [_HOST],
                "network_interface_name": "eth0",
            },
        )
        for given in self._job.get("ProcessingInputs", []):
            self._download(given["S3Input"], files)
        for output in self._job.get("ProcessingOutputConfig", {}).get("Outputs", []):
            files.tree(output["S3Output"]["LocalPath"].strip("/"))
        return files

    def _download(self, source: Any, files: Files) -> None:
        local = source["LocalPath"].strip("/")
        try:
            objects = channel_objects(self._s3, source, self._account.config.region, self._job["RoleArn"])
        except NoDataError as error:
            raise JobError(f"ClientError: Failed to download data. {error}") from error
        files.tree(local)
        for item in objects:
            files.file(f"{local}/{item.path}", partial(opened, self._s3, item.bucket, item.key))

    def _config(self) -> dict[str, Any]:
        """Return what the container is told of the request; what was not given is null."""
        job: dict[str, Any] = public(self._job)
        specification = {"ContainerEntrypoint": None, "ContainerArguments": None, **job["AppSpecification"]}
        outputs = job.get("ProcessingOutputConfig", {})
        return {
            "ProcessingJobArn": job["ProcessingJobArn"],
            "ProcessingJobName": self._name,
            "AppSpecification": specification,
            "Environment": job.get("Environment", {}),
            "ProcessingInputs": [
                {**one, "S3Input": {**one["S3Input"], "S3DownloadMode": "StartOfJob"}}
                for one in job.get("ProcessingInputs", [])
            ],
            "ProcessingOutputConfig": {
                "Outputs": outputs.get("Outputs", []),
                "KmsKeyId": outputs.get("KmsKeyId"),
            },
            "ProcessingResources": {
                "ClusterConfig": {"VolumeKmsKeyId": None, **job["ProcessingResources"]["ClusterConfig"]}
            },
            "RoleArn": job["RoleArn"],
            "StoppingCondition": job["StoppingCondition"],
        }

    def _options(self) -> dict[str, Any]:
        specification = self._job["AppSpecification"]
        given = self._job.get("ProcessingInputs", [])
        inputs = [one["S3Input"]["LocalPath"].rstrip("/") for one in given]
        options: dict[str, Any] = {
            "hostname": _HOST,
            "mounts": [
                self._account.containers.volume(self._group, path)
                for path in inputs
                if not any(path != other and f"{path}/".startswith(f"{other}/") for other in inputs)
            ],
            "environment": {"AWS_REGION": self._account.config.region, **self._job.get("Environment", {})},
        }
        if "ContainerEntrypoint" in specification:
            options["entrypoint"] = list(specification["ContainerEntrypoint"])
        if "ContainerArguments" in specification:
            options["command"] = list(specification["ContainerArguments"])
        if self._job.get("NetworkConfig", {}).get("EnableNetworkIsolation"):
            options["network_mode"] = "none"
        return options

    # --- while it runs

    def _run_container(self, container: Container, outputs: Outputs) -> int:
        name = f"{self._name}/{_HOST}-{int(time.time() * 1000)}"
        stream = self._logs.stream(LOG_GROUP, name, self._job["RoleArn"])
        try:
            return self._run_logged(container, stream, outputs)
        finally:
            stream.close()

    def _run_logged(self, container: Container, stream: LogStream, outputs: Outputs) -> int:
        running = JobContainer(container, stream, self._signals, name=self._group, grace=self._grace)
        running.start("the container starts when invoked with 'docker run <image>'")
        done = threading.Event()
        continuous = self._account.tasks.spawn(f"{self._group}-outputs", outputs.keep_uploading, done)
        try:
            seconds = self._job["StoppingCondition"]["MaxRuntimeInSeconds"]
            return running.wait(seconds, lambda: None, self._ending)
        finally:
            done.set()
            continuous.join()

    def _ending(self, signal: Signal) -> None:
        self._stopped = True
        if signal is Signal.TIME_UP:
            record(self._resources, self._name, "Stopping")

    def _exit_message(self, container: Container) -> str | None:
        content = read_bytes(container, "/opt/ml/output/message", _MESSAGE_BYTES)
        if content is None:
            return None
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            if error.reason == "unexpected end of data" and error.end == _MESSAGE_BYTES:
                return content[: error.start].decode()  # a character that is cut in two
            raise JobError("ClientError: The exit message of the container is not UTF-8 encoded") from error


def _not_downloaded(error: ClientError) -> JobError:
    fault = error.response["Error"]
    return JobError(f"ClientError: Failed to download data. {fault['Code']}: {fault['Message']}")
