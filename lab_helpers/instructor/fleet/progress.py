"""How far a lab is, what failed in it and why, read from the account alone.

Contract: CodePipeline ListPipelineExecutions and GetPipelineState, CodeBuild BatchGetBuilds, ECR
DescribeImages, SageMaker DescribeEndpoint, DescribeEndpointConfig, DescribeNotebookInstance and
ListProcessingJobs, CloudFormation DescribeStacks.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import builds, keys
from lab_helpers.aws_errors import is_gone
from lab_helpers.clients import Clients
from lab_helpers.commands import typed
from lab_helpers.drills import record
from lab_helpers.endpoints import SERVES
from lab_helpers.instructor.fleet.overview import Overview, Stack, why_failed
from lab_helpers.names import DEPLOY_DEV, DEPLOY_PRD, HUMAN_APPROVAL, TEST_DEV, TRAIN_APPROVAL, Names
from lab_helpers.prices import Prices
from lab_helpers.way_back.state import as_lab

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ActionExecutionTypeDef, StageStateTypeDef
    from mypy_boto3_sagemaker.type_defs import ProcessingJobSummaryTypeDef

DOING = {
    "Source": "starts",
    "GetSource": "starts",
    "Build": "builds",
    "Train": "trains",
    TRAIN_APPROVAL: "trains",
    DEPLOY_DEV: "deploys DEV",
    TEST_DEV: "tests DEV",
    HUMAN_APPROVAL: "waits for a decision",
    DEPLOY_PRD: "deploys PRD",
}
"""What a pipeline does in each stage, as shown to the instructor."""
_PARALLEL = 8


@dataclass(frozen=True)
class Failure:
    """What went wrong and why, in the service's own words."""

    what: str
    why: str


@dataclass(frozen=True)
class Endpoint:
    """An endpoint that exists, and so costs money."""

    name: str
    status: str
    instance_type: str
    instances: int


@dataclass(frozen=True)
class Provision:
    """What a notebook instance reports about its provisioning: `running`, `ready` or `failed: reason`."""

    status: str
    at: datetime
    package: str = ""
    """SHA-256 of the package that it unpacked."""
    log: tuple[str, ...] = ()

    @property
    def failure(self) -> str:
        """Why it failed; empty if it has not."""
        if not self.status.startswith("failed"):
            return ""
        return self.status.removeprefix("failed").lstrip(": ") or "no reason given"


@dataclass(frozen=True)
class Progress:
    """The state of one lab at one moment.

    `reached` is the learner's current notebook (`01` to `05`: the first without a result), `00` while the lab
    is being provisioned, and empty if there is no lab.
    """

    lab_id: str
    reached: str
    doing: str
    failures: tuple[Failure, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    stacks: Mapping[str, str] = field(default_factory=dict)
    instance: str = ""
    instance_type: str = ""
    last_activity: datetime | None = None
    """When the learner's work last reached the account: the newest change of an execution, an image or a
    check, or of the notebook instance's status. Cells that run there cannot be seen from outside."""

    def hourly(self, prices: Prices) -> Decimal:
        """Return the current cost in USD per hour. Raises PriceError for an instance type without a price."""
        total = Decimal(0)
        if self.instance in {"InService", "Pending"}:
            total += prices.hourly(f"notebook:{self.instance_type}")
        return total + self.hourly_endpoints(prices)

    def hourly_endpoints(self, prices: Prices) -> Decimal:
        """Return the cost of the endpoints in USD per hour. Raises PriceError."""
        return sum(
            (prices.hourly(f"endpoint:{one.instance_type}") * one.instances for one in self.endpoints),
            Decimal(0),
        )


def read_progress(clients: Clients, names: Names) -> Progress:
    """Return how far a lab is. Raises botocore's exceptions if the account does not answer."""
    return read_fleet(clients, [names])[0]


def read_fleet(clients: Clients, labs: Iterable[Names]) -> list[Progress]:
    """Return how far each lab is, in the order given: a few calls for all, about ten per lab."""
    labs, overview, checks = list(labs), Overview.read(clients), _newest_checks(clients)
    account = clients("sts").get_caller_identity()["Account"]
    with ThreadPoolExecutor(_PARALLEL, thread_name_prefix="progress") as pool:
        return list(pool.map(lambda names: _Reader(clients, names, overview, account, checks).read(), labs))


def _newest_checks(clients: Clients) -> list[ProcessingJobSummaryTypeDef]:
    """Return the newest checks of captured data (notebook 07) of all labs, the newest first."""
    jobs = clients("sagemaker").list_processing_jobs(
        NameContains=Names().check_job(""), SortBy="CreationTime", SortOrder="Descending", MaxResults=100
    )
    return jobs["ProcessingJobSummaries"]


def read_provision(clients: Clients, names: Names, region: str, account: str) -> Provision | None:
    """Return the notebook instance's last report, or None before the first."""
    try:
        answer = clients("s3").get_object(Bucket=names.bucket(region, account), Key=keys.PROVISION)
    except ClientError as error:
        if error.response["Error"]["Code"] in {"NoSuchKey", "NoSuchBucket"}:
            return None
        raise
    told = json.loads(answer["Body"].read())
    return Provision(
        told["status"],
        datetime.fromisoformat(told["at"]),
        told.get("package", ""),
        tuple(told.get("log", ())),
    )


class ProvisionReports:
    """What a notebook instance reports about its provisioning, from its last start on."""

    def __init__(self, clients: Clients, names: Names, region: str, account: str) -> None:
        self._clients, self._names, self._region, self._account = clients, names, region, account
        self._outdated: datetime | None = None

    def starting(self) -> None:
        """Ignore what has been reported so far; the instance is about to be started."""
        told = self._read()
        self._outdated = told.at if told else None

    def newest(self) -> Provision | None:
        """Return the newest report, or None if there is none, or none since the start."""
        told = self._read()
        return None if told and self._outdated and told.at <= self._outdated else told

    def _read(self) -> Provision | None:
        return read_provision(self._clients, self._names, self._region, self._account)


class _Reader:
    """Reads one lab once."""

    def __init__(
        self,
        clients: Clients,
        names: Names,
        overview: Overview,
        account: str,
        checks: Sequence[ProcessingJobSummaryTypeDef],
    ) -> None:
        self.clients, self.names, self.overview, self.account = clients, names, overview, account
        self.checks = [one for one in checks if one["ProcessingJobName"].startswith(names.check_job(""))]
        self.failures: list[Failure] = []
        self.gone: dict[str, str] = {}
        """What was deleted by hand, and the stack that still declares it."""
        self.provisioned = False
        self.activity: list[datetime] = []

    def read(self) -> Progress:
        names, stacks = self.names, self.overview.stacks
        own = {
            name: stacks[name]
            for name in (
                *(names.top_stack, names.base_stack, names.model_stack, names.train_stack),
                *(names.dev_stack, names.prd_stack),
            )
            if name in stacks
        }
        for stack in own.values():
            if stack.failed:
                why = why_failed(self.clients("cloudformation"), stack)
                self.failures.append(Failure(f"stack {stack.name} is {stack.status}", why))
        instance = self.overview.instances.get(names.notebook_instance)
        endpoints = self._endpoints()
        built = names.top_stack in own and own[names.top_stack].status != "CREATE_IN_PROGRESS"
        provisioning = self._provisioning(instance.status if instance else "") if built else ""
        pipelines = self._pipelines(own) if built else []
        reached = self._reached(own, endpoints, pipelines)
        self._deleted(own, bool(instance))
        self._tell_gone(reached)
        checks = self._check()
        doing = provisioning or next((one for one in reversed(pipelines) if one), checks)
        if instance and instance.status != "InService" and not doing:
            doing = f"instance is {instance.status}"
        return Progress(
            names.lab_id,
            reached,
            doing or ("" if own else "not provisioned"),
            tuple(self.failures),
            endpoints,
            {name: stack.status for name, stack in own.items()},
            instance.status if instance else "",
            instance.type if instance else "",
            max([*self.activity, *([instance.changed] if instance else [])], default=None),
        )

    def _deleted(self, own: Mapping[str, Stack], has_instance: bool) -> None:
        """Record what was deleted by hand: its stack is complete, and does not notice that it is gone."""
        names, overview = self.names, self.overview
        deployed = {(names.top_stack, f"notebook instance {names.notebook_instance}"): has_instance} | {
            (name, f"endpoint {name}"): name in overview.endpoints
            for name in (names.dev_endpoint, names.prd_endpoint)  # stack and endpoint have the same name
        }
        for (stack, what), there in deployed.items():
            if stack in own and own[stack].good and not there:
                self._gone(what, stack)
        top = own.get(names.top_stack)
        if self.provisioned and top and top.good:
            for name in (names.base_stack, names.model_stack, names.train_stack):
                if name not in own:
                    self._gone(f"stack {name}")

    def _gone(self, what: str, stack: str = "") -> None:
        """Note that something was deleted, and the stack that does not notice; a stack has none."""
        self.gone[what] = stack

    def _tell_gone(self, reached: str) -> None:
        """Record what was deleted, with the command that brings it back and leaves the rest."""
        names, lab = self.names, self.names.lab_id or "default"
        # A lab without its endpoint seems to have come less far than it had.
        had = {f"endpoint {names.prd_endpoint}": "05", f"endpoint {names.dev_endpoint}": "04"}
        to = max([reached, "01", *(had[what] for what in self.gone if what in had)])
        remedy = f"`{typed(f'reset --participant {lab} --to {to}')}`"
        for what, stack in self.gone.items():
            still = f"its stack {stack} is still there; " if stack else ""
            self.failures.append(Failure(f"{what} was deleted", f"{still}{remedy} brings it back"))

    def _provisioning(self, status: str) -> str:
        """Return the state of the instance's provisioning; empty when it is ready."""
        if status == "Failed":
            described = self.clients("sagemaker").describe_notebook_instance(
                NotebookInstanceName=self.names.notebook_instance
            )
            why = described.get("FailureReason", "no reason given")
            self.failures.append(Failure(f"notebook instance {self.names.notebook_instance} failed", why))
        region = self.clients("s3").meta.region_name
        told = read_provision(self.clients, self.names, region, self.account)
        if told and told.failure:
            self.failures.append(Failure("provisioning of the notebook instance failed", told.failure))
            return ""
        self.provisioned = bool(told and told.status == "ready")
        return "" if self.provisioned else "is being provisioned"

    def _reached(self, own: Mapping[str, Stack], endpoints: Sequence[Endpoint], pipelines: list[str]) -> str:
        names = self.names
        if not own:
            return ""
        serving = {one.name for one in endpoints if one.status in SERVES}
        if names.prd_endpoint in serving:
            return "05"
        if names.dev_endpoint in serving:
            return "04"
        has_model, has_base = self._image(names.model_image, own), self._image(names.base_image, own)
        if has_model:
            return "03"
        if has_base:
            return "02"
        nested = (names.base_stack, names.model_stack, names.train_stack)
        return "01" if pipelines and all(name in own and own[name].good for name in nested) else "00"

    def _image(self, repository: str, own: Mapping[str, Stack]) -> bool:
        """Return whether the repository holds an image with a tag (ECR DescribeImages)."""
        try:
            found = self.clients("ecr").describe_images(
                repositoryName=repository, filter={"tagStatus": "TAGGED"}
            )["imageDetails"]
        except ClientError as error:
            if error.response["Error"]["Code"] != "RepositoryNotFoundException":
                raise
            top = own.get(self.names.top_stack)
            if top and top.good:
                self._gone(f"image repository {repository}", self.names.top_stack)
            return False
        self.activity += [image["imagePushedAt"] for image in found]
        return bool(found)

    def _pipelines(self, own: Mapping[str, Stack]) -> list[str]:
        """Return what each of the three pipelines is doing; record failures and times of their last runs."""
        names = self.names
        wanted = {
            names.base_stack: names.base_pipeline,
            names.model_stack: names.model_pipeline,
            names.train_stack: names.train_pipeline,
        }
        return [self._pipeline(pipeline, own[stack]) for stack, pipeline in wanted.items() if stack in own]

    def _pipeline(self, pipeline: str, stack: Stack) -> str:
        client = self.clients("codepipeline")
        try:
            newest = client.list_pipeline_executions(pipelineName=pipeline, maxResults=1)[
                "pipelineExecutionSummaries"
            ]
        except ClientError as error:
            if error.response["Error"]["Code"] != "PipelineNotFoundException":
                raise
            if stack.good:
                self._gone(f"pipeline {pipeline}", stack.name)
            return ""
        # The first execution starts when the pipeline is created, without a source: it fails in every lab.
        if not newest or newest[0].get("trigger", {}).get("triggerType") == "CreatePipeline":
            return ""
        execution = newest[0]
        self.activity.append(execution["lastUpdateTime"])
        if execution["status"] not in {"InProgress", "Failed"}:
            return ""
        state = client.get_pipeline_state(name=pipeline)["stageStates"]
        held = [
            stage
            for stage in state
            if stage.get("latestExecution", {}).get("pipelineExecutionId") == execution["pipelineExecutionId"]
        ]
        if execution["status"] == "InProgress":
            inside = [stage for stage in held if stage["latestExecution"]["status"] == "InProgress"]
            stage = inside[-1]["stageName"] if inside else ""
            return f"{pipeline} {DOING.get(stage, 'waits')}"
        if pipeline == self.names.train_pipeline and (drill := self._drill(execution["pipelineExecutionId"])):
            return f"failed in the drill {drill}"
        return self._failed(pipeline, held)

    def _check(self) -> str:
        """Return what the newest check of captured data is doing; record its failure, and when it was."""
        if not self.checks:
            return ""
        newest = self.checks[0]
        self.activity.append(newest.get("LastModifiedTime", newest["CreationTime"]))
        if newest["ProcessingJobStatus"] == "Failed":
            why = newest.get("FailureReason") or newest.get("ExitMessage") or "no reason given"
            self.failures.append(Failure(f"check {newest['ProcessingJobName']} failed", why))
        return "checks captured data" if newest["ProcessingJobStatus"] == "InProgress" else ""

    def _drill(self, execution_id: str) -> str:
        """Return the drill that an execution of the training pipeline belongs to; empty if to none."""
        region = self.clients("s3").meta.region_name
        found = record.newest(as_lab(self.clients, self.names, region, self.account))
        return found.drill if found and found.execution == execution_id else ""

    def _failed(self, pipeline: str, stages: Iterable[StageStateTypeDef]) -> str:
        for stage in stages:
            for action in stage["actionStates"]:
                latest = action.get("latestExecution", {})
                if latest.get("status") not in {"Failed", "Abandoned"}:
                    continue
                why = self._why(latest)
                if stage["stageName"] in {TRAIN_APPROVAL, HUMAN_APPROVAL}:  # what was answered says more
                    why = latest.get("summary") or why
                if stage["stageName"] == HUMAN_APPROVAL:
                    return f"release rejected: {why}"
                self.failures.append(Failure(f"{pipeline}, {action['actionName']}", why))
                return ""
        return ""

    def _why(self, latest: ActionExecutionTypeDef) -> str:
        """Return why an action failed: of a build, the line of its log in which the tool says it."""
        why = latest.get("errorDetails", {}).get("message") or latest.get("summary") or "no reason given"
        build = latest.get("externalExecutionId", "")
        if build.startswith((f"{self.names.base_project}:", f"{self.names.model_project}:")):
            lab = as_lab(self.clients, self.names, self.clients("s3").meta.region_name, self.account)
            with contextlib.suppress(ClientError, builds.BuildNotFound):  # its record or its log is gone
                return builds.cause(lab, builds.describe(lab, build)).line or why
        return why

    def _endpoints(self) -> tuple[Endpoint, ...]:
        names, found = self.names, []
        for name, endpoint in sorted(self.overview.endpoints.items()):
            if name in {names.dev_endpoint, names.prd_endpoint} or (
                names.prefix and name.startswith(names.prefix)
            ):
                try:
                    found.append(self._endpoint(name, endpoint.status))
                except ClientError as error:  # deleted in the meantime
                    if error.response["Error"]["Code"] != "ValidationException":
                        raise
        return tuple(found)

    def _endpoint(self, name: str, status: str) -> Endpoint:
        client = self.clients("sagemaker")
        described = client.describe_endpoint(EndpointName=name)
        if status == "Failed":
            self.failures.append(
                Failure(f"endpoint {name} failed", described.get("FailureReason", "no reason given"))
            )
        serving, stack = described["EndpointConfigName"], self.overview.stacks.get(name)
        if stack and stack.good and stack.outputs.get("EndpointConfigName", serving) != serving:
            # Whoever looks at the statuses only takes that for success, and deletes what serves.
            why = f"{described.get('FailureReason') or 'no reason given'}; do not delete {serving}"
            self.failures.append(
                Failure(f"endpoint {name} still serves {serving}: a release rolled back", why)
            )
        running = next(iter(described.get("ProductionVariants", ())), None)
        try:
            config = client.describe_endpoint_config(EndpointConfigName=serving)
        except ClientError as error:
            if not is_gone(error):
                raise
            self.failures.append(
                Failure(
                    f"endpoint {name} serves {serving}, which was deleted", "it cannot be scaled or updated"
                )
            )
            kind, asked_for = stack.parameters.get("InstanceType", "") if stack else "", 1
        else:
            variant = config["ProductionVariants"][0]
            kind, asked_for = variant.get("InstanceType", ""), variant.get("InitialInstanceCount", 1)
        instances = running.get("CurrentInstanceCount", asked_for) if running else asked_for
        return Endpoint(name, status, kind, max(instances, 1))


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """Return how long ago something was: `now`, `4 min`, `2 h`, `3 d`; empty for None."""
    if moment is None:
        return ""
    seconds = ((now or datetime.now(UTC)) - moment).total_seconds()
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return "now"
