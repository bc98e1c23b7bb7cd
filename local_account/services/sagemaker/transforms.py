"""The operations for transform jobs (batch transform). What a job does is in ``transform_run``.

Differs from AWS: `TransformResources.VolumeKmsKeyId`, `TransformResources.TransformAmiVersion` and
`TransformOutput.KmsKeyId` are kept and have no effect. A transform job that is still running when the account
stops fails with `InternalServerError`.

Refuses (CreateTransformJob): more than one instance, `SplitType` RecordIO and TFRecord.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.containers import engine_errors
from local_account.gateway.service import Answer
from local_account.services.sagemaker import instance_quotas
from local_account.services.sagemaker.data_processing import data_processing
from local_account.services.sagemaker.job_tasks import Jobs, JobTasks
from local_account.services.sagemaker.jobs import INTERRUPTED, name_in_use
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.models import Models, model_data_url, primary_container
from local_account.services.sagemaker.records import TransformJob, VariantSpec
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
    unsupported,
)
from local_account.services.sagemaker.s3_data import NoDataError, channel_objects
from local_account.services.sagemaker.transform_run import KIND, TransformRun, record

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateTransformJobRequestTypeDef,
        DescribeTransformJobRequestTypeDef,
        ListTransformJobsRequestTypeDef,
        S3DataSourceTypeDef,
        StopTransformJobRequestTypeDef,
    )

    from local_account.foundation.account import Account

_UNSUPPORTED = ("DataCaptureConfig", "ExperimentConfig")
"""Refuses in CreateTransformJob."""
_LARGEST = 100
"""The largest MaxPayloadInMB, and MaxPayloadInMB times MaxConcurrentTransforms."""


class TransformJobs(Jobs, Models):
    """Transform jobs, one container each; ``transform_startup_seconds`` pass until ``/ping`` must answer."""

    transform_startup_seconds = 480.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._transform_logs = Logs(account)
        self._transforms = self.tasks_of(JobTasks[threading.Event](self, KIND, self._give_up_transform))

    def create_transform_job(self, params: CreateTransformJobRequestTypeDef) -> Answer:
        """See CreateTransformJob.

        Raises ServiceError ResourceInUse for a name in use, ResourceLimitExceeded if other jobs use all
        instances, ValidationException for a model that does not exist, no data, or limits that are exceeded.
        """
        name = params["TransformJobName"]
        arn = self.resource_arn("transform-job", name)
        in_use = name_in_use(arn)
        _check_features(params)
        data_processing(params)
        job = self._transform_document(params, arn)
        table = self.table("transform_jobs")
        if self.exists(arn):
            raise in_use
        self._check_transform_input(job)
        quotas = self.account.quotas("sagemaker")
        with table.lock:
            instance_quotas.check_jobs(quotas, instance_quotas.TRANSFORM_JOBS, KIND.running(self), job)
            self.add(table, name, job, arn, params.get("Tags", []), in_use=in_use)
            self._transforms.expect(name, threading.Event())
        self._transforms.carry_out(name, self._run_transform)
        return {"TransformJobArn": arn}

    def describe_transform_job(self, params: DescribeTransformJobRequestTypeDef) -> Answer:
        """See DescribeTransformJob."""
        return public(self._transform_job(params["TransformJobName"]))

    def list_transform_jobs(self, params: ListTransformJobsRequestTypeDef) -> Answer:
        """See ListTransformJobs."""
        jobs, token = list_page(
            params, self.table("transform_jobs"), name="TransformJobName", status="TransformJobStatus"
        )
        summaries = [{**public(job), "LastModifiedTime": job["last_modified"]} for job in jobs]
        return {"TransformJobSummaries": summaries, "NextToken": token}

    def stop_transform_job(self, params: StopTransformJobRequestTypeDef) -> Answer:
        """See StopTransformJob; what is not stored yet is lost."""
        name = params["TransformJobName"]
        if stop := self._transforms.to_stop(self._transform_job(name)):
            record(self, name, "Stopping")
            stop.set()
            with contextlib.suppress(*engine_errors()):  # otherwise the job ends it, once the engine answers
                self.account.containers.end(KIND.group(name))
        return {}

    def _run_transform(self, name: str, stop: threading.Event) -> None:
        TransformRun(self, name, self._transform_logs, stop, self.transform_startup_seconds).run()

    def _give_up_transform(self, name: str) -> None:
        now = self.account.now()
        record(self, name, "Failed", FailureReason=INTERRUPTED, TransformEndTime=now)

    def _transform_job(self, name: str) -> TransformJob:
        job = self.table("transform_jobs").get(name)
        if job is None:
            raise invalid(f"Could not find requested job with name: {name}")
        return job

    def _transform_document(self, params: CreateTransformJobRequestTypeDef, arn: str) -> TransformJob:
        now = self.account.now()
        asked = params["TransformInput"]
        job: dict[str, Any] = {
            **{key: value for key, value in params.items() if key != "Tags"},
            "TransformJobArn": arn,
            "TransformJobStatus": "InProgress",
            "TransformInput": {"CompressionType": "None", "SplitType": "None", **asked},
            "TransformOutput": {"AssembleWith": "None", **params["TransformOutput"]},
            "DataProcessing": {
                "InputFilter": "$",
                "OutputFilter": "$",
                "JoinSource": "None",
                **params.get("DataProcessing", {}),
            },
            "CreationTime": now,
            "last_modified": now,
            "spec": self._transform_spec(params),
        }
        return cast("TransformJob", job)

    def _transform_spec(self, params: CreateTransformJobRequestTypeDef) -> VariantSpec:
        model = self.model(params["ModelName"])
        container = primary_container(model)
        if container.get("ModelDataSource"):
            raise invalid(
                "SageMaker Batch currently doesn't support Model entity with container definitions which use "
                "ModelDataSource attribute."
            )
        return {
            "name": params["TransformJobName"],
            "model_name": params["ModelName"],
            "specified_image": container["Image"],
            "environment": {
                **container.get("Environment", {}),
                **params.get("Environment", {}),
                **_of_batch(params),
            },
            "model_data_url": model_data_url(container),
            "role_arn": model["ExecutionRoleArn"],
            "startup_seconds": self.transform_startup_seconds,
            "count": 1,
            "weight": 1.0,
            "image": "",
            "resolved_at": None,
            "model_dir": None,
        }

    def _check_transform_input(self, job: TransformJob) -> None:
        role = job["spec"]["role_arn"]
        s3 = self.account.client("s3", role)
        source = cast("S3DataSourceTypeDef", job["TransformInput"]["DataSource"]["S3DataSource"])
        try:
            channel_objects(s3, source, self.account.config.region, role)
        except NoDataError as error:
            raise invalid(str(error)) from error


def _of_batch(params: CreateTransformJobRequestTypeDef) -> dict[str, str]:
    """Return the variables that say how requests come: what the request leaves open is not passed."""
    found = {"SAGEMAKER_BATCH": "true"}
    if "MaxPayloadInMB" in params:
        found["SAGEMAKER_MAX_PAYLOAD_IN_MB"] = str(params["MaxPayloadInMB"])
    if "BatchStrategy" in params:
        single = params["BatchStrategy"] == "SingleRecord"
        found["SAGEMAKER_BATCH_STRATEGY"] = "SINGLE_RECORD" if single else "MULTI_RECORD"
    if params.get("MaxConcurrentTransforms"):
        found["SAGEMAKER_MAX_CONCURRENT_TRANSFORMS"] = str(params["MaxConcurrentTransforms"])
    return found


def _check_features(params: CreateTransformJobRequestTypeDef) -> None:
    refuse_unsupported(params, _UNSUPPORTED)
    if (count := params["TransformResources"]["InstanceCount"]) > 1:
        raise unsupported(f"a transform job on several instances (InstanceCount {count}; use 1)")
    given = params["TransformInput"]
    if given.get("SplitType", "None") not in ("None", "Line"):
        raise unsupported(f"the SplitType {given['SplitType']} (use Line or None)")
    source = given["DataSource"]["S3DataSource"]
    if source["S3DataType"] not in ("S3Prefix", "ManifestFile"):
        raise invalid(f"S3DataType {source['S3DataType']} is not for transform jobs")
    payload, concurrent = params.get("MaxPayloadInMB", 6), params.get("MaxConcurrentTransforms", 0)
    if payload > _LARGEST:
        raise invalid(f"MaxPayloadInMB is {payload}: it cannot be greater than {_LARGEST}")
    if "MaxConcurrentTransforms" in params and payload * concurrent > _LARGEST:
        raise invalid(
            f"MaxConcurrentTransforms * MaxPayloadInMB is {payload * concurrent}: it cannot exceed {_LARGEST}"
        )
