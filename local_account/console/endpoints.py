"""Endpoints: variants, traffic, alarms and scaling."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from local_account.console import links, log_pages, metrics
from local_account.console.plots import Line
from local_account.console.visit import Answer, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_application_autoscaling.literals import ScalableDimensionType
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker.type_defs import DescribeEndpointOutputTypeDef

_SECTION = "Endpoints"
_NAMESPACE = "AWS/SageMaker"
_DIMENSION: ScalableDimensionType = "sagemaker:variant:DesiredInstanceCount"
_LOG_GROUP = "/aws/sagemaker/Endpoints"
_PERIODS = {"5": 1, "15": 10, "60": 60, "180": 60, "1440": 300}
"""How long a time a plot shows, in minutes, and the period of its points, in seconds."""
_ACTIVITIES = 20
_KINDS: tuple[tuple[str, str, tuple[tuple[str, str, str, float], ...]], ...] = (
    ("Invocations", "per period", (("Invocations", "Sum", "invocations", 1),)),
    (
        "Model latency",
        "ms",
        (("ModelLatency", "Average", "average", 0.001), ("ModelLatency", "p99", "p99", 0.001)),
    ),
    (
        "Errors",
        "per period",
        (("Invocation4XXErrors", "Sum", "4xx", 1), ("Invocation5XXErrors", "Sum", "5xx", 1)),
    ),
)
"""The plots: title, unit, and for each line metric, statistic, label and factor."""


@dataclass(frozen=True)
class Plot:
    """A plot of one or more lines."""

    title: str
    unit: str
    lines: tuple[Line, ...]


def listing(visit: Visit) -> Answer:
    """All endpoints, the newest first."""
    client: SageMakerClient = visit.client("sagemaker")
    found = [
        one
        for page in client.get_paginator("list_endpoints").paginate(PaginationConfig={"PageSize": 100})
        for one in page["Endpoints"]
    ]
    live = 5 * any(one["EndpointStatus"].endswith("ing") for one in found)
    return Page("endpoints.html", _SECTION, _SECTION, {"endpoints": found}, live=live)


def shown(visit: Visit, name: str) -> Answer:
    """An endpoint: what serves, what arrives, and what changes the number of instances."""
    client: SageMakerClient = visit.client("sagemaker")
    endpoint = client.describe_endpoint(EndpointName=name)
    try:
        config = client.describe_endpoint_config(EndpointConfigName=endpoint["EndpointConfigName"])
        every = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
        specs = {one["VariantName"]: one for one in every}
    except ClientError:  # deleted, while the endpoint serves
        specs = {}
    minutes = visit.argument("minutes")
    minutes = minutes if minutes in _PERIODS else "60"
    scaling = _scaling(visit, endpoint)
    streams = log_pages.streams(visit, f"{_LOG_GROUP}/{name}", limit=5)
    part = (
        log_pages.read(visit, f"{_LOG_GROUP}/{name}", streams[0], lines=100) if streams else log_pages.NOTHING
    )
    values = {
        "endpoint": endpoint,
        "specs": specs,
        "plots": _plots(visit, endpoint, minutes),
        "since": datetime.now(UTC) - timedelta(minutes=int(minutes)),
        "minutes": minutes,
        "choices": [(key, _words(int(key))) for key in _PERIODS],
        "group": f"{_LOG_GROUP}/{name}",
        "stream": streams[0] if streams else "",
        "part": part,
        "alarms": _alarms(visit, endpoint, scaling["policies"]),
        **scaling,
    }
    return Page("endpoint.html", name, _SECTION, values, ((_SECTION, links.endpoints()),), live=5)


def _plots(visit: Visit, endpoint: DescribeEndpointOutputTypeDef, minutes: str) -> list[Plot]:
    """Return the plots of an endpoint's variants: requests, times and errors."""
    every = [*endpoint.get("ProductionVariants", []), *endpoint.get("ShadowProductionVariants", [])]
    variants = [one["VariantName"] for one in every][:2]
    several = len(variants) > 1
    wanted = []
    for variant in variants:
        dimensions = {"EndpointName": endpoint["EndpointName"], "VariantName": variant}
        begin = f"{variant}, " if several else ""
        for _, _, of_kind in _KINDS:
            wanted += [
                metrics.Wanted(begin + label, _NAMESPACE, metric, dimensions, statistic, factor)
                for metric, statistic, label, factor in of_kind
            ]
    end = datetime.now(UTC)
    period = _PERIODS[minutes]
    found = metrics.lines(visit, wanted, end - timedelta(minutes=int(minutes)), end, period)
    plots, each = [], len(found) // max(1, len(variants))
    at = 0
    for title, unit, of_kind in _KINDS:
        chosen = tuple(
            found[variant * each + at + index]
            for variant in range(len(variants))
            for index in range(len(of_kind))
        )
        plots.append(Plot(title, unit.replace("per period", f"per {_seconds(period)}"), chosen))
        at += len(of_kind)
    return plots


def _scaling(visit: Visit, endpoint: DescribeEndpointOutputTypeDef) -> dict[str, list[Any]]:
    """Return the scalable variants of an endpoint, their policies and what they did."""
    client: ApplicationAutoScalingClient = visit.client("application-autoscaling")
    name, variants = endpoint["EndpointName"], endpoint.get("ProductionVariants", [])
    ids = [f"endpoint/{name}/variant/{one['VariantName']}" for one in variants]
    targets = (
        client.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=ids)["ScalableTargets"]
        if ids
        else []
    )
    policies, activities = list[Any](), list[Any]()
    for target in targets:
        policies += client.describe_scaling_policies(
            ServiceNamespace="sagemaker", ResourceId=target["ResourceId"], ScalableDimension=_DIMENSION
        )["ScalingPolicies"]
        activities += client.describe_scaling_activities(
            ServiceNamespace="sagemaker",
            ResourceId=target["ResourceId"],
            ScalableDimension=_DIMENSION,
            MaxResults=_ACTIVITIES,
        )["ScalingActivities"]
    return {"targets": targets, "policies": policies, "activities": activities}


def _alarms(visit: Visit, endpoint: DescribeEndpointOutputTypeDef, policies: list[Any]) -> list[Any]:
    """Return the alarms of the policies, and those that roll a release back."""
    rollback = endpoint.get("LastDeploymentConfig", {}).get("AutoRollbackConfiguration", {}).get("Alarms", [])
    names = [alarm["AlarmName"] for policy in policies for alarm in policy.get("Alarms", [])]
    names += [alarm["AlarmName"] for alarm in rollback if "AlarmName" in alarm]
    if not names:
        return []
    client: CloudWatchClient = visit.client("cloudwatch")
    return list(client.describe_alarms(AlarmNames=names[:100])["MetricAlarms"])


def _words(minutes: int) -> str:
    return f"{minutes} minutes" if minutes < 60 else "1 hour" if minutes == 60 else f"{minutes // 60} hours"


def _seconds(period: int) -> str:
    return {1: "second", 10: "10 seconds", 60: "minute", 300: "5 minutes"}[period]


PAGES: Mapping[str, Render] = {"/sagemaker/endpoints": listing, "/sagemaker/endpoints/<name>": shown}
