"""Monitoring PRD: what clients sent and got, compared with the training data by a processing job.

Contract: SageMaker AI API, CreateProcessingJob; Developer Guide, "Data capture". The program of the job is
`notebooks/monitoring/check.py`, which runs in the model's own image.
"""

from __future__ import annotations

import csv
import functools
import html
import io
import json
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lab_helpers import keys, processing, waits
from lab_helpers.display import Table, duration, framed
from lab_helpers.endpoints import SERVES, Release, Row, release
from lab_helpers.errors import WorkshopError
from lab_helpers.examples import Examples
from lab_helpers.lab import Lab
from lab_helpers.live import Live, tick
from lab_helpers.load import INFERENCE_ID as LOAD
from lab_helpers.metrics import VARIANT
from lab_helpers.training import read

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.type_defs import MetricAlarmTypeDef

NAMESPACE, METRIC = "MLOpsWorkshop", "DriftedFeatures"
NO_CLIENTS = ("held-out-rows", LOAD)
"""Inference ids of the monitor's and the tester's questions, and of the load test."""
LATE = timedelta(minutes=10)
"""How long after a request its captured data may come."""
HEIGHT = 620
"""Of the page in a notebook, in pixels."""


class MonitoringError(WorkshopError, RuntimeError):
    """Nothing is captured; the message says why."""


@dataclass(frozen=True)
class Traffic:
    """Requests for one row each: their inference ids, what was predicted, and when, in UTC."""

    endpoint: str
    ids: tuple[str, ...]
    labels: tuple[str | float, ...]
    since: datetime
    until: datetime


class Result:
    """What a check found; in a notebook, its page."""

    def __init__(self, job: str, report: Mapping[str, Any], page: str) -> None:
        self.job, self.report, self.page = job, report, page

    @property
    def drifted(self) -> list[str]:
        """The features that differ from the training data, and `prediction` if the answers do."""
        return list(self.report["drifted"])

    @property
    def rows(self) -> int:
        """How many captured rows were compared."""
        return int(self.report["rows"])

    def __repr__(self) -> str:
        return str(self.report["summary"])

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(repr(self))}</p>" + framed(f"Report of {self.job}", self.page, HEIGHT)


def production(lab: Lab) -> Release:
    """Return what PRD serves. Raises MonitoringError if it does not serve, or captures nothing."""
    client, name = lab.client("sagemaker"), lab.names.prd_endpoint
    pages = client.get_paginator("list_endpoints").paginate(NameContains=name)
    states = {one["EndpointName"]: one["EndpointStatus"] for page in pages for one in page["Endpoints"]}
    if states.get(name) not in SERVES:
        raise MonitoringError(
            f"the endpoint {name} {'is ' + states[name] if name in states else 'does not exist'}: "
            "approve a release in notebook 04 first"
        )
    found = client.describe_endpoint(EndpointName=name).get("DataCaptureConfig", {})
    if not found.get("EnableCapture"):
        raise MonitoringError(
            f"the endpoint {name} captures nothing: it was released before PRD's template asked for it, or "
            "with a CapturePercentage of 0. Train and release again (notebooks 03 and 04)"
        )
    return release(lab, name)


def write_baseline(lab: Lab, release: Release, known: Examples) -> str:
    """Write the rows that a release was trained with to the bucket, and return the key."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    features = list(known.evaluation.get("features", {}))
    lines.writerow([*features, known.evaluation.get("target", "target")])
    lines.writerows([*row, answer] for row, answer in zip(known.rows, known.answers, strict=True))
    key = f"{keys.BASELINE}{release.execution_id}/training.csv"
    lab.client("s3").put_object(Bucket=lab.bucket, Key=key, Body=text.getvalue().encode())
    return key


def shifted(rows: Sequence[Row], place: int, deviations: float) -> list[Row]:
    """Return rows whose feature at `place` is larger by that many of its standard deviations.

    A missing value stays missing. Raises MonitoringError if the feature is not a number.
    """
    numbers = [row[place] for row in rows]
    known = [float(one) for one in numbers if isinstance(one, int | float)]
    if not known or any(isinstance(one, str) for one in numbers):
        raise MonitoringError(f"feature {place} is not a number, and can't be shifted: choose another one")
    by = deviations * statistics.pstdev(known)
    return [
        [*row[:place], one + by if isinstance(one, int | float) else None, *row[place + 1 :]]
        for row, one in zip(rows, numbers, strict=True)
    ]


def send(lab: Lab, endpoint: str, rows: Sequence[Row], name: str, algorithm: str = "") -> Traffic:
    """Ask an endpoint about each row in a request of its own, whose inference id begins with `name`."""
    runtime, ids, labels = lab.client("sagemaker-runtime"), [], []
    since = datetime.now(UTC).replace(microsecond=0)
    more: dict[str, Any] = {"CustomAttributes": f"algorithm={algorithm}"} if algorithm else {}
    for place, row in enumerate(rows):
        ids.append(f"{name}-{place:04}")
        answer = runtime.invoke_endpoint(
            EndpointName=endpoint,
            ContentType="application/json",
            Body=json.dumps({"instances": [list(row)]}),
            InferenceId=ids[-1],
            **more,
        )
        labels += json.loads(answer["Body"].read())["predictions"]
    return Traffic(endpoint, tuple(ids), tuple(labels), since, datetime.now(UTC))


def captured(lab: Lab, traffic: Traffic) -> int:
    """Return how many of these requests S3 has by now."""
    s3, wanted, found = lab.client("s3"), set(traffic.ids), 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=lab.bucket, Prefix=folder(traffic)):
        for one in page.get("Contents", []):
            if one["LastModified"] < traffic.since:
                continue
            for line in s3.get_object(Bucket=lab.bucket, Key=one["Key"])["Body"].iter_lines():
                found += json.loads(line)["eventMetadata"].get("inferenceId") in wanted
    return found


def folder(traffic: Traffic) -> str:
    """Return the deepest folder that has all captured data of these requests.

    AWS does not say whether the hour in a key is that of the request or of the upload: both are looked in.
    """
    stem = PurePosixPath(keys.CAPTURE) / traffic.endpoint / VARIANT
    first, last = (stem / f"{at:%Y/%m/%d/%H}" for at in (traffic.since, traffic.until + LATE))
    while not last.is_relative_to(first):
        first = first.parent
    return f"{first}/"


def wait_for_capture(
    lab: Lab,
    traffic: Traffic,
    *,
    patience: float = LATE.total_seconds(),
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Wait until S3 has all of these requests. Raises MonitoringError after `patience` seconds."""
    live, began, count = Live(), time.monotonic(), len(traffic.ids)
    while (found := captured(lab, traffic)) < count:
        if (waited := time.monotonic() - began) > patience:
            raise MonitoringError(
                f"S3 has {found} of {count} requests after {duration(waited)}: is CapturePercentage of PRD's "
                "stack 100? Run this cell again to wait longer"
            )
        show = functools.partial(
            waits.show, live, "captured", traffic.endpoint, f"{found} of {count} requests", began
        )
        show()
        tick(min(1 + waited / 20, 10), show, sleep)
    live.show(
        Table(["captured", "status", "waited"], [[traffic.endpoint, f"{count} of {count} requests", ""]])
    )
    return found


def put_labels(lab: Lab, labels: Mapping[str, str | float], name: str) -> str:
    """Write true labels by inference id, as they come days later, and return their folder."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerows([("inferenceId", "label"), *labels.items()])
    where = f"{keys.LABELS}{name}/"
    lab.client("s3").put_object(Bucket=lab.bucket, Key=f"{where}labels.csv", Body=text.getvalue().encode())
    return where


def check(
    lab: Lab,
    release: Release,
    baseline: str,
    traffic: Traffic,
    *,
    program: Path,
    target: str,
    instance_type: str,
    labels: str = "",
    sleep: Callable[[float], None] = time.sleep,
) -> Result:
    """Compare captured requests with the training data in a processing job, and return what it found.

    `labels` is a folder of true labels. Raises JobFailed with the job's reason.
    """
    job = lab.names.check_job(f"{datetime.now(UTC):%y%m%d%H%M%S%f}"[:14])
    lab.client("s3").put_object(Bucket=lab.bucket, Key=keys.CHECK_PROGRAM, Body=program.read_bytes())
    # Captured times are whole seconds.
    until = traffic.until.replace(microsecond=0) + timedelta(seconds=1)
    window = [f"--since={traffic.since:%Y-%m-%dT%H:%M:%SZ}", f"--until={until:%Y-%m-%dT%H:%M:%SZ}"]
    processing.start(
        lab,
        job,
        image=release.image,
        program=keys.CHECK_PROGRAM,
        arguments=[f"--target={target}", *window, *(f"--skip={name}" for name in NO_CLIENTS)],
        inputs={
            "baseline": baseline,
            "capture": folder(traffic),
            **({"labels": labels} if labels else {}),
        },
        output=("report", f"{keys.CHECKS}{job}"),
        instance_type=instance_type,
    )
    processing.follow(lab, job, "check", sleep)
    at = f"s3://{lab.bucket}/{keys.CHECKS}{job}"
    return Result(job, json.loads(read(lab, f"{at}/report.json")), read(lab, f"{at}/report.html").decode())


def publish(lab: Lab, endpoint: str, result: Result) -> None:
    """Send the number of drifted columns to CloudWatch, where the alarm of PRD's stack waits for it.

    A check with too few rows says nothing, and so sends nothing.
    """
    if not result.report["enough"]:
        return
    lab.client("cloudwatch").put_metric_data(
        Namespace=NAMESPACE,
        MetricData=[
            {
                "MetricName": METRIC,
                "Dimensions": [{"Name": "EndpointName", "Value": endpoint}],
                "Value": len(result.drifted),
            }
        ],
    )


def alarm(lab: Lab, endpoint: str) -> str:
    """Return the state of the alarm for drift, such as `ALARM`; empty if there is none."""
    found = described_alarm(lab, endpoint)
    return found["StateValue"] if found else ""


def described_alarm(lab: Lab, endpoint: str) -> MetricAlarmTypeDef | None:
    """Return the alarm for drift (DescribeAlarms), or None if PRD's stack has made none."""
    found = lab.client("cloudwatch").describe_alarms(AlarmNames=[f"{endpoint}-drift"])["MetricAlarms"]
    return found[0] if found else None


def wait_for_alarm(
    lab: Lab,
    endpoint: str,
    state: str,
    *,
    patience: float = 600,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until the alarm for drift is in `state`; it looks once a minute, at whole minutes.

    Raises MonitoringError after `patience` seconds.
    """
    live, began = Live(), time.monotonic()
    while (found := alarm(lab, endpoint)) != state:
        if (waited := time.monotonic() - began) > patience:
            raise MonitoringError(
                f"the alarm {endpoint}-drift is {found or 'not there'} and not {state} after "
                f"{duration(waited)}: publish the check again, then run this cell again"
            )
        show = functools.partial(waits.show, live, "alarm", f"{endpoint}-drift", found, began)
        show()
        tick(min(0.5 + waited / 20, 10), show, sleep)
    live.show(Table(["alarm", "status", "waited"], [[f"{endpoint}-drift", state, ""]]))
    return found
