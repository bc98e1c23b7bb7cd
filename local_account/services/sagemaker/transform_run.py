"""One transform job, from its container's start to the last stored object.

The contract of the container is in the developer guide under "Custom Inference Code with Batch Transform";
what is stored where, in the API under TransformOutput.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Unpack, cast

import urllib3

from local_account.foundation.containers import engine_errors, explained
from local_account.services.sagemaker import deployments
from local_account.services.sagemaker.data_processing import data_processing
from local_account.services.sagemaker.fleets import DeploymentError
from local_account.services.sagemaker.job_runs import JobRun, StoppedError
from local_account.services.sagemaker.jobs import JobError, JobKind, move
from local_account.services.sagemaker.records import TransformJobChanges
from local_account.services.sagemaker.resources import Resources
from local_account.services.sagemaker.s3_data import NoDataError, channel_objects
from local_account.services.sagemaker.serving_containers import ServingContainer
from local_account.services.sagemaker.transform_objects import ObjectError, ObjectTransform, Parameters

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import TransformJobStatusType
    from mypy_boto3_sagemaker.type_defs import CreateTransformJobRequestTypeDef, S3DataSourceTypeDef

    from local_account.services.sagemaker.logs import Logs

LOG_GROUP = "/aws/sagemaker/TransformJobs"
KIND = JobKind(
    "transform_jobs", "TransformJob", "SageMaker Transform Job State Change", modified="last_modified"
)
_PING_PAUSE = 0.1
_PAYLOAD, _MOST = 6, 100
"""The default of MaxPayloadInMB, and the most concurrent requests that a container can ask for."""


def record(
    resources: Resources,
    name: str,
    status: TransformJobStatusType,
    **changes: Unpack[TransformJobChanges],
) -> None:
    """Move a job to a status, change other members, and notify EventBridge, as ``jobs.move`` does."""
    move(resources, KIND, name, status, changes)


class TransformRun(JobRun):
    """Carries out one transform job."""

    kind = KIND

    def __init__(
        self, resources: Resources, name: str, logs: Logs, stop: threading.Event, startup_seconds: float
    ) -> None:
        super().__init__(resources, name)
        self._job = resources.table("transform_jobs").require(name)
        self._spec = self._job["spec"]
        self._processing = data_processing(cast("CreateTransformJobRequestTypeDef", self._job))
        self._stop = stop
        self._startup_seconds = startup_seconds
        self._s3 = self._account.client("s3", self._spec["role_arn"])
        instance = f"i-{uuid.uuid4().hex[:17]}-{int(time.time() * 1000)}"
        self._output, self._data_log = (
            logs.stream(LOG_GROUP, f"{name}/{instance}{end}", self._spec["role_arn"])
            for end in ("", "/data-log")
        )

    def run(self) -> None:
        """Run the job to its end, and remove what it leaves on this machine."""
        try:
            super().run()
        finally:
            self._output.close()
            self._data_log.close()
            directory = deployments.endpoint_directory(self._account, self._group)
            shutil.rmtree(directory, ignore_errors=True)

    def _work(self) -> None:
        try:
            self._transform()
        except JobError:
            raise
        except Exception as error:
            if self._stop.is_set() and not self._account.tasks.stopping.is_set():
                raise StoppedError from error  # its container was taken away
            raise

    def _end(self, status: TransformJobStatusType, reason: str = "") -> None:
        self._data_log.flush()  # whoever sees the end finds the reason
        changes: TransformJobChanges = {"TransformEndTime": self._account.now()}
        if reason:
            changes["FailureReason"] = reason
        record(self._resources, self._name, status, **changes)

    def _transform(self) -> None:
        self._raise_if_stopped()
        record(self._resources, self._name, "InProgress", TransformStartTime=self._account.now())
        try:
            deployments.prepare(self._account, self._group, [self._spec])
            container = ServingContainer(self._account, self._group, self._spec, self._output)
        except DeploymentError as error:
            raise JobError(f"ClientError: {error}") from error
        except engine_errors() as error:
            raise JobError(f"InternalServerError: {explained(error)}") from error
        try:
            self._transform_with(container)
        finally:
            container.finish()  # whoever sees the job's end finds all that it printed

    def _transform_with(self, container: ServingContainer) -> None:
        self._raise_if_stopped()
        self._wait_for_ping(container)
        if container.pool is None:
            raise JobError("AlgorithmError: See job logs for more information")
        parameters = self._parameters(container.pool)
        self._say(str(parameters))
        self._transform_objects(container.pool, parameters)

    def _wait_for_ping(self, container: ServingContainer) -> None:
        deadline = time.monotonic() + self._startup_seconds
        while why := container.ping():
            if container.exited.is_set() or time.monotonic() > deadline:
                self._raise_if_stopped()
                self._say(f"Model server did not respond to /ping requests ({why})")
                raise JobError("AlgorithmError: See job logs for more information")
            if self._stop.wait(_PING_PAUSE):
                raise StoppedError

    def _parameters(self, pool: urllib3.HTTPConnectionPool) -> Parameters:
        own = self._execution_parameters(pool)
        strategy = self._job.get("BatchStrategy") or own.get("BatchStrategy") or "MULTI_RECORD"
        concurrent = self._job.get("MaxConcurrentTransforms") or own.get("MaxConcurrentTransforms") or 1
        payload = self._job.get("MaxPayloadInMB", own.get("MaxPayloadInMB", _PAYLOAD))
        return Parameters(
            min(int(concurrent), _MOST), strategy in {"SingleRecord", "SINGLE_RECORD"}, int(payload)
        )

    def _execution_parameters(self, pool: urllib3.HTTPConnectionPool) -> dict[str, Any]:
        """Ask the container for its own wishes; a container need not have any."""
        with contextlib.suppress(urllib3.exceptions.HTTPError, ValueError):
            answer = pool.request("GET", "/execution-parameters", timeout=2.0)
            if answer.status == 200:
                wishes = json.loads(answer.data)
                return wishes if isinstance(wishes, dict) else {}
        return {}

    # --- objects

    def _transform_objects(self, pool: urllib3.HTTPConnectionPool, parameters: Parameters) -> None:
        source = cast("S3DataSourceTypeDef", self._job["TransformInput"]["DataSource"]["S3DataSource"])
        role = self._spec["role_arn"]
        try:
            objects = channel_objects(self._s3, source, self._account.config.region, role)
        except NoDataError as error:
            raise JobError(f"ClientError: {error}") from error
        faults: list[str] = []
        # Requests have threads of their own: an object that waits for its answers takes none of theirs.
        with (
            ThreadPoolExecutor(parameters.concurrent, f"{self._group}-send") as senders,
            ThreadPoolExecutor(min(parameters.concurrent, len(objects)), self._group) as pool_of_objects,
        ):
            transform = ObjectTransform(
                self._account, self._job, self._processing, parameters, pool=pool, senders=senders
            )
            for item, done in [(one, pool_of_objects.submit(transform.run, one)) for one in objects]:
                try:
                    done.result()
                except ObjectError as error:
                    faults.append(error.fault)
                    for line in error.lines:
                        self._say(f"{item.bucket}/{item.key}: {line}")
        if faults:
            fault = "AlgorithmError" if "AlgorithmError" in faults else faults[0]
            raise JobError(f"{fault}: See job logs for more information")

    def _say(self, line: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00")
        self._data_log.write(f"{now}:[sagemaker logs]: {line}\n".encode())
