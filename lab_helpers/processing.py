"""Processing jobs of a lab: a program of a notebook, run in the model image.

Contract: SageMaker AI API, CreateProcessingJob and DescribeProcessingJob.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast

from lab_helpers import waits
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.names import LAB_TAG

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import ProcessingInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import ProcessingInputTypeDef

ROOT = "/opt/ml/processing"
"""Where inputs and outputs are in the container, each in a folder of its own."""


class JobFailed(WorkshopError, RuntimeError):  # noqa: N818 (a lesson speaks of jobs that failed)
    """A processing job did not complete; the message has SageMaker's reason."""


def start(
    lab: Lab,
    job: str,
    *,
    image: str,
    program: str,
    arguments: Sequence[str],
    inputs: Mapping[str, str],
    output: tuple[str, str],
    instance_type: str,
) -> None:
    """Start a job: `program` is the key of a Python file, `inputs` are keys or prefixes by folder.

    `output` is a folder, and the prefix that it is copied to when the job completes.
    """
    folder, prefix = output
    lab.client("sagemaker").create_processing_job(
        ProcessingJobName=job,
        AppSpecification={
            "ImageUri": image,
            "ContainerEntrypoint": ["python", f"{ROOT}/code/{PurePosixPath(program).name}"],
            "ContainerArguments": list(arguments),
        },
        ProcessingInputs=[_input(lab, name, key) for name, key in {"code": program, **inputs}.items()],
        ProcessingOutputConfig={
            "Outputs": [
                {
                    "OutputName": folder,
                    "S3Output": {
                        "S3Uri": f"s3://{lab.bucket}/{prefix}",
                        "LocalPath": f"{ROOT}/{folder}",
                        "S3UploadMode": "EndOfJob",
                    },
                }
            ]
        },
        ProcessingResources={
            "ClusterConfig": {
                "InstanceCount": 1,
                "InstanceType": cast("ProcessingInstanceTypeType", instance_type),
                "VolumeSizeInGB": 5,
            }
        },
        RoleArn=lab.settings["SAGEMAKER_ROLE_ARN"],
        StoppingCondition={"MaxRuntimeInSeconds": 600},
        Tags=[{"Key": LAB_TAG, "Value": lab.names.tag}],
    )


def _input(lab: Lab, name: str, key: str) -> ProcessingInputTypeDef:
    return {
        "InputName": name,
        "S3Input": {
            "S3Uri": f"s3://{lab.bucket}/{key}",
            "LocalPath": f"{ROOT}/{name}",
            "S3DataType": "S3Prefix",
            "S3InputMode": "File",
        },
    }


def follow(lab: Lab, job: str, what: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Wait until a job has completed; `what` it is, such as `check`, is shown. Raises JobFailed."""
    describe = functools.partial(lab.client("sagemaker").describe_processing_job, ProcessingJobName=job)
    found = waits.until_ended(
        what, job, describe, lambda one: one["ProcessingJobStatus"], within="ten minutes", sleep=sleep
    )
    status = found["ProcessingJobStatus"]
    if status != "Completed":
        reason = found.get("ExitMessage") or found.get("FailureReason") or "no reason given"
        raise JobFailed(f"{job} is {status}: {reason}")
