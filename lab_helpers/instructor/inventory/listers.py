"""One lister per service: everything that might belong to a lab; ownership is decided later.

Uses list and describe operations only, and reads all pages. Operation names are boto3's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.instructor import regions
from lab_helpers.instructor.inventory.ownership import SHARED_GROUPS
from lab_helpers.stacks import find_stack

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef
    from mypy_boto3_sagemaker import SageMakerClient


@dataclass(frozen=True)
class Found:
    """A resource whose owner is not yet known.

    `name` decides ownership; `id` is what the service's delete operation takes.
    """

    service: str
    kind: str
    name: str
    id: str
    arn: str | None = None
    created: datetime | None = None
    billable: str | None = None
    quantity: int = 1


@dataclass(frozen=True)
class Place:
    """What to list: the clients of one region, and the account."""

    clients: Clients
    region: str
    account: str

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource, as the Resource Groups Tagging API writes it."""
        region, account = {"s3": ("", ""), "iam": ("", self.account)}.get(
            service, (self.region, self.account)
        )
        return f"arn:{regions.partition(self.region)}:{service}:{region}:{account}:{resource}"

    def pages(self, service: str, operation: str, member: str, **request: Any) -> Iterator[Any]:
        """Yield the items of every page of a list operation."""
        for page in self.clients(service).get_paginator(operation).paginate(**request):
            yield from page[member]


def stacks(place: Place) -> Iterator[Found]:
    """Yield the stacks that are not deleted (CloudFormation DescribeStacks).

    A nested stack is deleted with its parent; it is listed only if it was left behind.
    """
    found = list(place.pages("cloudformation", "describe_stacks", "Stacks"))
    there = {one["StackId"] for one in found}
    for one in found:
        if one.get("ParentId") not in there:
            yield _stack(one)


def stacks_named(place: Place, names: Iterable[str]) -> Iterator[Found]:
    """Yield those of the given stacks (names or ids) that exist: for a few, much faster than listing all."""
    for name in names:
        one = _existing(place, name)
        if one is not None and not (one.get("ParentId") and _existing(place, one["ParentId"])):
            yield _stack(one)


def _existing(place: Place, name: str) -> StackTypeDef | None:
    one = find_stack(place.clients("cloudformation"), name)
    return None if one is None or one["StackStatus"] == "DELETE_COMPLETE" else one


def _stack(one: StackTypeDef) -> Found:
    name = one["StackName"]
    return Found("cloudformation", "stack", name, name, one["StackId"], one["CreationTime"])


def endpoints(place: Place) -> Iterator[Found]:
    """Yield endpoints, with the instances that they are billed for."""
    sagemaker = place.clients("sagemaker")
    for one in place.pages("sagemaker", "list_endpoints", "Endpoints"):
        name = one["EndpointName"]
        billable, quantity = None, 1
        if "iris-model-" in name and one["EndpointStatus"] not in {"Failed", "Deleting"}:
            billable, quantity = _instances(sagemaker, name)
        yield Found(
            "sagemaker", "endpoint", name, name, one["EndpointArn"], one["CreationTime"], billable, quantity
        )


def _instances(sagemaker: SageMakerClient, endpoint: str) -> tuple[str | None, int]:
    try:
        described = sagemaker.describe_endpoint(EndpointName=endpoint)
        config = sagemaker.describe_endpoint_config(EndpointConfigName=described["EndpointConfigName"])
    except ClientError as error:
        if not is_gone(error):
            raise
        return None, 1  # deleted after it was listed: its price is unknown
    variants = [*config["ProductionVariants"], *config.get("ShadowProductionVariants", [])]
    running = {
        one["VariantName"]: one.get("CurrentInstanceCount")
        for member in (described.get("ProductionVariants", []), described.get("ShadowProductionVariants", []))
        for one in member
    }
    counts = (running.get(one["VariantName"]) or one.get("InitialInstanceCount", 1) for one in variants)
    return f"endpoint:{variants[0]['InstanceType']}", sum(counts)  # the workshop never mixes types


def endpoint_configs(place: Place) -> Iterator[Found]:
    """Yield endpoint configurations."""
    for one in place.pages("sagemaker", "list_endpoint_configs", "EndpointConfigs"):
        name = one["EndpointConfigName"]
        yield Found("sagemaker", "endpoint-config", name, name, one["EndpointConfigArn"], one["CreationTime"])


def models(place: Place) -> Iterator[Found]:
    """Models."""
    for one in place.pages("sagemaker", "list_models", "Models"):
        yield Found(
            "sagemaker", "model", one["ModelName"], one["ModelName"], one["ModelArn"], one["CreationTime"]
        )


def model_package_groups(place: Place) -> Iterator[Found]:
    """Yield model package groups; their versions are deleted with them."""
    for one in place.pages("sagemaker", "list_model_package_groups", "ModelPackageGroupSummaryList"):
        name, arn = one["ModelPackageGroupName"], one["ModelPackageGroupArn"]
        yield Found("sagemaker", "model-package-group", name, name, arn, one["CreationTime"])


def training_jobs(place: Place) -> Iterator[Found]:
    """Yield training jobs. Finished ones cost nothing, but remain as records until they are deleted."""
    sagemaker = place.clients("sagemaker")
    for one in place.pages(
        "sagemaker", "list_training_jobs", "TrainingJobSummaries", NameContains="iris-model-"
    ):
        name, arn, created = one["TrainingJobName"], one["TrainingJobArn"], one["CreationTime"]
        billable, quantity = None, 1
        if one["TrainingJobStatus"] in {"InProgress", "Stopping"}:
            try:
                resources = sagemaker.describe_training_job(TrainingJobName=name)["ResourceConfig"]
            except ClientError as error:
                if not is_gone(error):
                    raise
                continue  # deleted in the meantime
            billable, quantity = f"training:{resources['InstanceType']}", resources.get("InstanceCount", 1)
        yield Found("sagemaker", "training-job", name, name, arn, created, billable, quantity)


def tuning_jobs(place: Place) -> Iterator[Found]:
    """Yield hyperparameter tuning jobs. They cost nothing but their training jobs, which are listed, too."""
    for one in place.pages(
        "sagemaker",
        "list_hyper_parameter_tuning_jobs",
        "HyperParameterTuningJobSummaries",
        NameContains="iris-model-sdk-",
    ):
        name, arn = one["HyperParameterTuningJobName"], one["HyperParameterTuningJobArn"]
        yield Found("sagemaker", "tuning-job", name, name, arn, one["CreationTime"])


def transform_jobs(place: Place) -> Iterator[Found]:
    """Yield transform jobs that run. Those that have ended cost nothing, and nobody can delete them."""
    sagemaker = place.clients("sagemaker")
    for one in place.pages(
        "sagemaker", "list_transform_jobs", "TransformJobSummaries", NameContains="iris-model-sdk-"
    ):
        if one["TransformJobStatus"] in {"InProgress", "Stopping"}:
            name, arn = one["TransformJobName"], one["TransformJobArn"]
            resources = sagemaker.describe_transform_job(TransformJobName=name)["TransformResources"]
            billable = f"training:{resources['InstanceType']}"  # an hour of either costs the same
            count = resources["InstanceCount"]
            yield Found("sagemaker", "transform-job", name, name, arn, one["CreationTime"], billable, count)


def processing_jobs(place: Place) -> Iterator[Found]:
    """Yield processing jobs that run. Those that have ended cost nothing, and AWS keeps them."""
    sagemaker = place.clients("sagemaker")
    for one in place.pages(
        "sagemaker", "list_processing_jobs", "ProcessingJobSummaries", NameContains="iris-model-check-"
    ):
        if one["ProcessingJobStatus"] in {"InProgress", "Stopping"}:
            name, arn = one["ProcessingJobName"], one["ProcessingJobArn"]
            described = sagemaker.describe_processing_job(ProcessingJobName=name)
            machines = described["ProcessingResources"]["ClusterConfig"]
            billable = f"processing:{machines['InstanceType']}"
            count = machines["InstanceCount"]
            yield Found("sagemaker", "processing-job", name, name, arn, one["CreationTime"], billable, count)


def notebook_instances(place: Place) -> Iterator[Found]:
    """Yield notebook instances; a stopped one costs only its volume."""
    for one in place.pages("sagemaker", "list_notebook_instances", "NotebookInstances"):
        name = one["NotebookInstanceName"]
        running = one["NotebookInstanceStatus"] not in {"Stopped", "Failed", "Deleting"}
        billable = f"notebook:{one['InstanceType']}" if running and one.get("InstanceType") else None
        yield Found(
            "sagemaker",
            "notebook-instance",
            name,
            name,
            one["NotebookInstanceArn"],
            one["CreationTime"],
            billable,
        )


def lifecycle_configs(place: Place) -> Iterator[Found]:
    """Yield lifecycle configurations of notebook instances."""
    found = place.pages(
        "sagemaker", "list_notebook_instance_lifecycle_configs", "NotebookInstanceLifecycleConfigs"
    )
    for one in found:
        name = one["NotebookInstanceLifecycleConfigName"]
        arn = one["NotebookInstanceLifecycleConfigArn"]
        yield Found(
            "sagemaker", "notebook-instance-lifecycle-config", name, name, arn, one.get("CreationTime")
        )


def scaling(place: Place) -> Iterator[Found]:
    """Yield scalable targets and policies of endpoint variants (Application Auto Scaling)."""
    request = {"ServiceNamespace": "sagemaker"}
    service = "application-autoscaling"
    for one in place.pages(service, "describe_scalable_targets", "ScalableTargets", **request):
        resource = one["ResourceId"]
        arn = one.get("ScalableTargetARN")
        yield Found(
            service, "scalable-target", _endpoint_of(resource), resource, arn, one.get("CreationTime")
        )
    for one in place.pages(service, "describe_scaling_policies", "ScalingPolicies", **request):
        resource = one["ResourceId"]
        yield Found(
            service,
            "scaling-policy",
            _endpoint_of(resource),
            f"{resource}:{one['PolicyName']}",
            one["PolicyARN"],
            one.get("CreationTime"),
        )


def _endpoint_of(resource_id: str) -> str:
    """Return NAME of `endpoint/NAME/variant/VARIANT`."""
    return resource_id.split("/")[1] if resource_id.startswith("endpoint/") else resource_id


def alarms(place: Place) -> Iterator[Found]:
    """Yield CloudWatch alarms, including those that scaling policies created."""
    for one in place.pages("cloudwatch", "describe_alarms", "MetricAlarms"):
        name = one["AlarmName"]
        billable = "cloudwatch:alarm-month"
        yield Found(
            "cloudwatch",
            "alarm",
            name,
            name,
            one["AlarmArn"],
            one.get("AlarmConfigurationUpdatedTimestamp"),
            billable,
        )


def pipelines(place: Place) -> Iterator[Found]:
    """Yield pipelines."""
    for one in place.pages("codepipeline", "list_pipelines", "pipelines"):
        name = one["name"]
        yield Found(
            "codepipeline", "pipeline", name, name, place.arn("codepipeline", name), one.get("created")
        )


def projects(place: Place) -> Iterator[Found]:
    """Yield CodeBuild projects."""
    for name in place.pages("codebuild", "list_projects", "projects"):
        yield Found("codebuild", "project", name, name, place.arn("codebuild", f"project/{name}"))


def functions(place: Place) -> Iterator[Found]:
    """Yield Lambda functions."""
    for one in place.pages("lambda", "list_functions", "Functions"):
        name = one["FunctionName"]
        yield Found("lambda", "function", name, name, one["FunctionArn"])


def rules(place: Place) -> Iterator[Found]:
    """Yield EventBridge rules of the default bus."""
    for one in place.pages("events", "list_rules", "Rules"):
        yield Found("events", "rule", one["Name"], one["Name"], one["Arn"])


def codecommit_repositories(place: Place) -> Iterator[Found]:
    """Yield CodeCommit repositories."""
    for one in place.pages("codecommit", "list_repositories", "repositories"):
        name = one["repositoryName"]
        yield Found("codecommit", "codecommit-repository", name, name, place.arn("codecommit", name))


def ecr_repositories(place: Place) -> Iterator[Found]:
    """Yield ECR repositories; their cost depends on the images in them."""
    for one in place.pages("ecr", "describe_repositories", "repositories"):
        name = one["repositoryName"]
        yield Found("ecr", "ecr-repository", name, name, one["repositoryArn"], one.get("createdAt"))


def buckets(place: Place) -> Iterator[Found]:
    """Yield S3 buckets; a deleted bucket has no object versions or delete markers left."""
    # With a page size: without one, S3 refuses accounts that may have more than 10,000 buckets.
    for one in place.pages("s3", "list_buckets", "Buckets", MaxBuckets=1000):
        name = one["Name"]
        yield Found("s3", "bucket", name, name, place.arn("s3", name), one.get("CreationDate"))


def log_groups(place: Place) -> Iterator[Found]:
    """Yield log groups, and a lab's streams in the groups that SageMaker shares between all labs."""
    for prefix in ("/aws/codebuild/", "/aws/lambda/", "/aws/sagemaker/"):
        for one in place.pages("logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix):
            name = one["logGroupName"]
            if name in SHARED_GROUPS:
                yield from _streams(place, name)
            else:
                arn = one["arn"].removesuffix(":*")
                yield Found("logs", "log-group", name, name, arn, _milliseconds(one.get("creationTime")))


def _streams(place: Place, group: str) -> Iterator[Found]:
    for one in place.pages("logs", "describe_log_streams", "logStreams", logGroupName=group):
        name = f"{group}:{one['logStreamName']}"
        yield Found("logs", "log-stream", name, name, one.get("arn"), _milliseconds(one.get("creationTime")))


def _milliseconds(time: int | None) -> datetime | None:
    return datetime.fromtimestamp(time / 1000, UTC) if time else None


def roles(place: Place) -> Iterator[Found]:
    """Yield IAM roles. They have no region, so `list_resources` checks their tags before it trusts a name."""
    for one in place.pages("iam", "list_roles", "Roles"):
        yield Found("iam", "role", one["RoleName"], one["RoleName"], one["Arn"], one["CreateDate"])


def policies(place: Place) -> Iterator[Found]:
    """Yield the account's own managed policies, in all regions."""
    for one in place.pages("iam", "list_policies", "Policies", Scope="Local"):
        yield Found("iam", "policy", one["PolicyName"], one["Arn"], one["Arn"], one["CreateDate"])


LISTERS: tuple[Callable[[Place], Iterator[Found]], ...] = (
    endpoints,
    endpoint_configs,
    models,
    model_package_groups,
    tuning_jobs,
    training_jobs,
    transform_jobs,
    processing_jobs,
    notebook_instances,
    lifecycle_configs,
    scaling,
    alarms,
    pipelines,
    projects,
    functions,
    rules,
    codecommit_repositories,
    ecr_repositories,
    buckets,
    log_groups,
    roles,
    policies,
)
"""All listers except `stacks`: looking up a few stacks by name is faster."""
