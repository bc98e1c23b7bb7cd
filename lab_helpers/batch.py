"""Predictions for a file: a transform job with the model of a release, and what it costs.

Contract: SageMaker AI API, CreateTransformJob (split by lines, the output has the input's order);
SageMaker AI pricing: a job is billed by the second while it runs, an endpoint as long as it exists.
"""

from __future__ import annotations

import csv
import functools
import io
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, cast

from lab_helpers import keys, waits
from lab_helpers.display import Table
from lab_helpers.endpoints import Release, Row
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.names import LAB_TAG
from lab_helpers.prices import PriceError, Prices
from lab_helpers.training import read

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import TransformInstanceTypeType

STARTS = 60
"""Seconds that are billed before the first row is answered: the container is pulled, the model loaded."""
MILLION = 1_000_000
DAYS = (10_000, MILLION, 100 * MILLION)
"""Rows a day that are compared."""


class BatchError(WorkshopError, RuntimeError):
    """A transform job has failed; the message has its reason."""


@dataclass(frozen=True)
class Answers:
    """What a transform job has answered, in the order of the rows."""

    job: str
    labels: tuple[str, ...]
    uri: str


def transform(
    lab: Lab,
    release: Release,
    rows: Sequence[Row],
    *,
    instance_type: str,
    sleep: Callable[[float], None] = time.sleep,
) -> Answers:
    """Ask the model of a release about rows in a transform job, and wait for it.

    The job has a name of notebook 03a, whose jobs the role may run. Raises BatchError with the job's reason.
    """
    job = lab.names.sdk_job(secrets.token_hex(3))
    place = f"{keys.BATCH}{job}"
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        ["" if cell is None else cell for cell in row] for row in rows
    )
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{place}/rows.csv", Body=text.getvalue().encode())
    lab.client("sagemaker").create_transform_job(
        TransformJobName=job,
        ModelName=release.model,
        BatchStrategy="MultiRecord",
        TransformInput={
            "DataSource": {
                "S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{lab.bucket}/{place}/rows.csv"}
            },
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        TransformOutput={
            "S3OutputPath": f"s3://{lab.bucket}/{place}",
            "Accept": "text/csv",
            "AssembleWith": "Line",
        },
        TransformResources={
            "InstanceType": cast("TransformInstanceTypeType", instance_type),
            "InstanceCount": 1,
        },
        Tags=[{"Key": LAB_TAG, "Value": lab.names.tag}],
    )
    _follow(lab, job, sleep)
    uri = f"s3://{lab.bucket}/{place}/rows.csv.out"
    lines = csv.reader(io.StringIO(read(lab, uri).decode()))
    return Answers(job, tuple(line[0] for line in lines if line), uri)


def same(batch: Sequence[str], online: Sequence[str | float]) -> bool:
    """Return whether a transform job and an endpoint have given the same answers.

    A job writes a regressor's numbers as text.
    """
    return len(batch) == len(online) and all(
        float(one) == other if isinstance(other, int | float) else one == other
        for one, other in zip(batch, online, strict=True)
    )


def _follow(lab: Lab, job: str, sleep: Callable[[float], None]) -> None:
    describe = functools.partial(lab.client("sagemaker").describe_transform_job, TransformJobName=job)
    found = waits.until_ended(
        "transform job", job, describe, lambda one: one["TransformJobStatus"], within="minutes", sleep=sleep
    )
    status = found["TransformJobStatus"]
    if status != "Completed":
        raise BatchError(f"{job} is {status}: {found.get('FailureReason') or 'no reason given'}")


def costs(region: str, endpoint_type: str, job_type: str, seconds_per_row: float) -> Table:
    """Compare an endpoint that serves all day with a transform job once a day, in USD per million rows.

    `seconds_per_row` is how long the model takes; the endpoint has one instance, whatever the traffic.
    """
    try:
        prices = Prices.load(region)
    except PriceError:  # no prices for this region: an estimate is better than nothing
        prices = Prices.load()
    hour, job = prices.hourly(f"endpoint:{endpoint_type}"), prices.hourly(f"training:{job_type}")
    rows = []
    for count in DAYS:
        hours = (Decimal(STARTS) + Decimal(str(seconds_per_row)) * count) / 3600
        online, batch = (spent * MILLION / count for spent in (hour * max(Decimal(24), hours), job * hours))
        rows.append([f"{count:,}", f"{online:.4f}", f"{batch:.4f}"])
    return Table(
        ["rows a day", "endpoint, USD per million", "batch, USD per million"],
        rows,
        caption=f"prices of {prices.region}, {prices.as_of:%Y-%m-%d}",
    )
