"""Every resource of one lab or of all labs, by tag and by name, even if their stacks are gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.clients import Clients
from lab_helpers.instructor.inventory import ownership
from lab_helpers.instructor.inventory.listers import LISTERS, Found, Place, stacks, stacks_named
from lab_helpers.names import EXPIRES_TAG, LAB_TAG, Names
from lab_helpers.resources import Resource

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_TAG_VALUES = 20
_AT_ONCE = 6
_FEW = 5


def list_resources(
    clients: Clients, region: str, account: str, lab_ids: Iterable[str] | None = None
) -> list[Resource]:
    """Return what these labs (None: all labs) own in one region, sorted by lab, service and id.

    Resources are found by the tag `mlops-workshop:lab` (Resource Groups Tagging API GetResources) and by
    name; names that merely look alike are left out (`ownership`). A tagged resource of an unknown kind is
    listed with the kind from its ARN. Raises botocore's ClientError, because an incomplete list would prove
    nothing.
    """
    asked = None if lab_ids is None else set(lab_ids)
    place = Place(clients, region, account)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        tagging = pool.submit(_tagged, clients, asked)
        few = asked is not None and len(asked) <= _FEW
        named = pool.submit(_stacks_of if few else _stacks, place, asked or ())
        listed = [pool.submit(_all, lister, place) for lister in LISTERS]
        tags = tagging.result()
        found = [*named.result(), *(one for each in listed for one in each.result())]
        if few:  # stacks that belong to a lab by their tag alone
            known = {one.arn for one in found}
            found += stacks_named(place, (arn for arn in tags if ":stack/" in arn and arn not in known))
    at = (region, account)
    known_labs = _known(found, tags, asked, at)
    owned = []
    for one in found:
        lab = _lab(one, tags.get(one.arn or ""), known_labs, at)
        if lab is not None and (asked is None or lab in asked):
            owned.append(_resource(one, lab))
    owned = [one for one in owned if one.service != "iam"] + _own_identities(clients, at, owned)
    owned += _unknown_kinds(tags, found, asked)
    return sorted(owned, key=lambda one: (one.lab_id or "", one.service, one.kind, one.id))


def expirations(clients: Clients) -> dict[str, datetime]:
    """Return, by lab id, the latest `mlops-workshop:expires` of any of its resources.

    A lab with a resource whose value is `never`, or not a valid time, is left out.
    """
    ends: dict[str, datetime] = {}
    endless: set[str] = set()
    for tags in _tagged(clients, None).values():
        lab, text = ownership.by_tag(tags), tags.get(EXPIRES_TAG)
        if lab is None or text is None:
            continue
        try:
            end = datetime.fromisoformat(text)
        except ValueError:
            endless.add(lab)
            continue
        end = end if end.tzinfo else end.replace(tzinfo=UTC)
        ends[lab] = max(end, ends.get(lab, end))
    return {lab: end for lab, end in ends.items() if lab not in endless}


def _stacks(place: Place, _labs: Collection[str]) -> list[Found]:
    return list(stacks(place))


def _stacks_of(place: Place, labs: Collection[str]) -> list[Found]:
    return list(stacks_named(place, (name for lab in labs for name in Names(lab).all_stacks())))


def _all(lister: Callable[[Place], Iterator[Found]], place: Place) -> list[Found]:
    return list(lister(place))


def _lab(
    one: Found, tags: dict[str, str] | None, known: Collection[str], place: tuple[str, str]
) -> str | None:
    if one.service == "iam":  # decided later, by `_own_identities`
        named = ownership.by_name(one.kind, one.name, *place)
        return named.lab_id if named else None
    return ownership.owner(one.kind, one.name, tags, known, place)


def _resource(one: Found, lab: str) -> Resource:
    return Resource(one.service, one.kind, one.id, lab, one.arn, one.created, one.billable, one.quantity)


def _tagged(clients: Clients, lab_ids: Collection[str] | None) -> dict[str, dict[str, str]]:
    """Return the tags of resources with a lab tag, by ARN."""
    client = clients("resourcegroupstaggingapi")
    values = sorted(lab or ownership.DEFAULT for lab in lab_ids) if lab_ids is not None else []
    batches = [values[i : i + _TAG_VALUES] for i in range(0, len(values), _TAG_VALUES)] or [[]]
    if lab_ids is not None and not values:
        return {}
    return {
        one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]}
        for batch in batches
        for page in client.get_paginator("get_resources").paginate(
            TagFilters=[{"Key": LAB_TAG, "Values": batch}], PaginationConfig={"PageSize": 100}
        )
        for one in page["ResourceTagMappingList"]
    }


def _known(
    found: Iterable[Found],
    tags: dict[str, dict[str, str]],
    asked: Collection[str] | None,
    place: tuple[str, str],
) -> set[str]:
    """Return the labs whose names are trusted: those requested, else all with evidence."""
    if asked is not None:
        return set(asked)
    named = (ownership.by_name(one.kind, one.name, *place) for one in found)
    by_name = {one.lab_id for one in named if one and one.certain}
    return by_name | {lab for one in tags.values() if (lab := ownership.by_tag(one)) is not None}


def _own_identities(clients: Clients, place: tuple[str, str], owned: list[Resource]) -> list[Resource]:
    """Return the roles and managed policies that really belong to their lab in this region.

    IAM has no regions. If the lab's top stack or notebook instance is in this region, they belong to it.
    Otherwise a role's tags decide (IAM ListRoleTags: the Tagging API has no roles), or the policies, which
    name the lab's resources with their region. Managed policies, and the roles of a lab launched from the
    console, have no tags.
    """
    here = {
        one.lab_id
        for one in owned
        if one.kind == "notebook-instance" or (one.kind == "stack" and one.id.endswith("mlops"))
    }
    iam = clients("iam")
    return [
        one
        for one in owned
        if one.service == "iam" and (one.lab_id in here or _is_orphan_of(iam, one, place))
    ]


def _is_orphan_of(iam: IAMClient, one: Resource, place: tuple[str, str]) -> bool:
    lab = one.lab_id or ""
    try:
        if one.kind == "policy":
            return names_a_lab(_managed_policy(iam, one.id), lab, place)
        tags = {tag["Key"]: tag["Value"] for tag in iam.list_role_tags(RoleName=one.id)["Tags"]}
        policies = _role_policies(iam, one.id)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchEntity":
            raise
        return False  # just deleted
    if LAB_TAG not in tags:
        return names_a_lab(policies, lab, place)
    regions = set(re.findall(r"arn:[a-z-]+:[a-z0-9-]+:([a-z0-9-]+):", policies))
    return ownership.by_tag(tags) == lab and (not regions or place[0] in regions)


def names_a_lab(policies: str, lab_id: str, place: tuple[str, str]) -> bool:
    """Return whether policies name an image or model of a lab in this region, as those of its roles do."""
    here, prefix = ":".join(place), Names(lab_id).prefix
    own = rf":{here}:([^'\"\s]*[:/])?{prefix}(scikit-base|iris-model|iris-train-pipeline)"
    return re.search(own, policies) is not None


def _role_policies(iam: IAMClient, role: str) -> str:
    """Return the text of a role's policies, inline and managed."""
    inline = [
        str(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    attached = iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]
    return " ".join([*inline, *(_managed_policy(iam, one["PolicyArn"]) for one in attached)])


def _managed_policy(iam: IAMClient, arn: str) -> str:
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    return str(iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"])


_LISTED = {
    "cloudformation:stack", "sagemaker:endpoint", "sagemaker:endpoint-config", "sagemaker:model",
    "sagemaker:model-package-group",
    "sagemaker:training-job", "sagemaker:hyper-parameter-tuning-job", "sagemaker:transform-job",
    "sagemaker:processing-job",
    "sagemaker:notebook-instance", "sagemaker:notebook-instance-lifecycle-config",
    "application-autoscaling:scalable-target", "cloudwatch:alarm", "codepipeline:", "codebuild:project",
    "lambda:function", "events:rule", "codecommit:", "ecr:repository", "s3:", "logs:log-group",
}  # fmt: skip
"""Service and type, as in ARNs, of what the listers list: tagged but not listed means deleted."""


def _unknown_kinds(
    tags: dict[str, dict[str, str]], found: Iterable[Found], asked: Collection[str] | None
) -> list[Resource]:
    """Return tagged resources of kinds that no lister lists, such as those of other services."""
    listed = {one.arn for one in found}
    unknown = []
    for arn, own in tags.items():
        lab = ownership.by_tag(own)
        service, resource = arn.split(":")[2], arn.split(":", 5)[5]
        kind = resource.replace(":", "/").partition("/")[0] if set("/:") & set(resource) else ""
        if arn in listed or lab is None or (asked is not None and lab not in asked):
            continue
        # The Tagging API still lists deleted resources for a while.
        if f"{service}:{kind}" not in _LISTED:
            unknown.append(Resource(service, kind, arn, lab, arn, None, None))
    return unknown
