"""What of a lab costs money by the hour at this moment, as far as the lab itself may look.

An instructor's `clean` lists every resource of every service; a lab asks only about what bills while it
exists or runs: endpoints, jobs and its own notebook instance.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from lab_helpers.display import Table
from lab_helpers.lab import Lab
from lab_helpers.prices import PriceError, Prices

if TYPE_CHECKING:
    from mypy_boto3_sagemaker import SageMakerClient

WHAT = {
    "endpoint": "endpoint",
    "training": "training job",
    "transform": "transform job",
    "processing": "processing job",
    "tuning": "tuning job",
    "notebook": "this notebook instance",
}
"""The kinds of charges, as shown."""
FREE = {"Stopped", "Failed", "Deleting"}
"""States in which a notebook instance or an endpoint bills no instance."""


@dataclass(frozen=True)
class Charge:
    """Instances that bill now."""

    kind: str
    """A key of WHAT."""
    name: str
    status: str
    instance_type: str
    count: int
    hourly: Decimal | None
    """USD per hour for all of them; None if the price table does not know the type.

    A tuning job has none of its own: it bills by the training jobs that it starts.
    """


def running(lab: Lab) -> list[Charge]:
    """Return what bills, the most expensive first.

    From SageMaker ListEndpoints, ListTrainingJobs, ListTransformJobs, ListHyperParameterTuningJobs, and
    the operations that describe what they list; botocore's ClientError passes through.
    """
    client = lab.client("sagemaker")
    try:
        prices = Prices.load(lab.region)
    except PriceError:  # no prices for this region: an estimate is better than nothing
        prices = Prices.load()
    found = [
        Charge(kind, name, status, instance_type, count, _hourly(prices, kind, instance_type, count))
        for look in (_endpoints, _training, _transform, _processing, _tuning, _instance)
        for kind, name, status, instance_type, count in look(client, lab)
    ]
    return sorted(found, key=lambda one: one.hourly or Decimal(0), reverse=True)


_Found = Iterator[tuple[str, str, str, str, int]]


def _endpoints(client: SageMakerClient, lab: Lab) -> _Found:
    stem = lab.names.dev_endpoint.removesuffix("dev")
    for page in client.get_paginator("list_endpoints").paginate(NameContains=stem):
        for one in page["Endpoints"]:
            name = one["EndpointName"]
            # NameContains also finds `bea-iris-model-dev` for the default lab.
            if not name.startswith(stem) or one["EndpointStatus"] in FREE:
                continue
            found = client.describe_endpoint(EndpointName=name)
            config = client.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
            now = {
                v["VariantName"]: v.get("CurrentInstanceCount")
                for v in [*found.get("ProductionVariants", []), *found.get("ShadowProductionVariants", [])]
            }
            for variant in [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]:
                count = now.get(variant["VariantName"]) or variant.get("InitialInstanceCount", 1)
                yield "endpoint", name, found["EndpointStatus"], variant.get("InstanceType", ""), count


def _training(client: SageMakerClient, lab: Lab) -> _Found:
    stem = f"{lab.names.prefix}iris-model-"
    jobs = client.get_paginator("list_training_jobs")
    for page in jobs.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in page["TrainingJobSummaries"]:
            name = one["TrainingJobName"]
            if name.startswith(stem):
                resources = client.describe_training_job(TrainingJobName=name)["ResourceConfig"]
                yield (
                    "training",
                    name,
                    "InProgress",
                    resources.get("InstanceType", ""),
                    resources.get("InstanceCount", 1),
                )


def _transform(client: SageMakerClient, lab: Lab) -> _Found:
    stem, jobs = lab.names.sdk, client.get_paginator("list_transform_jobs")
    for page in jobs.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in page["TransformJobSummaries"]:
            name = one["TransformJobName"]
            if name.startswith(stem):
                resources = client.describe_transform_job(TransformJobName=name)["TransformResources"]
                yield (
                    "transform",
                    name,
                    "InProgress",
                    resources["InstanceType"],
                    resources["InstanceCount"],
                )


def _processing(client: SageMakerClient, lab: Lab) -> _Found:
    stem, jobs = lab.names.check_job(""), client.get_paginator("list_processing_jobs")
    for page in jobs.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in page["ProcessingJobSummaries"]:
            name = one["ProcessingJobName"]
            if name.startswith(stem):
                described = client.describe_processing_job(ProcessingJobName=name)
                machines = described["ProcessingResources"]["ClusterConfig"]
                yield "processing", name, "InProgress", machines["InstanceType"], machines["InstanceCount"]


def _tuning(client: SageMakerClient, lab: Lab) -> _Found:
    stem, jobs = lab.names.sdk, client.get_paginator("list_hyper_parameter_tuning_jobs")
    for page in jobs.paginate(NameContains=stem, StatusEquals="InProgress"):
        for one in page["HyperParameterTuningJobSummaries"]:
            if one["HyperParameterTuningJobName"].startswith(stem):
                yield "tuning", one["HyperParameterTuningJobName"], "InProgress", "", 0


def _instance(client: SageMakerClient, lab: Lab) -> _Found:
    found = client.describe_notebook_instance(NotebookInstanceName=lab.names.notebook_instance)
    if found["NotebookInstanceStatus"] not in FREE:
        yield (
            "notebook",
            lab.names.notebook_instance,
            found["NotebookInstanceStatus"],
            found["InstanceType"],
            1,
        )


def _hourly(prices: Prices, kind: str, instance_type: str, count: int) -> Decimal | None:
    if not count:
        return Decimal(0)
    key = "training" if kind == "transform" else kind  # an hour of either costs the same
    try:
        return prices.hourly(f"{key}:{instance_type}") * count
    except PriceError:
        return None


def table(charges: Sequence[Charge]) -> Table:
    """Show what bills, with the sum by the hour and for a forgotten month of 730 hours."""
    total = sum((one.hourly or Decimal(0) for one in charges), Decimal(0))
    return Table(
        ["what", "name", "status", "instances", "USD per hour"],
        [
            [
                WHAT[one.kind],
                one.name,
                one.status,
                f"{one.count} × {one.instance_type}" if one.count else "in its training jobs",
                "unknown" if one.hourly is None else f"{one.hourly:.3f}",
            ]
            for one in charges
        ],
        caption=f"{total:.3f} USD per hour, {730 * total:.0f} USD in a month if forgotten",
    )
