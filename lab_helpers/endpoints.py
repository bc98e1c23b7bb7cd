"""A SageMaker endpoint: which release it serves, what it predicts, and how fast."""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import console
from lab_helpers.aws_errors import is_gone
from lab_helpers.display import Table, duration, ticking
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import Frame, Live, tick
from lab_helpers.stacks import GOOD, find_stack

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef
    from mypy_boto3_sagemaker_runtime.type_defs import InvokeEndpointInputTypeDef

Cell = float | str | None
Row = Sequence[Cell]
"""One value per feature: a number, text, or None where it is missing."""
SERVES = {"InService", "Updating", "SystemUpdating", "RollingBack", "UpdateRollbackFailed"}
"""States in which an endpoint answers requests (SageMaker DescribeEndpoint, EndpointStatus)."""


class EndpointError(WorkshopError, RuntimeError):
    """An endpoint does not serve, or rejected a request; the message says why."""


class EndpointMissing(EndpointError):  # noqa: N818 (as ReportMissing, EvaluationMissing)
    """There is no such endpoint."""


@dataclass(frozen=True)
class Prediction:
    """An endpoint's answer: for each row one label, or the number that a regressor predicts."""

    algorithm: str
    labels: tuple[str | float, ...]
    probabilities: tuple[tuple[float, ...], ...]
    """One per row and class; empty if the model has none."""
    milliseconds: float


@dataclass(frozen=True)
class Release:
    """What an endpoint currently serves; `execution_id` is the pipeline execution that deployed it."""

    endpoint: str
    status: str
    config: str
    model: str
    image: str
    model_data: str
    instances: int
    failure: str = ""
    """Why the last release was rolled back (FailureReason): what serves is then an older one."""

    @property
    def execution_id(self) -> str:
        """The id at the end of the endpoint configuration's name."""
        return self.config[-36:]

    @property
    def digest(self) -> str:
        """Digest of the serving image."""
        return self.image.partition("@")[2]


def release(lab: Lab, endpoint: str) -> Release:
    """Describe what `endpoint` serves (SageMaker DescribeEndpoint, DescribeEndpointConfig, DescribeModel).

    Raises EndpointMissing if there is no such endpoint, EndpointError if its configuration cannot be read.
    """
    client = lab.client("sagemaker")
    found = _describe(lab, endpoint)
    try:
        config = client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
    except client.exceptions.ClientError as error:
        raise EndpointError(
            f"endpoint {endpoint} serves {found['EndpointConfigName']}, which cannot be read ({error}). "
            "If it was deleted, the endpoint can neither scale nor replace an instance: release again"
        ) from error
    variant = config["ProductionVariants"][0]
    container = client.describe_model(ModelName=variant["ModelName"])["PrimaryContainer"]
    running = next(iter(found.get("ProductionVariants", ())), None)
    asked_for = variant.get("InitialInstanceCount", 1)
    return Release(
        endpoint=endpoint,
        status=found["EndpointStatus"],
        config=found["EndpointConfigName"],
        model=variant["ModelName"],
        image=container["Image"],
        model_data=container.get("ModelDataUrl", ""),
        instances=running.get("CurrentInstanceCount", asked_for) if running else asked_for,
        failure=found.get("FailureReason", ""),
    )


def _describe(lab: Lab, endpoint: str) -> DescribeEndpointOutputTypeDef:
    """Return SageMaker's description; raises EndpointMissing if there is no such endpoint."""
    try:
        return lab.client("sagemaker").describe_endpoint(EndpointName=endpoint)
    except ClientError as error:
        if not is_gone(error):
            raise
        made = {
            lab.names.dev_endpoint: "run notebook 03: its training pipeline deploys DEV",
            lab.names.prd_endpoint: "approve a release in notebook 04, which deploys PRD",
        }
        remedy = made.get(endpoint, "create it, or correct its name")
        raise EndpointMissing(f"endpoint {endpoint} does not exist.\nWhat to do: {remedy}.") from error


def releases_table(releases: Sequence[Release]) -> Table:
    """Show endpoints side by side."""
    return Table(
        ["endpoint", "status", "instances", "released by execution", "model", "image digest"],
        [
            [r.endpoint, _state(r), r.instances, r.execution_id, r.model, r.digest[:19] + "…"]
            for r in releases
        ],
    )


def _state(release: Release) -> str:
    return f"{release.status}, the last release was rolled back" if release.failure else release.status


def _check_claim(lab: Lab, serving: Release) -> None:
    """Raise EndpointError if the endpoint's stack says that it serves another configuration.

    After a release that SageMaker rolled back, an endpoint is InService with its previous configuration.
    Whoever looks at the status only takes that for success.
    """
    stack = find_stack(lab.client("cloudformation"), serving.endpoint)  # it has the endpoint's name
    if stack is None or stack["StackStatus"] not in GOOD:
        return
    outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
    claimed = outputs.get("EndpointConfigName", serving.config)
    if claimed != serving.config:
        raise EndpointError(
            f"endpoint {serving.endpoint} serves {serving.config}, but its stack has deployed {claimed}: the "
            f"release was rolled back ({serving.failure or 'SageMaker gives no reason'}). "
            f"Release again; do not delete {serving.config}"
        )


def wait(
    lab: Lab, endpoint: str, *, timeout: float = 1800, sleep: Callable[[float], None] = time.sleep
) -> Release:
    """Wait until the endpoint is InService and return the release that it serves.

    Raises EndpointError if it does not exist, fails, or serves something other than its stack has deployed.
    Whether that is the release that was expected is for the caller to compare (`execution_id`).
    """
    client, began, live = lab.client("sagemaker"), time.monotonic(), Live()
    try:
        while (found := _describe(lab, endpoint))["EndpointStatus"] != "InService":
            status, waited = found["EndpointStatus"], time.monotonic() - began
            if status in {"Failed", "OutOfService", "UpdateRollbackFailed", "Deleting"}:
                reason = found.get("FailureReason", "no reason given")
                raise EndpointError(f"endpoint {endpoint} is {status}: {reason}")
            if waited > timeout:
                raise EndpointError(
                    f"endpoint {endpoint} is still {status} after {duration(waited)}: "
                    "run this cell again to wait longer"
                )
            live.link("endpoint in the console", console.of(client).endpoint(endpoint))
            show = functools.partial(_show_waiting, live, endpoint, status, began)
            show()
            tick(min(0.5 + waited / 20, 10), show, sleep)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted: endpoint {endpoint} goes on by itself. Run this cell again to follow it."
        ) from None
    serving = release(lab, endpoint)
    _check_claim(lab, serving)
    return serving


def _show_waiting(live: Live, endpoint: str, status: str, began: float) -> None:
    headers, usual = ["endpoint", "status", "waited", ""], "on AWS, 5 to 8 min"
    clock = ticking(time.monotonic() - began)
    live.show(
        Table(headers, [[endpoint, status, "", usual]]),
        now=Frame(Table(headers, [[endpoint, status, clock, usual]])),
    )


def invoke(lab: Lab, endpoint: str, rows: Sequence[Row], algorithm: str = "") -> Prediction:
    """Predict `rows` (InvokeEndpoint); the algorithm is passed in CustomAttributes.

    Raises EndpointError with the container's own message if it rejects the request.
    """
    runtime = lab.client("sagemaker-runtime")
    request: InvokeEndpointInputTypeDef = {
        "EndpointName": endpoint,
        "ContentType": "application/json",
        "Body": json.dumps({"instances": [list(row) for row in rows]}),
    }
    if algorithm:
        request["CustomAttributes"] = f"algorithm={algorithm}"
    began = time.perf_counter()
    try:
        answer = json.loads(runtime.invoke_endpoint(**request)["Body"].read())
    except runtime.exceptions.ModelError as error:
        said = error.response.get("OriginalMessage") or str(error)
        raise EndpointError(f"endpoint {endpoint} rejected the request: {said}") from error
    return Prediction(
        algorithm=answer["algorithm"],
        labels=tuple(answer["predictions"]),
        probabilities=tuple(tuple(row) for row in answer.get("probabilities", ())),
        milliseconds=(time.perf_counter() - began) * 1000,
    )


def latencies(lab: Lab, endpoint: str, row: Row, algorithm: str = "", *, requests: int = 30) -> list[float]:
    """Return the milliseconds that each of `requests` consecutive single-row requests takes the client."""
    invoke(lab, endpoint, [row], algorithm)  # opens the connection
    return [invoke(lab, endpoint, [row], algorithm).milliseconds for _ in range(requests)]


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` percent of `values` do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100), 1).__int__() - 1]


def predictions_table(
    rows: Sequence[Row], expected: Sequence[str | float], *predictions: Prediction
) -> Table:
    """Show rows with the expected label and, for each prediction, the label and its probability if any."""
    return Table(
        ["row", "expected", *(p.algorithm for p in predictions)],
        [
            [
                ", ".join(_cell(value) for value in row),
                _cell(label),
                *(_answer(p, i) for p in predictions),
            ]
            for i, (row, label) in enumerate(zip(rows, expected, strict=True))
        ],
    )


def _cell(value: Cell) -> str:
    return "" if value is None else value if isinstance(value, str) else f"{value:g}"


def _answer(prediction: Prediction, row: int) -> str:
    shown = _cell(prediction.labels[row])
    return f"{shown} ({max(prediction.probabilities[row]):.2f})" if prediction.probabilities else shown


def scaling(lab: Lab, endpoint: str) -> Table:
    """Show the registered limits and policies of an endpoint's variants (Application Auto Scaling)."""
    client = lab.client("application-autoscaling")
    prefix = f"endpoint/{endpoint}/variant/"
    targets = [
        target
        for page in client.get_paginator("describe_scalable_targets").paginate(ServiceNamespace="sagemaker")
        for target in page["ScalableTargets"]
        if target["ResourceId"].startswith(prefix)
    ]
    rows = []
    for target in targets:
        policies = client.describe_scaling_policies(
            ServiceNamespace="sagemaker", ResourceId=target["ResourceId"]
        )["ScalingPolicies"]
        for policy in policies:
            tracking = policy.get("TargetTrackingScalingPolicyConfiguration", {})
            metric = tracking.get("PredefinedMetricSpecification", {}).get("PredefinedMetricType", "")
            rows.append(
                [
                    target["ResourceId"],
                    f"{target['MinCapacity']} to {target['MaxCapacity']}",
                    policy["PolicyName"],
                    f"{metric} = {tracking.get('TargetValue', '')}",
                ]
            )
    return Table(["variant", "instances", "policy", "keeps"], rows)
