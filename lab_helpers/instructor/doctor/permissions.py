"""Whether the instructor is allowed to do what the event needs (IAM SimulatePrincipalPolicy)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers.instructor.doctor.findings import Finding, error, ok, warning
from lab_helpers.instructor.doctor.room import Room

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef

DRILLS = "run drills"
"""An event can do without them."""
Wanted = dict[str, list[tuple[str, str, str]]]
"""By purpose: service prefix, actions, and the resource to check them on."""


def wanted(room: Room) -> Wanted:
    """Return the actions of `fleet`, `reset` and `clean` on the resources of one lab, by purpose."""
    n, arn = room.a_lab, room.arn
    bucket = f"arn:aws:s3:::{n.bucket(room.region, room.account)}"
    assets = f"arn:aws:s3:::{n.assets_bucket(room.region, room.account)}"
    roles = f"arn:aws:iam::{room.account}:role/{n.prefix}mlops-*"
    policies = f"arn:aws:iam::{room.account}:policy/{n.prefix}mlops-notebook-*"
    stack = arn("cloudformation", f"stack/{n.prefix}*/*")
    notebook = arn("sagemaker", f"notebook-instance/{n.notebook_instance}")
    hook = arn("sagemaker", f"notebook-instance-lifecycle-config/{n.lifecycle_config}")
    endpoint = arn("sagemaker", f"endpoint/{n.prd_endpoint}")
    image, pipeline = arn("ecr", f"repository/{n.model_image}"), arn("codepipeline", n.train_pipeline)
    repository = [("codecommit", "CreateRepository TagResource", arn("codecommit", n.repository))]
    return {
        "provision a lab": [
            ("s3", "CreateBucket PutBucketPublicAccessBlock PutBucketVersioning PutBucketPolicy", bucket),
            ("s3", "PutObject GetObject", f"{assets}/*"),
            ("cloudformation", "CreateStack UpdateStack DescribeStacks DescribeStackEvents", stack),
            ("iam", "CreateRole PutRolePolicy AttachRolePolicy TagRole PassRole GetRole", roles),
            ("iam", "CreatePolicy GetPolicy CreatePolicyVersion DeletePolicyVersion", policies),
            ("ecr", "CreateRepository PutLifecyclePolicy TagResource", image),
            *(repository if room.uses_codecommit else []),
            ("sagemaker", "CreateNotebookInstance DescribeNotebookInstance AddTags", notebook),
            ("sagemaker", "CreateNotebookInstanceLifecycleConfig", hook),
        ],
        "watch the class": [
            ("sagemaker", "ListEndpoints ListTrainingJobs ListProcessingJobs", "*"),
            ("tag", "GetResources", "*"),
            ("sagemaker", "DescribeEndpoint", endpoint),
            ("codepipeline", "GetPipelineState ListPipelineExecutions", pipeline),
            ("codebuild", "BatchGetBuilds", arn("codebuild", f"project/{n.base_project}")),
            ("logs", "GetLogEvents", arn("logs", f"log-group:/aws/codebuild/{n.base_project}:log-stream:x")),
            ("sagemaker", "CreatePresignedNotebookInstanceUrl", notebook),
        ],
        DRILLS: [
            ("codepipeline", "StartPipelineExecution StopPipelineExecution RollbackStage", pipeline),
            ("codepipeline", "PutApprovalResult", f"{pipeline}/DeployApproval/DeployApproval"),
            ("events", "DescribeRule PutRule", arn("events", f"rule/{n.monitor_rule}")),
        ],
        "reset and clean": [
            ("cloudformation", "DeleteStack", stack),
            ("sagemaker", "DeleteEndpoint", endpoint),
            ("sagemaker", "DeleteModel", arn("sagemaker", f"model/{n.prefix}iris-model-x")),
            ("sagemaker", "StopNotebookInstance DeleteNotebookInstance", notebook),
            ("s3", "ListBucket ListBucketVersions DeleteBucket", bucket),
            ("s3", "GetObject GetObjectVersion PutObject DeleteObject DeleteObjectVersion", f"{bucket}/*"),
            ("ecr", "DeleteRepository BatchDeleteImage", image),
            ("codepipeline", "DeletePipeline", pipeline),
            ("logs", "DeleteLogGroup", arn("logs", f"log-group:/aws/lambda/{n.launcher}")),
            ("iam", "DeleteRole DeleteRolePolicy DetachRolePolicy", roles),
            ("iam", "DeletePolicy ListEntitiesForPolicy", policies),
        ],
    }


def permissions(room: Room) -> Iterator[Finding]:
    """Simulate every action for the caller; denied ones are named with their resource."""
    arn = room.identity["Arn"]
    if arn.endswith(":root"):
        yield ok("permissions", "the root user is allowed to do everything")
        return
    source = principal(room, arn)
    if source is None:
        yield warning("permissions", f"{arn} is neither a user nor a role", "use an IAM role or user")
        return
    for purpose, groups in wanted(room).items():
        try:
            denied = [name for group in groups for name in _denied(room, source, *group)]
        except ClientError as failure:
            if "AccessDenied" not in failure.response["Error"]["Code"]:
                raise
            yield warning(
                "permissions",
                "could not check: iam:SimulatePrincipalPolicy is not allowed",
                f"allow it on {source}, or try one lab before the event",
            )
            return
        if denied:
            found = warning if purpose == DRILLS else error
            yield found(
                "permissions",
                f"not allowed, but needed to {purpose}: {', '.join(denied)}",
                f"ask an administrator to allow them for {source.rpartition(':')[2]}",
            )
        else:
            yield ok("permissions", f"allowed to {purpose}")


def principal(room: Room, arn: str) -> str | None:
    """Return the ARN whose policies to simulate: a user, or the role of a session."""
    kind, _, name = arn.rpartition(":")[2].partition("/")
    if kind == "assumed-role":
        role = room.clients("iam").get_role(RoleName=name.partition("/")[0])["Role"]
        return str(role["Arn"])
    return arn if kind in ("user", "role") and ":iam:" in arn else None


def _denied(room: Room, source: str, service: str, actions: str, resource: str) -> list[str]:
    context: list[ContextEntryTypeDef] = [
        {
            "ContextKeyName": "iam:PassedToService",
            "ContextKeyType": "string",
            "ContextKeyValues": ["sagemaker.amazonaws.com"],
        }
    ]
    pages = (
        room.clients("iam")
        .get_paginator("simulate_principal_policy")
        .paginate(
            PolicySourceArn=source,
            ActionNames=[f"{service}:{action}" for action in actions.split()],
            ResourceArns=[resource],
            ContextEntries=context,
        )
    )
    return [
        one["EvalActionName"]
        for page in pages
        for one in page["EvaluationResults"]
        if one["EvalDecision"] != "allowed"
    ]
