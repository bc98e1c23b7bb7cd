"""Releases that can go wrong safely, on an endpoint that notebook 06 makes and deletes: PRD is not touched.

Contract: SageMaker AI Developer Guide, "Deployment guardrails for updating models in production", "Update
endpoints that use auto scaling" and "Safely validate models in production"; SageMaker AI API, UpdateEndpoint
and UpdateEndpointWeightsAndCapacities.
"""

from __future__ import annotations

import functools
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.exceptions import ClientError

from lab_helpers import keys, metrics, traffic, waits
from lab_helpers.aws_errors import is_gone
from lab_helpers.display import Table, duration, ticking
from lab_helpers.endpoints import Release
from lab_helpers.errors import Interrupted, WorkshopError
from lab_helpers.lab import Lab
from lab_helpers.live import Frame, Live, tick
from lab_helpers.metrics import VARIANT
from lab_helpers.names import EXPIRES_TAG, LAB_TAG

if TYPE_CHECKING:
    from mypy_boto3_cloudwatch.literals import StatisticType
    from mypy_boto3_cloudwatch.type_defs import DimensionTypeDef
    from mypy_boto3_sagemaker.literals import ProductionVariantInstanceTypeType
    from mypy_boto3_sagemaker.type_defs import (
        DeploymentConfigTypeDef,
        DescribeEndpointOutputTypeDef,
        ProductionVariantTypeDef,
        TagTypeDef,
        TrafficRoutingConfigTypeDef,
    )

CAPTURE_TYPES: Final = ["application/json"]
MOVES = {"Creating", "Updating", "RollingBack", "SystemUpdating", "Deleting"}
"""States of an endpoint that end by themselves (DescribeEndpoint, EndpointStatus)."""
LONGEST = 3_600
"""Seconds beyond its waits that a deployment may take; then SageMaker rolls it back."""
MOST = 28_800
"""Seconds that AWS allows for it (BlueGreenUpdatePolicy)."""
STOPS = 2
"""Seconds between two tries to stop a deployment: an alarm that is set off is soon what its metric says."""
SETTLES = 300
"""Seconds without requests after which no alarm fires any more: they look at whole minutes."""
SCALING: Final = "sagemaker"
DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"


class ReleaseError(WorkshopError, RuntimeError):
    """The endpoint is not what the lesson needs; the message says why and what to do."""


@dataclass(frozen=True)
class Endpoint:
    """An endpoint of notebook 06. What belongs to it has a name that begins with its own."""

    lab: Lab
    number: str
    image: str
    """By digest, the one that PRD serves with."""
    instance_type: str
    instances: int
    """Of the variant that serves clients."""

    @property
    def name(self) -> str:
        """The endpoint's name; a new one for each run, because alarms would see what an earlier run did."""
        return self.lab.names.safe(self.number)

    def part(self, what: str) -> str:
        """Return the name of a model, a configuration or an alarm of this endpoint."""
        return f"{self.name}-{what}"


@dataclass(frozen=True)
class Outcome:
    """How a release has ended: what serves now, and why not the new release, if it was rolled back."""

    status: str
    serves: str
    """The endpoint configuration."""
    failure: str
    """Why it was rolled back: FailureReason, or else which alarms are on; empty if the release serves."""
    seconds: float

    @property
    def rolled_back(self) -> bool:
        """Whether the old fleet serves again. The status is `InService` in both cases."""
        return self.status == "InService" and bool(self.failure)


def new(lab: Lab, production: Release, *, instances: int, instance_type: str) -> Endpoint:
    """Return an endpoint that serves as PRD does, with a name that no run had before; nothing is made yet."""
    return Endpoint(lab, secrets.token_hex(3), production.image, instance_type, instances)


def variant(
    endpoint: Endpoint, model: str, name: str = VARIANT, *, weight: float = 1.0, instances: int = 0
) -> ProductionVariantTypeDef:
    """Return a production variant; by default the one that serves all clients."""
    return {
        "VariantName": name,
        "ModelName": model,
        "InstanceType": cast("ProductionVariantInstanceTypeType", endpoint.instance_type),
        "InitialInstanceCount": instances or endpoint.instances,
        "InitialVariantWeight": weight,
    }


def model(endpoint: Endpoint, what: str, model_data: str) -> str:
    """Create a model with the image of the release that serves, unless it is there, and return its name."""
    name = endpoint.part(what)
    _made(
        functools.partial(
            endpoint.lab.client("sagemaker").create_model,
            ModelName=name,
            ExecutionRoleArn=endpoint.lab.settings["SAGEMAKER_ROLE_ARN"],
            PrimaryContainer={"Image": endpoint.image, "ModelDataUrl": model_data},
            Tags=_tags(endpoint.lab),
        )
    )
    return name


def config(
    endpoint: Endpoint,
    what: str,
    variants: Sequence[ProductionVariantTypeDef],
    shadows: Sequence[ProductionVariantTypeDef] = (),
) -> str:
    """Create an endpoint configuration, unless it is there, and return its name.

    With shadow variants, everything is captured.
    """
    name, more = endpoint.part(what), dict[str, Any]()
    if shadows:
        more = {
            "ShadowProductionVariants": list(shadows),
            "DataCaptureConfig": {
                "EnableCapture": True,
                "InitialSamplingPercentage": 100,
                "DestinationS3Uri": f"s3://{endpoint.lab.bucket}/{keys.CAPTURE.rstrip('/')}",
                "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
                "CaptureContentTypeHeader": {"JsonContentTypes": CAPTURE_TYPES},
            },
        }
    _made(
        functools.partial(
            endpoint.lab.client("sagemaker").create_endpoint_config,
            EndpointConfigName=name,
            ProductionVariants=list(variants),
            Tags=_tags(endpoint.lab),
            **more,
        )
    )
    return name


def create(endpoint: Endpoint, config: str) -> None:
    """Begin to create the endpoint. From here on it costs money."""
    endpoint.lab.client("sagemaker").create_endpoint(
        EndpointName=endpoint.name, EndpointConfigName=config, Tags=_tags(endpoint.lab)
    )


def watch(endpoint: Endpoint, *, server_errors: int, milliseconds: float, wrong: float) -> list[str]:
    """Create the alarms that roll a release back, and return their names.

    They look at whole minutes: more than `server_errors` answers with 5xx; one request in ten slower than
    `milliseconds`; a share of more than `wrong` of the labeled answers is wrong. An average latency would be
    that of both fleets together; the slowest tenth is the new fleet's.
    """
    dimensions: list[DimensionTypeDef] = [
        {"Name": "EndpointName", "Value": endpoint.name},
        {"Name": "VariantName", "Value": VARIANT},
    ]
    found = []
    for what, namespace, metric, statistic, threshold in (
        ("server-errors", metrics.NAMESPACE, "Invocation5XXErrors", "Sum", float(server_errors)),
        ("model-latency", metrics.NAMESPACE, "ModelLatency", "p90", 1000 * milliseconds),  # microseconds
        ("wrong-answers", traffic.NAMESPACE, traffic.METRIC, "Average", wrong),
    ):
        kind: dict[str, Any] = (
            {"ExtendedStatistic": statistic}
            if statistic == "p90"
            else {"Statistic": cast("StatisticType", statistic)}
        )
        endpoint.lab.client("cloudwatch").put_metric_alarm(
            AlarmName=endpoint.part(what),
            AlarmDescription="Rolls a release of notebook 06 back",
            Namespace=namespace,
            MetricName=metric,
            Dimensions=dimensions,
            Period=60,
            EvaluationPeriods=1,
            Threshold=threshold,
            ComparisonOperator="GreaterThanThreshold",
            TreatMissingData="notBreaching",
            Tags=_tags(endpoint.lab),
            **kind,
        )
        found.append(endpoint.part(what))
    return found


def alarms_table(endpoint: Endpoint) -> Table:
    """Show the endpoint's alarms and their states (DescribeAlarms)."""
    found = endpoint.lab.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{endpoint.name}-")
    return Table(
        ["alarm", "metric", "statistic", "limit", "state"],
        [
            [
                one["AlarmName"].removeprefix(f"{endpoint.name}-"),
                one["MetricName"],
                one.get("ExtendedStatistic") or one.get("Statistic", ""),
                f"{one['Threshold']:.3g}" if one["Threshold"] < 1 else f"{one['Threshold']:,.0f}",
                one["StateValue"],
            ]
            for one in sorted(found["MetricAlarms"], key=lambda one: one["AlarmName"])
        ],
    )


def linear(percent: int) -> TrafficRoutingConfigTypeDef:
    """Return how traffic shifts step by step, each of so many percent of the instances."""
    return {
        "Type": "LINEAR",
        "LinearStepSize": {"Type": "CAPACITY_PERCENT", "Value": percent},
        "WaitIntervalInSeconds": 0,
    }


def canary(percent: int) -> TrafficRoutingConfigTypeDef:
    """Return how so many percent of the instances are tried first, and then all follow."""
    return {
        "Type": "CANARY",
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": percent},
        "WaitIntervalInSeconds": 0,
    }


def guarded(
    routing: TrafficRoutingConfigTypeDef, alarms: Sequence[str], *, bake_seconds: int
) -> DeploymentConfigTypeDef:
    """Return a deployment that is watched for `bake_seconds` after each step, and rolled back by an alarm."""
    return {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {**routing, "WaitIntervalInSeconds": bake_seconds},
            "TerminationWaitInSeconds": bake_seconds,
            "MaximumExecutionTimeoutInSeconds": min(10 * bake_seconds + LONGEST, MOST),
        },
        "AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]},
    }


def update(endpoint: Endpoint, config: str, deployment: DeploymentConfigTypeDef | None = None) -> None:
    """Begin to release a configuration; without a deployment, all traffic shifts at once.

    The number of instances stays as autoscaling has left it (RetainAllVariantProperties).
    """
    more: dict[str, Any] = {"DeploymentConfig": deployment} if deployment else {}
    endpoint.lab.client("sagemaker").update_endpoint(
        EndpointName=endpoint.name,
        EndpointConfigName=config,
        RetainAllVariantProperties=bool(deployment),
        **more,
    )


def ready(
    endpoint: Endpoint,
    config: str,
    alarms: Sequence[str] = (),
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Bring the endpoint to where a release begins: it serves `config`, and none of the alarms is firing.

    Does nothing the first time. If a cell is run again, what it has begun is rolled back, and what it has
    released is replaced. Raises ReleaseError if an alarm fires for longer than it may.
    """
    if _described(endpoint)["EndpointStatus"] in MOVES:
        follow(endpoint, sleep, stop=True)
    if _described(endpoint).get("EndpointConfigName") != config:
        update(endpoint, config)
        follow(endpoint, sleep)
    client, live, began = endpoint.lab.client("cloudwatch"), Live(), time.monotonic()
    while alarms and (
        firing := client.describe_alarms(AlarmNames=list(alarms), StateValue="ALARM")["MetricAlarms"]
    ):
        if (waited := time.monotonic() - began) > SETTLES:
            raise ReleaseError(
                f"{firing[0]['AlarmName']} is still in ALARM after {duration(waited)}, and would roll back "
                "any release: does anyone else ask this endpoint? Run this cell again to wait longer"
            )
        show = functools.partial(
            waits.show, live, "alarm of what was stopped", firing[0]["AlarmName"], "ALARM", began
        )
        show()
        tick(min(0.5 + waited / 20, 5), show, sleep)


def _described(endpoint: Endpoint) -> DescribeEndpointOutputTypeDef:
    return endpoint.lab.client("sagemaker").describe_endpoint(EndpointName=endpoint.name)


def release(
    endpoint: Endpoint, what: str, model_data: str, deployment: DeploymentConfigTypeDef | None = None
) -> str:
    """Begin to release a model as the only variant, and return the name of its configuration."""
    name = config(endpoint, what, [variant(endpoint, model(endpoint, what, model_data))])
    update(endpoint, name, deployment)
    return name


def weigh(endpoint: Endpoint, weights: Mapping[str, float]) -> None:
    """Give variants other weights, and wait: no instance is replaced, so it is quick.

    Traffic is split by weight: a variant gets its weight divided by the sum of all.
    """
    endpoint.lab.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=endpoint.name,
        DesiredWeightsAndCapacities=[
            {"VariantName": name, "DesiredWeight": weight} for name, weight in weights.items()
        ],
    )
    follow(endpoint)


def follow(endpoint: Endpoint, sleep: Callable[[float], None] = time.sleep, *, stop: bool = False) -> Outcome:
    """Wait until the endpoint neither starts nor changes, showing each stage, and return how it has ended.

    With `stop`, a release that is under way is rolled back. Raises ReleaseError if the endpoint failed. An
    interrupt ends the waiting only.
    """
    client, live, began = endpoint.lab.client("sagemaker"), Live(), time.monotonic()
    heads, wanted = ["endpoint", "status", "stage", "waited"], ""
    try:
        while (found := client.describe_endpoint(EndpointName=endpoint.name))["EndpointStatus"] in MOVES:
            wanted = found.get("PendingDeploymentSummary", {}).get("EndpointConfigName", wanted)
            row = [endpoint.name, found["EndpointStatus"], _stage(found)]
            if stop and found["EndpointStatus"] == "Updating":
                _stop(endpoint.lab, endpoint.name)
            show = functools.partial(_show, live, heads, row, began)
            show()
            tick(min(0.3 + (time.monotonic() - began) / 20, STOPS if stop else 10), show, sleep)
    except KeyboardInterrupt:
        raise Interrupted(
            f"Interrupted: {endpoint.name} goes on by itself. Run this cell again to follow it."
        ) from None
    serves, failure = found.get("EndpointConfigName", ""), found.get("FailureReason", "")
    status, seconds = found["EndpointStatus"], time.monotonic() - began
    if status != "InService":
        raise ReleaseError(
            f"endpoint {endpoint.name} is {status}: {failure or 'SageMaker gives no reason'}. "
            "Run the notebook again: it deletes this endpoint and makes another"
        )
    if wanted not in {"", serves} and not failure:
        failure = _taken_back(endpoint, wanted)
    live.show(Table(["endpoint", "status", "serves"], [[endpoint.name, status, serves]]))
    return Outcome(status, serves, failure, seconds)


def _taken_back(endpoint: Endpoint, config: str) -> str:
    """Return why a release was rolled back, as the alarms tell it.

    SageMaker documents FailureReason for endpoints that have failed only; people report that it is there
    after a rollback, and also that it is empty (terraform-provider-aws, issues 39099 and 48997).
    """
    found = endpoint.lab.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{endpoint.name}-")
    on = sorted(one["AlarmName"] for one in found["MetricAlarms"] if one["StateValue"] == "ALARM")
    alarms = f"in ALARM: {', '.join(on)}" if on else "no alarm is on any more: look at their history"
    return f"{config} was rolled back, and SageMaker gives no reason; {alarms}"


def _show(live: Live, heads: Sequence[str], row: Sequence[str], began: float) -> None:
    clock = ticking(time.monotonic() - began)
    live.show(Table(heads, [[*row, ""]]), now=Frame(Table(heads, [[*row, clock]])))


def _stage(found: DescribeEndpointOutputTypeDef) -> str:
    """Return what a deployment is doing (PendingDeploymentSummary, VariantStatus)."""
    pending = found.get("PendingDeploymentSummary", {}).get("ProductionVariants", [])
    states = [state for one in pending for state in one.get("VariantStatus", [])]
    return (states[-1].get("StatusMessage") or states[-1]["Status"]) if states else ""


def scale(endpoint: Endpoint, most: int) -> None:
    """Register the serving variant with Application Auto Scaling, from its instances up to `most`."""
    endpoint.lab.client("application-autoscaling").register_scalable_target(
        ServiceNamespace=SCALING,
        ResourceId=_target(endpoint),
        ScalableDimension=DIMENSION,
        MinCapacity=endpoint.instances,
        MaxCapacity=most,
        Tags={one["Key"]: one["Value"] for one in _tags(endpoint.lab)},
    )


def limits(endpoint: Endpoint) -> tuple[int, int] | None:
    """Return how many instances autoscaling keeps at least and at most; None if it knows nothing of it."""
    found = endpoint.lab.client("application-autoscaling").describe_scalable_targets(
        ServiceNamespace=SCALING, ResourceIds=[_target(endpoint)], ScalableDimension=DIMENSION
    )["ScalableTargets"]
    return (found[0]["MinCapacity"], found[0]["MaxCapacity"]) if found else None


def unscale(endpoint: Endpoint) -> None:
    """Take the variant from autoscaling: SageMaker refuses an update that removes a scaled variant."""
    _deleted(
        functools.partial(
            endpoint.lab.client("application-autoscaling").deregister_scalable_target,
            ServiceNamespace=SCALING,
            ResourceId=_target(endpoint),
            ScalableDimension=DIMENSION,
        )
    )


def _target(endpoint: Endpoint) -> str:
    return f"endpoint/{endpoint.name}/variant/{VARIANT}"


def _tags(lab: Lab) -> list[TagTypeDef]:
    expires = lab.settings.get("EXPIRES_AT", "") or "never"
    return [{"Key": LAB_TAG, "Value": lab.names.tag}, {"Key": EXPIRES_TAG, "Value": expires}]


def remove(
    lab: Lab, number: str = "", *, sleep: Callable[[float], None] = time.sleep, timeout: float = 1800
) -> list[str]:
    """Delete what runs of notebook 06 have made, and return the names of the endpoints among it.

    With `number`, only what belongs to the endpoint of this number. Waits until the endpoints are gone. A
    release that is under way is rolled back first, by setting its alarm off: there is no other way to stop
    it. Safe to repeat. Raises ReleaseError after `timeout` seconds.
    """
    client, stem = lab.client("sagemaker"), lab.names.safe(number)
    began, found = time.monotonic(), _endpoints(lab, stem)
    while there := _endpoints(lab, stem):
        for name, status in there.items():
            if status == "Updating":
                _stop(lab, name)
            elif status not in MOVES:
                _deleted(functools.partial(client.delete_endpoint, EndpointName=name))
        if (waited := time.monotonic() - began) > timeout:
            left = ", ".join(f"{name} ({status})" for name, status in there.items())
            raise ReleaseError(
                f"still there after {duration(waited)}: {left}. Run this cell again to wait longer"
            )
        sleep(min(0.3 + waited / 20, STOPS if "Updating" in there.values() else 5))
    for page in client.get_paginator("list_endpoint_configs").paginate(NameContains=stem):
        for one in page["EndpointConfigs"]:
            if (name := one["EndpointConfigName"]).startswith(stem):
                _deleted(functools.partial(client.delete_endpoint_config, EndpointConfigName=name))
    for models in client.get_paginator("list_models").paginate(NameContains=stem):
        for made in models["Models"]:
            if (name := made["ModelName"]).startswith(stem):
                _deleted(functools.partial(client.delete_model, ModelName=name))
    if alarms := _alarms(lab, stem):
        lab.client("cloudwatch").delete_alarms(AlarmNames=alarms)
    _forget(lab, number)
    return sorted(found)


def left(lab: Lab) -> list[str]:
    """Return the endpoints of notebook 06 that are still there."""
    return sorted(_endpoints(lab, lab.names.safe("")))


def _endpoints(lab: Lab, stem: str) -> dict[str, str]:
    pages = lab.client("sagemaker").get_paginator("list_endpoints").paginate(NameContains=stem)
    found = {one["EndpointName"]: one["EndpointStatus"] for page in pages for one in page["Endpoints"]}
    # NameContains also finds those of the lab `bea` for the default lab.
    return {name: status for name, status in found.items() if name.startswith(stem)}


def _alarms(lab: Lab, stem: str) -> list[str]:
    pages = lab.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stem)
    return [one["AlarmName"] for page in pages for one in page["MetricAlarms"]]


def _stop(lab: Lab, endpoint: str) -> None:
    """Set an alarm of the endpoint off, if it has one: SageMaker then rolls back what is under way.

    It has to be done again and again, as long as the endpoint is updated: CloudWatch gives the alarm its own
    state back within seconds (SetAlarmState), and SageMaker looks only while a release bakes.
    """
    for name in _alarms(lab, f"{endpoint}-")[:1]:
        lab.client("cloudwatch").set_alarm_state(
            AlarmName=name, StateValue="ALARM", StateReason="The release is stopped by hand"
        )


def _forget(lab: Lab, number: str) -> None:
    """Delete the candidates and what the endpoints have captured."""
    s3 = lab.client("s3")
    for prefix in (f"{keys.CANDIDATES}{number}", f"{keys.CAPTURE}{lab.names.safe(number)}"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=lab.bucket, Prefix=prefix):
            for one in page.get("Contents", []):
                s3.delete_object(Bucket=lab.bucket, Key=one["Key"])


def _deleted(step: Callable[[], object]) -> None:
    try:
        step()
    except ClientError as error:
        if not is_gone(error):
            raise


def _made(step: Callable[[], object]) -> None:
    """Create something, unless an interrupted cell has made it; SageMaker has no error code for that."""
    try:
        step()
    except ClientError as error:
        if "already existing" not in error.response["Error"].get("Message", ""):
            raise
