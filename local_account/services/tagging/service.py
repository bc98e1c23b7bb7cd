"""The Resource Groups Tagging API over the tags that the account's services keep for their resources.

Contract: *GetResources*, *GetTagKeys* and *GetTagValues* in the Resource Groups Tagging API Reference. As on
AWS, IAM roles are not among the resources ("Services that support the Resource Groups Tagging API").
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from local_account.foundation.account import Tagged
from local_account.foundation.errors import Params, ServiceError
from local_account.gateway.pages import page
from local_account.gateway.service import Answer, Service

if TYPE_CHECKING:
    from mypy_boto3_resourcegroupstaggingapi.type_defs import (
        GetResourcesInputTypeDef,
        GetTagKeysInputTypeDef,
        GetTagValuesInputTypeDef,
    )

_PAGE = 100


class ResourceGroupsTagging(Service):
    """Finds resources of every service by their tags.

    Lacks: `TagResources`, `UntagResources`: use the services' own operations.
    """

    name = "resourcegroupstaggingapi"
    validation_error: ClassVar[str] = "InvalidParameterException"

    def get_resources(self, params: GetResourcesInputTypeDef) -> Answer:
        """GetResources: those that have a tag, or match every filter."""
        for member in ("TagsPerPage", "IncludeComplianceDetails", "ExcludeCompliantResources"):
            if params.get(member):
                raise _invalid(f"{member} is not supported by the local account")
        size = params.get("ResourcesPerPage", _PAGE)
        if not 1 <= size <= _PAGE:
            raise _invalid(f"ResourcesPerPage {size} is not between 1 and {_PAGE}")
        filters = params.get("TagFilters", [])
        if params.get("ResourceARNList") and (filters or params.get("ResourceTypeFilters")):
            raise _invalid("ResourceARNList can't be combined with filters")
        wanted = set(params.get("ResourceARNList", []))
        found = [
            {
                "ResourceARN": arn,
                "Tags": [{"Key": key, "Value": value} for key, value in sorted(tags.items())],
            }
            for arn, tags in sorted(self._tagged())
            if (not wanted or arn in wanted)
            and all(_fits(tags, one) for one in filters)
            and _is_of(arn, params.get("ResourceTypeFilters", []))
        ]
        return _page("ResourceTagMappingList", found, params, size)

    def get_tag_keys(self, params: GetTagKeysInputTypeDef) -> Answer:
        """GetTagKeys."""
        keys = sorted({key for _, tags in self._tagged() for key in tags})
        return _page("TagKeys", keys, params)

    def get_tag_values(self, params: GetTagValuesInputTypeDef) -> Answer:
        """GetTagValues."""
        values = sorted({tags[params["Key"]] for _, tags in self._tagged() if params["Key"] in tags})
        return _page("TagValues", values, params)

    def _tagged(self) -> Iterator[Tagged]:
        for arn, tags in self._owned():
            if tags:
                yield arn, tags

    def _owned(self) -> Iterator[Tagged]:
        account, table = self.account, self.account.store.table
        for name, tags in self._members("codecommit-repositories", "tags"):
            yield account.arn("codecommit", name), tags
        for name, tags in self._members("ecr-repositories", "resourceTags"):
            yield account.arn("ecr", f"repository/{name}"), tags
        for name, tags in self._members("codebuild.projects", "project.tags"):
            yield account.arn("codebuild", f"project/{name}"), {tag["key"]: tag["value"] for tag in tags}
        for name, tags in self._members("codepipeline.pipelines", "tags"):
            yield account.arn("codepipeline", name), {tag["key"]: tag["value"] for tag in tags}
        for name, tags in self._members("lambda.functions", "tags"):
            yield account.arn("lambda", f"function:{name}"), tags
        for name, tags in self._members("events.rules", "tags"):
            yield account.arn("events", f"rule/{name}"), tags
        for one in table("autoscaling-targets").values():
            yield one["ScalableTargetARN"], one["Tags"]
        yield from table("sagemaker.tags").items()
        yield from table("cloudwatch.tags").items()
        yield from table("logs.tags").items()
        for of_service in account.tagged:
            yield from of_service()
        active = {named["StackId"] for named in table("cloudformation.names").values()}
        for stack_id, tags in self._members("cloudformation.stacks", "Tags"):
            if stack_id in active:
                yield stack_id, {tag["Key"]: tag["Value"] for tag in tags}

    def _members(self, table: str, member: str) -> Iterator[tuple[str, Any]]:
        """Yield key and tags of each document; the rest, which can be large, is not read."""
        for key, tags in self.account.store.table(table).members(member):
            yield key, json.loads(tags or "[]") or {}


def _page(member: str, items: list[Any], params: Mapping[str, Any], size: int = _PAGE) -> Params:
    token = params.get("PaginationToken") or None
    shown, following = page(items, token, size, "PaginationTokenExpiredException")
    return {member: shown, "PaginationToken": following or ""}


def _fits(tags: Mapping[str, str], wanted: Mapping[str, Any]) -> bool:
    key, values = wanted.get("Key", ""), wanted.get("Values")
    return key in tags and (not values or tags[key] in values)


def _is_of(arn: str, kinds: Sequence[str]) -> bool:
    """Return whether an ARN has a `service` or `service:type` in the list; an empty list has every ARN."""
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    kind = resource.replace(":", "/").partition("/")[0]
    return not kinds or service in kinds or f"{service}:{kind}" in kinds


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidParameterException", message)
