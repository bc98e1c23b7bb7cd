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
_OF_A_SUBNET = (
    "CreateNetworkInterface CreateNetworkInterfacePermission DeleteNetworkInterface "
    "DeleteNetworkInterfacePermission DescribeNetworkInterfaces DescribeVpcs DescribeDhcpOptions "
    "DescribeSubnets DescribeSecurityGroups"
)
"""What SageMaker AI does with the caller's permissions for an instance in a subnet (its registry schema)."""
Wanted = dict[str, list[tuple[str, str, str]]]
"""By purpose: service prefix, actions, and the resource to check them on."""


def wanted(room: Room) -> Wanted:
    """Return every action of `fleet`, `reset` and `clean` on the resources of one lab, by purpose.

    CloudFormation creates the top stack with the instructor's permissions: they include what the handlers of
    its resource types call, for the properties that the templates set.
    """
    n, arn = room.a_lab, room.arn
    bucket = arn("s3", n.bucket(room.region, room.account))
    assets = arn("s3", n.assets_bucket(room.region, room.account))
    roles = arn("iam", f"role/{n.prefix}mlops-*")
    policies = arn("iam", f"policy/{n.prefix}mlops-notebook-*")
    stack = arn("cloudformation", f"stack/{n.prefix}*/*")
    notebook = arn("sagemaker", f"notebook-instance/{n.notebook_instance}")
    hook = arn("sagemaker", f"notebook-instance-lifecycle-config/{n.lifecycle_config}")
    endpoint = arn("sagemaker", f"endpoint/{n.prd_endpoint}")
    config = arn("sagemaker", f"endpoint-config/{n.prefix}iris-model-x")
    model = arn("sagemaker", f"model/{n.prefix}iris-model-x")
    group = arn("sagemaker", f"model-package-group/{n.prefix}iris-model")
    version = arn("sagemaker", f"model-package/{n.prefix}iris-model/1")
    training = arn("sagemaker", f"training-job/{n.prefix}iris-model-x")
    tuning = arn("sagemaker", f"hyper-parameter-tuning-job/{n.prefix}iris-model-x")
    transform = arn("sagemaker", f"transform-job/{n.prefix}iris-model-x")
    processing = arn("sagemaker", f"processing-job/{n.prefix}iris-model-x")
    image, pipeline = arn("ecr", f"repository/{n.model_image}"), arn("codepipeline", n.train_pipeline)
    project, rule = arn("codebuild", f"project/{n.base_project}"), arn("events", f"rule/{n.monitor_rule}")
    group_of_logs = arn("logs", f"log-group:/aws/codebuild/{n.base_project}")
    jobs = arn("logs", "log-group:/aws/sagemaker/TrainingJobs")  # of the whole account
    function = arn("lambda", f"function:{n.launcher}")
    alarm = arn("cloudwatch", f"alarm:{n.prd_endpoint}-x")
    scaled = arn("application-autoscaling", "scalable-target/*")

    def repository(actions: str) -> list[tuple[str, str, str]]:
        return [("codecommit", actions, arn("codecommit", n.repository))] if room.uses_codecommit else []

    return {
        "provision a lab": [
            ("s3", "CreateBucket ListBucket PutBucketPublicAccessBlock", assets),
            ("s3", "PutObject GetObject", f"{assets}/*"),
            (
                "s3",
                "CreateBucket PutBucketTagging PutBucketPublicAccessBlock PutBucketVersioning "
                "PutEncryptionConfiguration PutLifecycleConfiguration PutBucketNotification "
                "PutBucketOwnershipControls GetBucketPolicy PutBucketPolicy",
                bucket,
            ),
            ("s3", "GetObject", f"{bucket}/*"),
            ("cloudformation", "CreateStack UpdateStack DeleteStack DescribeStackEvents", stack),
            ("cloudformation", "DescribeStacks", "*"),
            (
                "iam",
                "CreateRole GetRole UpdateRole UpdateRoleDescription UpdateAssumeRolePolicy PutRolePolicy "
                "GetRolePolicy DeleteRolePolicy AttachRolePolicy DetachRolePolicy TagRole PassRole",
                roles,
            ),
            (
                "iam",
                "CreatePolicy GetPolicy ListPolicyVersions CreatePolicyVersion DeletePolicyVersion",
                policies,
            ),
            ("ecr", "CreateRepository DescribeRepositories PutLifecyclePolicy TagResource", image),
            *repository("CreateRepository GetRepository TagResource"),
            (
                "sagemaker",
                "CreateNotebookInstance DescribeNotebookInstance UpdateNotebookInstance "
                "StartNotebookInstance StopNotebookInstance AddTags ListTags",
                notebook,
            ),
            (
                "sagemaker",
                "CreateNotebookInstanceLifecycleConfig UpdateNotebookInstanceLifecycleConfig AddTags",
                hook,
            ),
            ("sagemaker", "ListNotebookInstances", "*"),
            *([("ec2", _OF_A_SUBNET, "*")] if room.subnet else []),
        ],
        "watch the class": [
            ("sagemaker", "ListEndpoints ListTrainingJobs ListProcessingJobs", "*"),
            ("tag", "GetResources", "*"),
            ("sagemaker", "DescribeEndpoint", endpoint),
            ("sagemaker", "DescribeEndpointConfig", config),
            ("ecr", "DescribeImages", image),
            ("codepipeline", "GetPipelineState ListPipelineExecutions ListActionExecutions", pipeline),
            ("codebuild", "BatchGetBuilds", project),
            ("logs", "GetLogEvents", f"{group_of_logs}:log-stream:x"),
            ("sagemaker", "CreatePresignedNotebookInstanceUrl", notebook),
        ],
        DRILLS: [
            (
                "codepipeline",
                "GetPipeline GetPipelineExecution StartPipelineExecution StopPipelineExecution",
                pipeline,
            ),
            ("codepipeline", "RollbackStage", f"{pipeline}/DeployPrd"),
            ("codepipeline", "PutApprovalResult", f"{pipeline}/DeployApproval/DeployApproval"),
            ("events", "DescribeRule PutRule", rule),
            ("sagemaker", "CreateModel DescribeModel AddTags", model),
            ("sagemaker", "CreateEndpointConfig AddTags", config),
            ("sagemaker", "CreateEndpoint UpdateEndpoint InvokeEndpoint AddTags", endpoint),
            ("sagemaker", "CreateProcessingJob DescribeProcessingJob AddTags", processing),
            ("cloudwatch", "PutMetricAlarm SetAlarmState DeleteAlarms TagResource", alarm),
            ("cloudwatch", "PutMetricData", "*"),
            ("s3", "ListBucket", bucket),
            ("s3", "GetObject PutObject DeleteObject", f"{bucket}/*"),
        ],
        "reset and clean": [
            (
                "cloudformation",
                "DeleteStack DescribeStackResources GetTemplate RollbackStack ContinueUpdateRollback",
                stack,
            ),
            (
                "sagemaker",
                "ListEndpointConfigs ListModels ListModelPackageGroups ListHyperParameterTuningJobs "
                "ListTransformJobs ListNotebookInstanceLifecycleConfigs",
                "*",
            ),
            ("sagemaker", "DeleteEndpoint", endpoint),
            ("sagemaker", "DeleteEndpointConfig", config),
            ("sagemaker", "DescribeModel DeleteModel", model),
            ("sagemaker", "DeleteModelPackageGroup", group),
            ("sagemaker", "ListModelPackages DeleteModelPackage", version),
            ("sagemaker", "DescribeTrainingJob StopTrainingJob DeleteTrainingJob", training),
            (
                "sagemaker",
                "DescribeHyperParameterTuningJob StopHyperParameterTuningJob DeleteHyperParameterTuningJob",
                tuning,
            ),
            ("sagemaker", "DescribeTransformJob StopTransformJob", transform),
            ("sagemaker", "DescribeProcessingJob StopProcessingJob", processing),
            ("sagemaker", "StopNotebookInstance DeleteNotebookInstance", notebook),
            ("sagemaker", "DeleteNotebookInstanceLifecycleConfig", hook),
            ("application-autoscaling", "DescribeScalableTargets DescribeScalingPolicies", "*"),
            ("application-autoscaling", "DeregisterScalableTarget DeleteScalingPolicy", scaled),
            ("cloudwatch", "DescribeAlarms", "*"),
            ("cloudwatch", "DeleteAlarms", alarm),
            ("s3", "ListAllMyBuckets", "*"),
            (
                "s3",
                "ListBucket ListBucketVersions ListBucketMultipartUploads DeleteBucketPolicy DeleteBucket",
                bucket,
            ),
            (
                "s3",
                "GetObject GetObjectVersion PutObject DeleteObject DeleteObjectVersion AbortMultipartUpload",
                f"{bucket}/*",
            ),
            ("ecr", "DescribeRepositories", "*"),
            ("ecr", "DeleteRepository BatchDeleteImage BatchGetImage PutImage ListImages", image),
            *([("codecommit", "ListRepositories", "*")] if room.uses_codecommit else []),
            *repository("GetBranch GetFolder CreateCommit CreateBranch DeleteBranch DeleteRepository"),
            ("codepipeline", "ListPipelines", "*"),
            (
                "codepipeline",
                "GetPipeline GetPipelineExecution StartPipelineExecution StopPipelineExecution "
                "DeletePipeline",
                pipeline,
            ),
            ("codepipeline", "PutApprovalResult", f"{pipeline}/DeployApproval/DeployApproval"),
            ("codebuild", "ListProjects", "*"),
            ("codebuild", "ListBuildsForProject StopBuild DeleteProject", project),
            ("lambda", "ListFunctions", "*"),
            ("lambda", "DeleteFunction DeleteFunctionEventInvokeConfig RemovePermission", function),
            ("events", "ListRules", "*"),
            (
                "events",
                "DescribeRule EnableRule DisableRule ListTargetsByRule RemoveTargets DeleteRule",
                rule,
            ),
            ("logs", "DescribeLogGroups", "*"),
            ("logs", "DeleteLogGroup", group_of_logs),
            ("logs", "DescribeLogStreams", f"{jobs}:log-stream:"),
            ("logs", "DeleteLogStream", f"{jobs}:log-stream:{n.prefix}iris-model-x"),
            ("iam", "ListRoles ListPolicies", "*"),
            (
                "iam",
                "ListRolePolicies ListAttachedRolePolicies ListInstanceProfilesForRole DeleteRole "
                "DeleteRolePolicy DetachRolePolicy",
                roles,
            ),
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
