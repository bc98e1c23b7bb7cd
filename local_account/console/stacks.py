"""CloudFormation stacks: resources, events, outputs and parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from local_account.console import links
from local_account.console.visit import Answer, NotFoundError, Page, Render, Visit

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudformation.literals import StackStatusType

_SECTION = "Stacks"
STATES: tuple[StackStatusType, ...] = (
    "CREATE_IN_PROGRESS", "CREATE_FAILED", "CREATE_COMPLETE", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED",
    "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED", "UPDATE_IN_PROGRESS",
    "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE", "UPDATE_FAILED",
    "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED", "UPDATE_ROLLBACK_COMPLETE_CLEANUP_IN_PROGRESS",
    "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS",
)  # fmt: skip
"""All states but that of a deleted stack."""
_EVENTS = 60


def listing(visit: Visit) -> Answer:
    """All stacks but deleted ones: those of their own, each with the nested ones after it."""
    client: CloudFormationClient = visit.client("cloudformation")
    found = [
        one
        for page in client.get_paginator("list_stacks").paginate(StackStatusFilter=STATES)
        for one in page["StackSummaries"]
    ]
    order = {one["StackId"]: index for index, one in enumerate(found)}
    found.sort(key=lambda one: (order.get(one.get("RootId", one["StackId"]), 0), "ParentId" in one))
    live = 2 * any(one["StackStatus"].endswith("_IN_PROGRESS") for one in found)
    return Page("stacks.html", _SECTION, _SECTION, {"stacks": found}, live=live, service="cloudformation")


def shown(visit: Visit, tab: str = "stackinfo") -> Answer:
    """A stack, by id or name."""
    identity = visit.argument("stackId")
    if not identity:
        raise NotFoundError("The address names no stack: it has no stackId.")
    client: CloudFormationClient = visit.client("cloudformation")
    stack = client.describe_stacks(StackName=identity)["Stacks"][0]
    resources = client.describe_stack_resources(StackName=identity)["StackResources"]
    events = client.describe_stack_events(StackName=identity)["StackEvents"]
    values = {
        "stack": stack,
        "resources": resources,
        "events": events[:_EVENTS],
        "more": len(events) > _EVENTS,
        "address": lambda one: address(
            one["ResourceType"], one.get("PhysicalResourceId", ""), visit.account_id
        ),
        "output": output_link,
    }
    live = 2 * stack["StackStatus"].endswith("_IN_PROGRESS")
    crumbs = [(_SECTION, links.stacks())]
    if parent := stack.get("ParentId"):
        crumbs.append((parent.split("/")[1], links.stack(parent)))
    return Page("stack.html", stack["StackName"], _SECTION, values, crumbs, live=live)


def address(kind: str, identity: str, account_id: str) -> str:
    """Return the page of a resource of a stack, empty if there is none."""
    if not identity:
        return ""
    if kind == "AWS::ECR::Repository":
        return links.image_repository(account_id, identity)
    page = _PAGES.get(kind)
    return page(identity) if page else ""


def output_link(value: str) -> str:
    """Return where an output leads that is an address or an ARN, empty if it is neither."""
    return links.of_s3(value) or links.of_arn(value) or links.own(value)


def _last(arn: str) -> str:
    return re.split(r"[/]", arn)[-1]


_PAGES: Mapping[str, Callable[[str], str]] = {
    "AWS::CloudFormation::Stack": links.stack,
    "AWS::CloudWatch::Alarm": links.alarm,
    "AWS::CodeBuild::Project": links.project,
    "AWS::CodePipeline::Pipeline": links.pipeline,
    "AWS::Events::Rule": lambda identity: links.rule(identity.rpartition("|")[2]),  # of another bus: bus|rule
    "AWS::IAM::ManagedPolicy": links.policy,
    "AWS::IAM::Role": links.role,
    "AWS::Lambda::Function": links.function,
    "AWS::Logs::LogGroup": links.log_group,
    "AWS::S3::Bucket": links.bucket,
    "AWS::SageMaker::Endpoint": lambda arn: links.endpoint(_last(arn)),
    "AWS::SageMaker::NotebookInstance": lambda arn: links.notebook_instance(_last(arn)),
}

PAGES: Mapping[str, Render] = {
    "/cloudformation/home": listing,
    "/cloudformation/stacks": listing,
    "/cloudformation/stacks/<tab>": shown,
}
