"""What a lab owns, as far as its own role may ask: only by name, and never about another lab.

An instructor lists every service of the account (`lab_helpers.instructor.inventory`). Here, a lab's stacks
say what there is; what someone can have deleted by hand is looked up. Roles are not: nobody can use a lab
without them. Operation names are boto3's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.names import Names
from lab_helpers.resources import Resource
from lab_helpers.stacks import find_stack
from lab_helpers.way_back.state import in_inventory

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef

_AT_ONCE = 8
_RUNS = {"InProgress", "Stopping"}


def list_own(clients: Clients, names: Names) -> list[Resource]:
    """Return what one lab owns, sorted by kind and id. Raises botocore's ClientError."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="own") as pool:
        jobs = [
            pool.submit(list, look(clients, names))
            for look in (_training_jobs, _tuning_jobs, _transform_jobs, _processing_jobs, _safe_releases)
        ]
        releases = pool.submit(list, _releases(clients, names))
        stacks = [one for one in pool.map(lambda name: _stack(clients, name), names.all_stacks()) if one]
        named = {
            pair
            for found in pool.map(lambda stack: _in_stack(clients, names, stack), stacks)
            for pair in found
        }
        named |= {("endpoint-config", names.sdk), ("model", names.sdk)}
        served = set(releases.result())
        named = {pair for pair in named if pair[0] not in {"endpoint", "scalable-target"}} - served
        there = dict(zip(named, pool.map(lambda pair: _is_there(clients, *pair), named), strict=True))
        found = [
            *(_resource(names, "stack", one["StackName"]) for one in stacks),
            *(_resource(names, *pair) for pair in served),
            *(_resource(names, *pair) for pair, exists in there.items() if exists),
            *(one for job in jobs for one in job.result()),
        ]
    return sorted(found, key=lambda one: (one.kind, one.id))


def _resource(names: Names, kind: str, identity: str, *, runs: bool = False) -> Resource:
    billable = "training" if runs else None
    return Resource("", kind, identity, names.lab_id, None, None, billable)


def _stack(clients: Clients, name: str) -> StackTypeDef | None:
    found = find_stack(clients("cloudformation"), name)
    return None if found is None or found["StackStatus"] == "DELETE_COMPLETE" else found


def _in_stack(clients: Clients, names: Names, stack: StackTypeDef) -> set[tuple[str, str]]:
    """Return kind and id of what a stack has created and not deleted."""
    described = clients("cloudformation").describe_stack_resources(StackName=stack["StackId"])
    pairs = {
        in_inventory(one, names)
        for one in described["StackResources"]
        if one.get("PhysicalResourceId") and one["ResourceStatus"] != "DELETE_COMPLETE"
    }
    return {pair for pair in pairs if pair[0]}


def _releases(clients: Clients, names: Names) -> Iterator[tuple[str, str]]:
    """Yield kind and id of endpoints, of what they serve, and of what scales them, with or without stacks."""
    sagemaker = clients("sagemaker")
    own = (names.dev_endpoint, names.prd_endpoint, names.sdk)
    for endpoint in own:
        try:
            config = sagemaker.describe_endpoint(EndpointName=endpoint)["EndpointConfigName"]
        except ClientError as error:
            if not is_gone(error):
                raise
            continue
        yield "endpoint", endpoint
        if _is_there(clients, "endpoint-config", config):
            yield "endpoint-config", config
    variants = [f"endpoint/{endpoint}/variant/AllTraffic" for endpoint in own]
    scaled = clients("application-autoscaling").describe_scalable_targets(
        ServiceNamespace="sagemaker", ResourceIds=variants
    )
    for one in scaled["ScalableTargets"]:
        yield "scalable-target", one["ResourceId"]


def _training_jobs(clients: Clients, names: Names) -> Iterator[Resource]:
    stem = f"{names.prefix}iris-model-"
    pages = clients("sagemaker").get_paginator("list_training_jobs").paginate(NameContains=stem)
    for one in (one for page in pages for one in page["TrainingJobSummaries"]):
        # NameContains also finds `bea-iris-model-…` for the default lab.
        if one["TrainingJobName"].startswith(stem):
            runs = one["TrainingJobStatus"] in _RUNS
            yield _resource(names, "training-job", one["TrainingJobName"], runs=runs)


def _tuning_jobs(clients: Clients, names: Names) -> Iterator[Resource]:
    stem, jobs = f"{names.sdk}-", clients("sagemaker").get_paginator("list_hyper_parameter_tuning_jobs")
    for page in jobs.paginate(NameContains=stem):
        for one in page["HyperParameterTuningJobSummaries"]:
            if one["HyperParameterTuningJobName"].startswith(stem):
                yield _resource(names, "tuning-job", one["HyperParameterTuningJobName"])


def _transform_jobs(clients: Clients, names: Names) -> Iterator[Resource]:
    """Yield transform jobs that run; the others cannot be deleted."""
    stem, jobs = f"{names.sdk}-", clients("sagemaker").get_paginator("list_transform_jobs")
    for page in jobs.paginate(NameContains=stem):
        for one in page["TransformJobSummaries"]:
            if one["TransformJobName"].startswith(stem) and one["TransformJobStatus"] in _RUNS:
                yield _resource(names, "transform-job", one["TransformJobName"], runs=True)


def _processing_jobs(clients: Clients, names: Names) -> Iterator[Resource]:
    """Yield checks that run; the others cannot be deleted."""
    pages = (
        clients("sagemaker").get_paginator("list_processing_jobs").paginate(NameContains=names.check_job(""))
    )
    for one in (one for page in pages for one in page["ProcessingJobSummaries"]):
        if one["ProcessingJobName"].startswith(names.check_job("")) and one["ProcessingJobStatus"] in _RUNS:
            yield _resource(names, "processing-job", one["ProcessingJobName"], runs=True)


def _safe_releases(clients: Clients, names: Names) -> Iterator[Resource]:
    """Yield what notebook 06 has made: each run gives other names."""
    stem, sagemaker = names.safe(""), clients("sagemaker")
    found = {
        "endpoint": (
            one["EndpointName"]
            for page in sagemaker.get_paginator("list_endpoints").paginate(NameContains=stem)
            for one in page["Endpoints"]
        ),
        "endpoint-config": (
            one["EndpointConfigName"]
            for page in sagemaker.get_paginator("list_endpoint_configs").paginate(NameContains=stem)
            for one in page["EndpointConfigs"]
        ),
        "model": (
            one["ModelName"]
            for page in sagemaker.get_paginator("list_models").paginate(NameContains=stem)
            for one in page["Models"]
        ),
        "alarm": (
            one["AlarmName"]
            for page in clients("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNamePrefix=stem)
            for one in page["MetricAlarms"]
        ),
    }
    for kind, listed in found.items():
        for name in listed:
            if name.startswith(stem):
                yield _resource(names, kind, name)


def _is_there(clients: Clients, kind: str, identity: str) -> bool:
    """Return whether a resource of a stack still exists; True for a kind that is not looked up."""
    look = _LOOKS.get(kind)
    if look is None:
        return True
    try:
        return bool(look(clients, identity))
    except ClientError as error:
        # HeadBucket has no body, and so no code but the status.
        if not is_gone(error) and error.response["Error"]["Code"] != "404":
            raise
        return False


def _log_group(clients: Clients, name: str) -> bool:
    found = clients("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    return any(one["logGroupName"] == name for one in found)


_LOOKS: dict[str, Callable[[Clients, str], object]] = {
    "bucket": lambda clients, name: clients("s3").head_bucket(Bucket=name),
    "ecr-repository": lambda clients, name: clients("ecr").describe_repositories(repositoryNames=[name]),
    "codecommit-repository": lambda clients, name: clients("codecommit").get_repository(repositoryName=name),
    "notebook-instance": lambda clients, name: clients("sagemaker").describe_notebook_instance(
        NotebookInstanceName=name
    ),
    "endpoint-config": lambda clients, name: clients("sagemaker").describe_endpoint_config(
        EndpointConfigName=name
    ),
    "model": lambda clients, name: clients("sagemaker").describe_model(ModelName=name),
    "project": lambda clients, name: clients("codebuild").batch_get_projects(names=[name])["projects"],
    "pipeline": lambda clients, name: clients("codepipeline").get_pipeline(name=name),
    "function": lambda clients, name: clients("lambda").get_function_configuration(FunctionName=name),
    "rule": lambda clients, name: clients("events").describe_rule(Name=name),
    "log-group": _log_group,
    "alarm": lambda clients, name: clients("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"],
}
