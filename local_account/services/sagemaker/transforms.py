"""The operations for transform jobs (batch transform). What a job does is in ``transform_run``.

Differs from AWS: `TransformResources.VolumeKmsKeyId` and `TransformOutput.KmsKeyId` are kept and have no
effect. A transform job that is still running when the account stops fails with `InternalServerError`.

Refuses (CreateTransformJob): more than one instance, `SplitType` RecordIO and TFRecord.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from local_account.foundation.containers import engine_errors
from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import instance_quotas
from local_account.services.sagemaker.data_processing import data_processing
from local_account.services.sagemaker.jobs import ENDED, INTERRUPTED
from local_account.services.sagemaker.leftovers import when_engine_answers
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
from local_account.services.sagemaker.transform_run import TransformRun, group, record

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateTransformJobRequestTypeDef,
        DescribeTransformJobRequestTypeDef,
        ListTransformJobsRequestTypeDef,
        S3DataSourceTypeDef,
        StopTransformJobRequestTypeDef,
    )

    from local_account.foundation.account import Account

log = logging.getLogger(__name__)

_UNSUPPORTED = ("DataCaptureConfig", "ExperimentConfig")
"""Refuses in CreateTransformJob."""
_LARGEST = 100
"""The largest MaxPayloadInMB, and MaxPayloadInMB times MaxConcurrentTransforms."""


class TransformJobs(Models):
    """Transform jobs, one container each; ``transform_startup_seconds`` pass until ``/ping`` must answer."""

    transform_startup_seconds = 480.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._transform_logs = Logs(account)
        self._transform_stops: dict[str, threading.Event] = {}

    def start(self) -> None:
        """End what a killed account left behind: its containers are no longer watched."""
        super().start()
        for name, job in self.table("transform_jobs").items():
            if job["TransformJobStatus"] not in ENDED:
                self.account.tasks.spawn(f"transform-job-{name}", self._give_up_transform, name)

    def stop(self) -> None:
        """End the containers of running jobs; ``start`` records their end."""
        try:
            for name in list(self._transform_stops):
                self.account.containers.end(group(name))
        except engine_errors() as error:
            log.warning("the containers of transform jobs end when the account starts again: %s", error)
        finally:
            super().stop()

    def create_transform_job(self, params: CreateTransformJobRequestTypeDef) -> Answer:
        """See CreateTransformJob.

        Raises ServiceError ResourceInUse for a name in use, ResourceLimitExceeded if other jobs use all
        instances, ValidationException for a model that does not exist, no data, or limits that are exceeded.
        """
        name = params["TransformJobName"]
        arn = self.resource_arn("transform-job", name)
        in_use = ServiceError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already "
            f"exists ({arn})",
        )
        _check_features(params)
        data_processing(params)
        job = self._transform_document(params, arn)
        table = self.table("transform_jobs")
        if self.exists(arn):
            raise in_use
        self._check_transform_input(job)
        quotas = self.account.quotas("sagemaker")
        with table.lock:
            running = [one for one in table.values() if one["TransformJobStatus"] not in ENDED]
            used = Counter(map(instance_quotas.transform, running))
            instance_quotas.check_types(quotas, used, Counter([instance_quotas.transform(job)]))
            instance_quotas.check_total(quotas, instance_quotas.TRANSFORM_JOBS, len(running), 1)
            self.add(table, name, job, arn, params.get("Tags", []), in_use=in_use)
            self._transform_stops[name] = threading.Event()
        self.account.tasks.spawn(f"transform-job-{name}", self._run_transform, name)
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
        job = self._transform_job(name)
        if job["TransformJobStatus"] in ENDED:
            raise invalid(
                "The request was rejected because the transform job is in status "
                f"{job['TransformJobStatus']}."
            )
        stop = self._transform_stops.get(name)
        if stop and job["TransformJobStatus"] != "Stopping":
            record(self, name, "Stopping")
            stop.set()
            with contextlib.suppress(*engine_errors()):  # otherwise the job ends it, once the engine answers
                self.account.containers.end(group(name))
        return {}

    def _run_transform(self, name: str) -> None:
        try:
            TransformRun(
                self,
                name,
                self._transform_logs,
                self._transform_stops[name],
                self.transform_startup_seconds,
            ).run()
        finally:
            self._transform_stops.pop(name, None)

    def _give_up_transform(self, name: str) -> None:
        record(
            self,
            name,
            "Failed",
            FailureReason=INTERRUPTED,
            TransformEndTime=self.account.now(),
        )
        end = partial(self.account.containers.end, group(name))
        when_engine_answers(self.account, f"transform job {name}", end)

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
