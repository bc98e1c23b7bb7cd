"""The current state of a lab, read from the account alone.

Operation names are boto3's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers import exercises, keys, scaling, triggers
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.drills import record as drills
from lab_helpers.lab import Lab
from lab_helpers.names import Names
from lab_helpers.resources import Resource
from lab_helpers.settings import DEFAULT_HOME
from lab_helpers.stacks import GOOD, find_stack
from lab_helpers.way_back.sources import Remote, remote_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackResourceTypeDef

_WHOLE = GOOD | {"UPDATE_ROLLBACK_COMPLETE"}
"""States in which a stack matches a template."""

_KINDS = {
    "AWS::ECR::Repository": "ecr-repository",
    "AWS::S3::Bucket": "bucket",
    "AWS::CodeCommit::Repository": "codecommit-repository",
    "AWS::SageMaker::NotebookInstance": "notebook-instance",
    "AWS::SageMaker::NotebookInstanceLifecycleConfig": "notebook-instance-lifecycle-config",
    "AWS::SageMaker::Model": "model",
    "AWS::SageMaker::EndpointConfig": "endpoint-config",
    "AWS::SageMaker::Endpoint": "endpoint",
    "AWS::IAM::Role": "role",
    "AWS::CodeBuild::Project": "project",
    "AWS::CodePipeline::Pipeline": "pipeline",
    "AWS::Lambda::Function": "function",
    "AWS::Events::Rule": "rule",
    "AWS::Logs::LogGroup": "log-group",
    "AWS::CloudWatch::Alarm": "alarm",
}
"""Resource types of the templates that the inventory lists, by the inventory's kind."""


def in_inventory(one: StackResourceTypeDef, names: Names) -> tuple[str, str]:
    """Return the inventory's kind and id of a stack's resource; an empty kind if it lists no such thing."""
    kind, identity = _KINDS.get(one["ResourceType"], ""), one.get("PhysicalResourceId", "")
    if kind == "codecommit-repository":  # its physical id is a UUID
        return kind, names.repository
    return kind, identity.rpartition("/")[2] if identity.startswith("arn:") else identity


@dataclass(frozen=True)
class Stack:
    """A stack, and which of its resources were deleted by hand (logical id: physical id)."""

    name: str
    status: str
    outputs: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)

    @property
    def good(self) -> bool:
        """Whether the stack is complete and has all its resources."""
        return self.status in _WHOLE and not self.missing


@dataclass(frozen=True)
class Source:
    """A branch: its newest commit and its files, by name with their git blob ids."""

    commit: str
    files: Mapping[str, str]
    revision: str = ""
    """The commit's id in executions; empty if no execution can have it, or if it is the same."""


@dataclass(frozen=True)
class Execution:
    """A pipeline execution: its source revision and its progress."""

    id: str
    status: str
    revisions: tuple[str, ...]

    @property
    def under_way(self) -> bool:
        """Whether it is still running."""
        return self.status in {"InProgress", "Stopping"}


def _clone_url(top: Stack | None) -> str:
    return top.outputs.get("RepositoryCloneUrl", "") if top else ""


@dataclass(frozen=True)
class LabState:
    """Everything about one lab that a reset needs to decide."""

    names: Names
    region: str
    account: str
    resources: tuple[Resource, ...]
    stacks: Mapping[str, Stack]
    instance: str
    """NotebookInstanceStatus; empty if there is no instance."""
    branches: Mapping[str, Source]
    images: Mapping[str, Mapping[str, str]]
    """Digests by tag, per image repository."""
    executions: Mapping[str, tuple[Execution, ...]]
    """Newest first, per pipeline."""
    stages: Mapping[str, tuple[str, str]]
    """Execution id and status of each stage of the training pipeline."""
    endpoints: Mapping[str, tuple[str, str]]
    """EndpointStatus and configuration, per endpoint."""
    objects: Mapping[str, str]
    """ETag by key of what is under `training/` (for small objects the MD5 of the content)."""
    job_version: str
    """Version id of `trainingjob.zip`; empty if there is none."""
    job: Mapping[str, bytes]
    """Its members."""
    job_images: Mapping[str, str]
    """The image that each of the newest executions of the training pipeline used."""
    disabled_rules: tuple[str, ...]
    """Rules that would not start their pipeline, although the template, or a parameter of it, says so."""
    scaling_as_declared: bool
    """Whether PRD's autoscaling is as in its template; True if there is no PRD."""
    sdk_objects: int = 0
    """How many objects notebook 03a and its jobs have left under `sdk/`."""
    monitoring_objects: int = 0
    """How many objects data capture, notebook 07 and its checks have left under `monitoring/`."""
    switched_on_rules: tuple[str, ...] = ()
    """Rules for retraining that notebook 08 has enabled, against what their stack declares."""
    drill: str = ""
    """The drill that runs; empty if none does."""
    drill_objects: int = 0
    """How many objects drills have left under `drills/`."""

    @property
    def labeled(self) -> list[str]:
        """Keys of labeled data that has come since notebook 03: training reads it, too."""
        return [key for key in self.objects if key.startswith(keys.LABELED)]

    @property
    def bucket(self) -> str:
        """The lab's bucket, whether it exists or not."""
        return self.names.bucket(self.region, self.account)

    @property
    def clone_url(self) -> str:
        """The URL of the lab's repository; empty without a stack that has it."""
        return _clone_url(self.stacks.get(self.names.top_stack))

    def has(self, kind: str, identity: str) -> bool:
        """Return whether a resource exists."""
        return any(one.kind == kind and one.id == identity for one in self.resources)


def read_state(
    clients: Clients, names: Names, region: str, account: str, resources: Sequence[Resource]
) -> LabState:
    """Read one lab from every service in parallel. Raises botocore's ClientError, except for "not found".

    `resources` is what the lab owns, as far as the caller may list it.
    """
    reader = _Reader(clients, names, region, account, resources)
    with ThreadPoolExecutor(8, thread_name_prefix="state") as pool:

        def ask(empty: Any, function: Callable[..., Any], *about: str) -> Future[Any]:
            return pool.submit(_unless_gone, empty, function, *about)

        def each(empty: Any, function: Callable[[str], Any], subjects: tuple[str, ...]) -> dict[str, Any]:
            asked = [ask(empty, function, one) for one in subjects]
            return {subject: one.result() for subject, one in zip(subjects, asked, strict=True)}

        job, instance = ask(("", {}), reader.job), ask("", reader.instance)
        objects, stages = ask({}, reader.objects, keys.TRAINING), ask({}, reader.stages)
        sdk_objects = ask({}, reader.objects, keys.SDK)
        monitoring_objects = ask({}, reader.objects, keys.MONITORING)
        drill, drill_objects = ask("", reader.drill), ask({}, reader.objects, keys.DRILLS)
        rules, declared = ask((), reader.disabled_rules), ask(True, reader.scaling_as_declared)
        retraining = ask({}, reader.retraining)
        stacks = each(None, reader.stack, names.all_stacks())
        remote = remote_of(clients, names, _clone_url(stacks.get(names.top_stack)))
        branches = each(None, partial(reader.source, remote), (names.base_branch, names.model_branch, "main"))
        images = each({}, reader.tags, (names.base_image, names.model_image))
        pipelines = (names.base_pipeline, names.model_pipeline, names.train_pipeline)
        executions = each((), reader.executions, pipelines)
        endpoints = each(None, reader.endpoint, (names.dev_endpoint, names.prd_endpoint))
        newest = tuple(one.id for one in executions[names.train_pipeline][:1])
        job_images = each("", reader.job_image, newest)
        version, members = job.result()
        return LabState(
            names=names,
            region=region,
            account=account,
            resources=tuple(resources),
            stacks={name: stack for name, stack in stacks.items() if stack},
            instance=instance.result(),
            branches={name: found for name, found in branches.items() if found},
            images=images,
            executions=executions,
            stages=stages.result(),
            endpoints={name: found for name, found in endpoints.items() if found},
            objects=objects.result(),
            job_version=version,
            job=members,
            job_images=job_images,
            disabled_rules=(*rules.result(), *_against(retraining.result(), triggers.ENABLED)),
            scaling_as_declared=declared.result(),
            sdk_objects=len(sdk_objects.result()),
            monitoring_objects=len(monitoring_objects.result()),
            switched_on_rules=tuple(_against(retraining.result(), triggers.DISABLED)),
            drill=drill.result(),
            drill_objects=len(drill_objects.result()),
        )


def _against(rules: Mapping[str, tuple[str, str]], declared: str) -> list[str]:
    """Return the rules that are declared to be in one state and are in the other."""
    return [name for name, (wanted, now) in rules.items() if wanted == declared != now]


def _unless_gone(empty: Any, function: Callable[..., Any], *about: str) -> Any:
    """Return the result of a function; `empty` if its subject was deleted after the listing."""
    try:
        return function(*about)
    except ClientError as error:
        if not is_gone(error):
            raise
        return empty


class _SharedSession:
    """Adapts clients that threads share to the `Session` of a lab."""

    def __init__(self, clients: Clients, region: str) -> None:
        self.client, self.region_name = clients, region


def as_lab(clients: Clients, names: Names, region: str, account: str) -> Lab:
    """Return the lab as seen from outside; its directories are those of its instance, out of reach here."""
    settings = {"ACCOUNT_ID": account, "BUCKET": names.bucket(region, account)}
    return Lab(names, _SharedSession(clients, region), Path(DEFAULT_HOME), settings)


class _Reader:
    """Reads one lab once. A method returns something empty if its subject does not exist."""

    def __init__(
        self, clients: Clients, names: Names, region: str, account: str, resources: Sequence[Resource]
    ) -> None:
        self._clients, self._names = clients, names
        self._lab = as_lab(clients, names, region, account)
        self._bucket = names.bucket(region, account)
        self._there = {(one.kind, one.id) for one in resources}

    def stack(self, name: str) -> Stack | None:
        cloudformation = self._clients("cloudformation")
        if ("stack", name) not in self._there:
            return None
        stack = find_stack(cloudformation, name)
        if stack is None:
            return None
        outputs = {one["OutputKey"]: one["OutputValue"] for one in stack.get("Outputs", [])}
        missing = {}
        if stack["StackStatus"] in _WHOLE:
            found = cloudformation.describe_stack_resources(StackName=stack["StackId"])["StackResources"]
            for one in found:
                kind, identity = in_inventory(one, self._names)
                if kind and (kind, identity) not in self._there:
                    missing[one["LogicalResourceId"]] = one["PhysicalResourceId"]
        return Stack(name, stack["StackStatus"], outputs, missing)

    def instance(self) -> str:
        name = self._names.notebook_instance
        if ("notebook-instance", name) not in self._there:
            return ""
        described = self._clients("sagemaker").describe_notebook_instance(NotebookInstanceName=name)
        return str(described["NotebookInstanceStatus"])

    def source(self, remote: Remote, branch: str) -> Source | None:
        found = remote.files(branch) if remote.resource in self._there else None
        return Source(*found, remote.known_as(branch, found[0])) if found else None

    def tags(self, repository: str) -> dict[str, str]:
        """Return digests by tag; untagged images under their own digest."""
        if ("ecr-repository", repository) not in self._there:
            return {}
        pages = self._clients("ecr").get_paginator("describe_images").paginate(repositoryName=repository)
        return {
            tag: one["imageDigest"]
            for page in pages
            for one in page["imageDetails"]
            for tag in one.get("imageTags", [one["imageDigest"]])
        }

    def executions(self, pipeline: str) -> tuple[Execution, ...]:
        if ("pipeline", pipeline) not in self._there:
            return ()
        listed = self._clients("codepipeline").list_pipeline_executions(pipelineName=pipeline, maxResults=50)
        return tuple(
            Execution(
                one["pipelineExecutionId"],
                one["status"],
                tuple(r["revisionId"] for r in one.get("sourceRevisions", []) if r.get("revisionId")),
            )
            for one in listed["pipelineExecutionSummaries"]
        )

    def stages(self) -> dict[str, tuple[str, str]]:
        if ("pipeline", self._names.train_pipeline) not in self._there:
            return {}
        state = self._clients("codepipeline").get_pipeline_state(name=self._names.train_pipeline)
        latest = {one["stageName"]: one.get("latestExecution", {}) for one in state["stageStates"]}
        return {
            name: (one.get("pipelineExecutionId", ""), one.get("status", "")) for name, one in latest.items()
        }

    def endpoint(self, name: str) -> tuple[str, str] | None:
        if ("endpoint", name) not in self._there:
            return None
        described = self._clients("sagemaker").describe_endpoint(EndpointName=name)
        return described["EndpointStatus"], described["EndpointConfigName"]

    def objects(self, prefix: str) -> dict[str, str]:
        if ("bucket", self._bucket) not in self._there:
            return {}
        listing = self._clients("s3").get_paginator("list_objects_v2")
        pages = listing.paginate(Bucket=self._bucket, Prefix=prefix)
        return {one["Key"]: one["ETag"].strip('"') for page in pages for one in page.get("Contents", ())}

    def drill(self) -> str:
        found = drills.running(self._lab) if ("bucket", self._bucket) in self._there else None
        return found.drill if found else ""

    def job(self) -> tuple[str, dict[str, bytes]]:
        if ("bucket", self._bucket) not in self._there:
            return "", {}
        try:
            answer = self._clients("s3").get_object(Bucket=self._bucket, Key=keys.TRAINING_JOB)
        except ClientError as error:
            if not is_gone(error):
                raise
            return "", {}
        return answer.get("VersionId", ""), exercises.unzipped(answer["Body"].read())

    def job_image(self, execution: str) -> str:
        job = self._names.training_job(execution)
        if ("training-job", job) not in self._there:
            return ""
        described = self._clients("sagemaker").describe_training_job(TrainingJobName=job)
        return str(described["AlgorithmSpecification"].get("TrainingImage", ""))

    def disabled_rules(self) -> tuple[str, ...]:
        wanted = (self._names.base_push_rule, self._names.model_push_rule, self._names.upload_rule)
        events = self._clients("events")
        return tuple(
            name
            for name in wanted
            if ("rule", name) in self._there and events.describe_rule(Name=name)["State"] != "ENABLED"
        )

    def retraining(self) -> dict[str, tuple[str, str]]:
        """Return the declared and the present state of each rule for retraining that is there."""
        if ("stack", self._names.train_stack) not in self._there:
            return {}
        events = self._clients("events")
        return {
            name: (wanted, events.describe_rule(Name=name)["State"])
            for name, wanted in triggers.declared(self._lab).items()
            if ("rule", name) in self._there
        }

    def scaling_as_declared(self) -> bool:
        if ("stack", self._names.prd_stack) not in self._there:
            return True
        try:
            return scaling.settings(self._lab, self._names.prd_endpoint) == scaling.declared(self._lab)
        except (scaling.ScalingError, ClientError):
            return True  # PRD is incomplete: it will be deployed again anyway
