"""Service quotas compared with what the room needs.

Contract: Service Quotas API, ListServiceQuotas (applied values) and ListAWSDefaultServiceQuotas for those
that were never changed. Quotas are found by their codes where these are known, otherwise by their names, so
that every instance type is covered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from lab_helpers import console, instance_types
from lab_helpers.instructor import regions
from lab_helpers.instructor.doctor.findings import Finding, Level, ok, warning
from lab_helpers.instructor.doctor.room import Room
from lab_helpers.names import ROLES

if TYPE_CHECKING:
    from mypy_boto3_service_quotas import ServiceQuotasClient

REQUEST = "aws service-quotas request-service-quota-increase"
BUILD_MINUTES = 2
"""Minutes that one image build takes on AWS."""
DETOUR, BATCH, RELEASES = ("03a",), ("03a", "08"), ("06", "09")
PROCESSING = ("06", "07", "08", "09")
"""Notebooks that need more than the others: whose jobs train side by side, that transform, that release
on an endpoint of their own, and that start processing jobs (notebook 09 in one or two of its drills). Without
them, nothing else fails."""
RELEASE_INSTANCES = 5
"""Instances that an endpoint of notebook 06 has at once: two fleets, and a shadow."""
QUEUE = 5
"""Builds that can wait for each one that may run (AWS CodeBuild User Guide, "Builds in AWS CodeBuild")."""


@dataclass(frozen=True)
class Need:
    """How much of a quota the room needs."""

    service: str
    quota: str
    """Its name in Service Quotas."""
    each: int
    """Per participant."""
    used: int | None = None
    """What the account's other users already use; None if it is not counted."""
    queues: bool = False
    """Whether requests beyond the quota are queued, up to `QUEUE` times the quota, instead of rejected."""
    code: str = ""
    """Its code; empty if only the name is known."""
    detour: int = 0
    """Per participant in addition, if the class also does the notebooks `beside`."""
    beside: tuple[str, ...] = DETOUR


@dataclass(frozen=True)
class Quota:
    """A service quota of the account."""

    name: str
    code: str
    value: float
    adjustable: bool


def quotas(room: Room) -> Iterator[Finding]:
    """Compare each quota with what is in use and what the room adds."""
    wanted = needs(room)
    listed = {service: read(room, service) for service in dict.fromkeys(need.service for need in wanted)}
    good = 0
    for need in wanted:
        found = listed[need.service]
        quota = next((one for one in found.values() if one.code == need.code), found.get(need.quota))
        if quota is None:
            yield _missing(room, need)
            continue
        finding = compare(room, need, quota)
        if finding:
            yield finding
        else:
            good += 1
    if good:
        yield ok("quotas", f"{good} of {len(wanted)} suffice for {room.size} participants")


_CHOICES = {
    "notebook instance usage": "`fleet up --parameter NotebookInstanceType=…` (`doctor --notebook-type …`)",
    "training job usage": "`instance_type` in notebook 03 (`doctor --training-type …`)",
    "transform job usage": "`instance_type` in notebook 03a",
    "processing job usage": "`instance_type` in notebook 07",
    "endpoint usage": "`fleet up --parameter DevInstanceType=…` and `PrdInstanceType=…` "
    "(`doctor --dev-type …`, `--prd-type …`)",
}
"""Where an instance type is chosen, by the end of its quota's name."""


def _missing(room: Room, need: Need) -> Finding:
    text = f"{need.service} lists no quota {need.quota!r}"
    kind, _, use = need.quota.partition(" for ")
    page = console.of(_client(room, need.service)).service_quotas(need.service)
    if use not in _CHOICES:
        return warning("quotas", text, f"look it up in Service Quotas: {page}")
    return warning(
        "quotas",
        f"{text}: {room.region} may not have this type",
        f"if Service Quotas ({page}) does not list {kind} either, choose another type: {_CHOICES[use]}",
    )


def compare(room: Room, need: Need, quota: Quota) -> Finding | None:
    """Return a finding if a quota is too low, else None."""
    total = need.each * room.size + (need.used or 0)
    with_detour = total + need.detour * room.size
    if quota.value >= with_detour:
        return None
    used = f", {need.used} in use" if need.used else ""
    if quota.adjustable:
        where = regions.home(room.region) if need.service in regions.GLOBAL else room.region
        remedy = (
            f"{REQUEST} --region {where} --service-code {need.service} --quota-code {quota.code} "
            f"--desired-value {with_detour}"
        )
        elsewhere = f" in {where}" if where != room.region else ""
        short = f"request {with_detour}: {need.service} {quota.code}{elsewhere}"
    else:
        remedy = short = "it can't be raised: reduce the number of participants, or use a second account"
    if quota.value >= total:
        verb = "needs" if len(need.beside) == 1 else "need"
        text = f"{need.quota}: {quota.value:g} of {with_detour}{used}; {_notebooks(need)} {verb} them"
        return Finding("quotas", Level.WARNING, text, remedy, short)
    if need.queues and total <= quota.value * (1 + QUEUE):
        minutes = BUILD_MINUTES * -(-room.size // int(quota.value))
        text = f"{need.quota}: {quota.value:g} of {total}; the last waits {minutes} minutes"
        return Finding("quotas", Level.WARNING, text, remedy, short)
    if need.queues:
        used = f"; of {total} at once, {total - int(quota.value) * (1 + QUEUE)} fail, as the queue is full"
    without = f" ({total} without {_notebooks(need)})" if need.detour else ""
    text = f"{need.quota}: {quota.value:g} of {with_detour}{without}{used}"
    return Finding("quotas", Level.ERROR, text, remedy, short)


def _notebooks(need: Need) -> str:
    *first, last = need.beside
    listed = f"{', '.join(first)} and {last}" if first else last
    return f"notebook{'s' if len(need.beside) > 1 else ''} {listed}"


def needs(room: Room) -> list[Need]:
    """Return what the room needs, with what is in use outside its labs."""
    count = _Counts(room)
    # A release runs two fleets side by side, of DEV and then of PRD: never both at once.
    endpoints = Counter({room.dev_type: 1})
    endpoints[room.prd_type] += room.prd_instances
    active = endpoints.total()
    if room.dev_type != room.prd_type:
        endpoints[room.dev_type] += 1
    wanted = [
        Need(
            "sagemaker",
            f"{room.notebook_type} for notebook instance usage",
            1,
            count.notebooks(room.notebook_type),
        ),
        Need("sagemaker", "Total number of notebook instances", 1, count.notebooks(), code="L-04CE2E67"),
        # Notebook 03a tunes with two training jobs at a time; it and 08 transform on the type that trains.
        Need("sagemaker", f"{room.training_type} for training job usage", 1, detour=1),
        Need("sagemaker", "Number of instances across all training jobs", 1, code="L-00C91CB5", detour=1),
        Need("sagemaker", f"{room.training_type} for transform job usage", 0, detour=1, beside=BATCH),
        Need(
            "sagemaker",
            "Number of instances across all transform jobs",
            0,
            code="L-60D2A6F0",
            detour=1,
            beside=BATCH,
        ),
        # One window of captured data is checked after the other.
        Need(
            "sagemaker",
            f"{instance_types.processing(room.region)} for processing job usage",
            0,
            detour=1,
            beside=PROCESSING,
        ),
        Need(
            "sagemaker",
            "Number of instances across all processing jobs",
            0,
            code="L-F311B08F",
            detour=1,
            beside=PROCESSING,
        ),
        *(
            Need(
                "sagemaker",
                f"{kind} for endpoint usage",
                number,
                detour=RELEASE_INSTANCES if kind == room.prd_type else 0,
                beside=RELEASES,
            )
            for kind, number in sorted(endpoints.items())
        ),
        Need(
            "sagemaker",
            "Number of instances across active endpoints",
            active,
            code="L-7A3DF611",
            detour=RELEASE_INSTANCES,
            beside=RELEASES,
        ),
        Need(
            "codebuild",
            "Concurrently running builds for Linux/Small environment",
            1,
            queues=True,
            code="L-9D07B6EF",
        ),
        Need("cloudformation", "Stack count", 7, count.stacks(), code="L-0485CB21"),
        Need("codepipeline", "Total pipelines", 3, count.pipelines(), code="L-78D200AD"),
        Need("ecr", "Registered repositories", 2, count.registries(), code="L-CFEB8E8D"),
        Need("iam", "Roles per account", 9, count.roles(), code="L-FE177D64"),
        Need("iam", "Customer managed policies per account", 9, count.policies(), code="L-E95E4862"),
        Need("s3", "Buckets", 2, count.buckets(), code="L-DC2B2D3D"),
        Need("lambda", "Concurrent executions", 3, code="L-B99A9384"),
        Need("events", "Number of rules", 6, count.rules(), code="L-244521F2"),
    ]
    if room.uses_codecommit:
        wanted.append(Need("codecommit", "Allowed repositories", 1, count.repositories(), code="L-81790602"))
    return wanted


def _client(room: Room, service: str) -> ServiceQuotasClient:
    """Return the client of the region that has a service's quotas."""
    at_home = service in regions.GLOBAL and room.clients_at_home
    return (at_home or room.clients)("service-quotas")


def read(room: Room, service: str) -> dict[str, Quota]:
    """Return a service's quotas by name: applied values, else the defaults."""
    client = _client(room, service)
    found: dict[str, Quota] = {}
    for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
        try:
            for page in client.get_paginator(operation).paginate(ServiceCode=service):
                found |= {
                    one["QuotaName"]: Quota(
                        one["QuotaName"], one["QuotaCode"], one["Value"], one.get("Adjustable", False)
                    )
                    for one in page["Quotas"]
                    if "Value" in one
                }
        except ClientError as failure:
            if failure.response["Error"]["Code"] != "NoSuchResourceException":
                raise
    return found


class _Counts:
    """Counts of resources outside the room's labs; None where listing is not allowed."""

    def __init__(self, room: Room) -> None:
        self._room = room
        names = room.labs
        self._ours: Mapping[str, set[str]] = {
            "notebook": {one.notebook_instance for one in names},
            "stack": {
                s
                for one in names
                for s in (
                    one.top_stack,
                    one.base_stack,
                    one.model_stack,
                    one.train_stack,
                    one.dev_stack,
                    one.prd_stack,
                )
            },
            "pipeline": {
                p for one in names for p in (one.base_pipeline, one.model_pipeline, one.train_pipeline)
            },
            "repository": {one.repository for one in names},
            "registry": {image for one in names for image in (one.base_image, one.model_image)},
            "rule": {
                rule
                for one in names
                for rule in (
                    one.base_push_rule,
                    one.model_push_rule,
                    one.upload_rule,
                    one.drift_rule,
                    one.labels_rule,
                    one.monitor_rule,
                )
            },
            "bucket": {
                b
                for one in names
                for b in (one.bucket(room.region, room.account), one.assets_bucket(room.region, room.account))
            },
        }

    def _others(
        self, kind: str, service: str, operation: str, member: str, name: str, **params: Any
    ) -> int | None:
        def look() -> int:
            pages = self._room.clients(service).get_paginator(operation).paginate(**params)
            listed = [one for page in pages for one in page[member]]
            return sum(1 for one in listed if one[name] not in self._ours[kind])

        return _allowed(look)

    def notebooks(self, kind: str = "") -> int | None:
        """Return the number of notebook instances, of one type if given."""

        def look() -> int:
            pages = self._room.clients("sagemaker").get_paginator("list_notebook_instances").paginate()
            listed = [one for page in pages for one in page["NotebookInstances"]]
            return sum(
                1
                for one in listed
                if one["NotebookInstanceName"] not in self._ours["notebook"]
                and kind in ("", one["InstanceType"])
            )

        return _allowed(look)

    def stacks(self) -> int | None:
        """Return the number of stacks; a stack nested in a lab's top stack is the lab's."""

        def look() -> int:
            pages = self._room.clients("cloudformation").get_paginator("describe_stacks").paginate()
            listed = [one for page in pages for one in page["Stacks"]]
            ours = {one["StackId"] for one in listed if one["StackName"] in self._ours["stack"]}
            return sum(1 for one in listed if not ours & {one["StackId"], one.get("ParentId")})

        return _allowed(look)

    def pipelines(self) -> int | None:
        return self._others("pipeline", "codepipeline", "list_pipelines", "pipelines", "name")

    def rules(self) -> int | None:
        return self._others("rule", "events", "list_rules", "Rules", "Name")

    def repositories(self) -> int | None:
        return self._others("repository", "codecommit", "list_repositories", "repositories", "repositoryName")

    def registries(self) -> int | None:
        return self._others("registry", "ecr", "describe_repositories", "repositories", "repositoryName")

    def policies(self) -> int | None:
        ours = tuple(f"{one.role('notebook')}-" for one in self._room.labs)

        def look() -> int:
            pages = self._room.clients("iam").get_paginator("list_policies").paginate(Scope="Local")
            listed = [one for page in pages for one in page["Policies"]]
            return sum(1 for one in listed if not one["PolicyName"].startswith(ours))

        return _allowed(look)

    def buckets(self) -> int | None:
        return self._others("bucket", "s3", "list_buckets", "Buckets", "Name", MaxBuckets=1000)

    def roles(self) -> int | None:
        ours = {one.role(p) for one in self._room.labs for p in ROLES}

        def look() -> int:
            pages = self._room.clients("iam").get_paginator("list_roles").paginate()
            return sum(1 for page in pages for role in page["Roles"] if role["RoleName"] not in ours)

        return _allowed(look)


def _allowed(look: Callable[[], int]) -> int | None:
    try:
        return look()
    except ClientError as failure:
        if "AccessDenied" in failure.response["Error"]["Code"]:
            return None
        raise
