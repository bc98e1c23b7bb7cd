"""The policies of the roles as deployed: how long they are, and what they allow."""

import json
from pathlib import Path

import boto3
import pytest

from lab_helpers.names import Names
from tests.lab_roles import Place, Role, grants, roles, size

LONGEST_LAB_ID = "abcdefghij"
PARTITIONS = [
    one
    for one in boto3.Session().get_available_partitions()
    if boto3.Session().get_available_regions("sagemaker", one)
]
EARLIER = Path(__file__).parent / "earlier" / "m.yml"
"""The top stack of labs that were deployed when every policy was still an inline one (November 2026)."""

_ARTIFACTS = (
    'CodePipeline User Guide, "Manage the CodePipeline service role": the minimum for the artifact store'
)
_SOURCE = (
    'CodePipeline User Guide, "Amazon S3 source action reference"; reports differ on whether it is needed'
)
_DEPLOY = 'CodePipeline User Guide, "AWS CloudFormation deploy action reference"'
_BUILD = 'CodeBuild User Guide, "Allow CodeBuild to interact with other AWS services": the minimum'
_HANDLER = "CloudFormation registry: the handler that {} calls it, with or without the property"
_FAILED = "the end of a failed job's log is in its report"
_SDK = "notebook 03a trains, tunes, serves and transforms itself, under names of its own: iris-model-sdk"
_OF_SDK = {
    "mlops-notebook": (
        "iam:PassRole", "logs:DescribeLogStreams", "logs:GetLogEvents", "sagemaker:AddTags",
        "sagemaker:CreateEndpoint", "sagemaker:CreateEndpointConfig",
        "sagemaker:CreateHyperParameterTuningJob", "sagemaker:CreateModel", "sagemaker:CreateTrainingJob",
        "sagemaker:CreateTransformJob", "sagemaker:DeleteEndpoint", "sagemaker:DeleteEndpointConfig",
        "sagemaker:DeleteModel", "sagemaker:DescribeHyperParameterTuningJob",
        "sagemaker:DescribeTransformJob", "sagemaker:ListTrainingJobsForHyperParameterTuningJob",
        "sagemaker:StopHyperParameterTuningJob", "sagemaker:StopTransformJob",
    ),
    "mlops-sagemaker": (
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents",
        "s3:AbortMultipartUpload", "s3:GetObject", "s3:ListBucket", "s3:PutObject",
    ),
}  # fmt: skip
_TESTER = "the same for one function more, mlops-endpoint-tester-iris-model"
_OF_TESTER = {
    "mlops-notebook": (
        "lambda:AddPermission", "lambda:CreateFunction", "lambda:DeleteFunction",
        "lambda:DeleteFunctionEventInvokeConfig", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig",
        "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig",
        "lambda:GetFunctionRecursionConfig", "lambda:GetFunctionScalingConfig", "lambda:GetPolicy",
        "lambda:GetRuntimeManagementConfig", "lambda:ListTags", "lambda:PutFunctionEventInvokeConfig",
        "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource", "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration", "lambda:UpdateFunctionEventInvokeConfig",
        "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy",
        "logs:GetDataProtectionPolicy", "logs:ListTagsForResource", "logs:PutRetentionPolicy",
        "logs:TagResource", "logs:UntagResource",
    ),
    "mlops-pipeline": ("lambda:InvokeFunction",),
}  # fmt: skip
_RESET = "a learner goes back to the start of a notebook without an instructor"
_OF_RESET = (
    "cloudformation:ContinueUpdateRollback", "cloudformation:RollbackStack", "codebuild:StopBuild",
    "codecommit:CreateBranch", "codecommit:CreateCommit", "codecommit:DeleteBranch", "codecommit:GetFolder",
    "ecr:BatchDeleteImage", "ecr:PutImage", "events:DisableRule", "events:EnableRule",
    "sagemaker:DeleteHyperParameterTuningJob", "sagemaker:DeleteTrainingJob",
)  # fmt: skip
_MONITOR = "notebook 07 checks captured data with processing jobs, and publishes what they found"
_OF_MONITOR = (
    "cloudwatch:PutMetricData", "sagemaker:CreateProcessingJob", "sagemaker:DescribeProcessingJob",
    "sagemaker:ListProcessingJobs", "sagemaker:StopProcessingJob",
)  # fmt: skip
_REGISTRY = "every judged model is a version in the model registry"
_OF_REGISTRY = {
    "mlops-launcher": ("s3:GetObject", "s3:ListBucket"),
    "mlops-monitor": (
        "ecr:BatchGetImage", "sagemaker:CreateModelPackage", "sagemaker:ListModelPackages",
        "sagemaker:UpdateModelPackage",
    ),
    "mlops-notebook": (
        "codepipeline:RollbackStage", "sagemaker:AddTags", "sagemaker:CreateModelPackageGroup",
        "sagemaker:DeleteModelPackage", "sagemaker:DeleteModelPackageGroup",
        "sagemaker:DeleteModelPackageGroupPolicy", "sagemaker:DeleteTags", "sagemaker:DescribeModelPackage",
        "sagemaker:DescribeModelPackageGroup", "sagemaker:GetModelPackageGroupPolicy",
        "sagemaker:ListModelPackages", "sagemaker:ListTags", "sagemaker:PutModelPackageGroupPolicy",
    ),
}  # fmt: skip
_RELEASES = "notebook 06 releases, rolls back and compares models on an endpoint of its own: iris-model-safe"
_OF_RELEASES = (
    "application-autoscaling:DeregisterScalableTarget", "application-autoscaling:TagResource",
    "cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:SetAlarmState",
    "cloudwatch:TagResource", "sagemaker:AddTags", "sagemaker:CreateEndpoint",
    "sagemaker:CreateEndpointConfig", "sagemaker:CreateModel", "sagemaker:DeleteEndpoint",
    "sagemaker:DeleteEndpointConfig", "sagemaker:DeleteModel", "sagemaker:ListEndpointConfigs",
    "sagemaker:ListModels", "sagemaker:UpdateEndpoint", "sagemaker:UpdateEndpointWeightsAndCapacities",
)  # fmt: skip
_RETRAINING = "an execution that a rule for retraining started is told from one of a learner"
_RULES = "the same for two rules more, iris-train-drift and iris-train-labels"
_OF_RULES = (
    "events:DeleteRule", "events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule",
    "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource",
    "events:UntagResource",
)  # fmt: skip
_DRILLS = "a drill trains with a zip file of its own, below drills/"
_RUNNING = "notebook 99 stops what notebook 03a has started, and has to find it"
MORE: dict[tuple[str, str], str] = {
    **{(role, action): _TESTER for role, actions in _OF_TESTER.items() for action in actions},
    **{("mlops-notebook", action): _RESET for action in _OF_RESET},
    **{("mlops-notebook", action): _RULES for action in _OF_RULES},
    **{("mlops-notebook", action): _MONITOR for action in _OF_MONITOR},
    **{("mlops-notebook", action): _RELEASES for action in _OF_RELEASES},
    **{(role, action): _REGISTRY for role, actions in _OF_REGISTRY.items() for action in actions},
    ("mlops-notebook", "sagemaker:ListHyperParameterTuningJobs"): _RUNNING,
    ("mlops-notebook", "sagemaker:ListTransformJobs"): _RUNNING,
    **{(role, action): _SDK for role, actions in _OF_SDK.items() for action in actions},
    (
        "mlops-sagemaker",
        "cloudwatch:DescribeAlarms",
    ): 'SageMaker AI Developer Guide, "Auto-Rollback Configuration '
    'and Monitoring": without it, no release is rolled back by its alarms',
    (
        "mlops-monitor",
        "s3:ListBucket",
    ): "GetObject of a missing key has no prefix to compare: AccessDenied, and no model was ever judged",
    ("mlops-launcher", "codepipeline:GetPipelineExecution"): _RETRAINING,
    ("mlops-launcher", "s3:PutObject"): "what has been trained is marked beside the record",
    ("mlops-monitor", "sagemaker:InvokeEndpoint"): "the model in production is judged on the same rows",
    ("mlops-monitor", "logs:DescribeLogStreams"): _FAILED,
    ("mlops-monitor", "logs:GetLogEvents"): _FAILED,
    ("mlops-pipeline", "s3:GetObject"): _DRILLS,
    ("mlops-pipeline", "s3:GetObjectVersion"): _DRILLS,
    ("mlops-pipeline", "s3:GetBucketAcl"): _ARTIFACTS,
    ("mlops-pipeline", "s3:PutObjectAcl"): _ARTIFACTS,
    ("mlops-pipeline", "s3:PutObjectTagging"): _ARTIFACTS,
    ("mlops-pipeline", "s3:GetObjectTagging"): _SOURCE,
    ("mlops-pipeline", "s3:GetObjectVersionTagging"): _SOURCE,
    ("mlops-pipeline", "cloudformation:DescribeStackResources"): _DEPLOY,
    ("mlops-pipeline", "cloudformation:GetTemplate"): _DEPLOY,
    ("mlops-pipeline", "cloudformation:ValidateTemplate"): _DEPLOY,
    (
        "mlops-pipeline",
        "codebuild:StopBuild",
    ): "CDK's CodeBuild action grants it: for executions that are stopped",
    ("mlops-codebuild", "logs:CreateLogGroup"): _BUILD,
    ("mlops-codebuild", "s3:GetBucketAcl"): _BUILD,
    ("mlops-codebuild", "s3:GetBucketLocation"): _BUILD,
    ("mlops-notebook", "iam:GetRole"): _HANDLER.format("creates and updates a pipeline"),
    ("mlops-notebook", "logs:DescribeResourcePolicies"): _HANDLER.format("reads a log group"),
    ("mlops-notebook", "logs:DeleteDataProtectionPolicy"): _HANDLER.format("deletes a log group"),
}
"""What a role may do since then that it could not before: role and action, and why."""
_UNUSED = (
    "cloudformation:DescribeStackResource", "cloudformation:ListStackResources",
    "cloudwatch:GetMetricStatistics", "cloudwatch:ListMetrics", "codecommit:GetCommit",
    "codecommit:ListBranches", "ecr:DescribeImageScanFindings", "logs:FilterLogEvents",
    "s3:GetBucketVersioning",
)  # fmt: skip
LESS: dict[tuple[str, str], str] = {
    ("mlops-monitor", "s3:ListBucket"): "the same without a condition, see above",
    **{("mlops-notebook", action): "no code of the workshop calls it" for action in _UNUSED},
    (
        "mlops-sagemaker",
        "s3:ListBucket",
    ): "the same with another condition: sdk/ and monitoring/ beside training/",
}
"""What a role could do then and may not do any more."""

# IAM User Guide, "IAM and AWS STS quotas", and room for a statement or two.
INLINE, MANAGED, MANAGED_PER_ROLE = 10_240, 6_144, 10
ROOM = 500


def longest_region(partition: str) -> str:
    """Return the longest name among the regions that have SageMaker, according to botocore."""
    return max(boto3.Session().get_available_regions("sagemaker", partition), key=len)


@pytest.mark.parametrize("partition", PARTITIONS)
def test_the_policies_of_every_role_fit_with_room_to_grow(partition: str) -> None:
    found = roles(LONGEST_LAB_ID, Place(longest_region(partition), partition))

    assert len(found) == 9
    for name, role in found.items():
        assert sum(map(size, role.inline.values())) <= INLINE - ROOM, name
        assert len(role.managed) <= MANAGED_PER_ROLE
        for policy, document in role.managed.items():
            assert size(document) <= MANAGED - ROOM, policy
            assert len(policy) <= 128


def test_policies_that_were_too_long_are_measured_as_too_long() -> None:
    """The measure is IAM's own: a lab could not be created in us-gov-west-1."""
    notebook = roles(LONGEST_LAB_ID, Place("us-gov-west-1", "aws-us-gov"), EARLIER)[
        f"{LONGEST_LAB_ID}-mlops-notebook"
    ]

    assert sum(map(size, notebook.inline.values())) > INLINE


@pytest.mark.parametrize("lab_id", ["", "ana"])
def test_every_role_may_do_what_it_could_when_all_policies_were_inline(lab_id: str) -> None:
    now, before = roles(lab_id), roles(lab_id, top=EARLIER)

    def changed(one: dict[str, Role], other: dict[str, Role]) -> set[tuple[str, str]]:
        """Role and action of what is granted in one place and not in the other."""
        return {
            (name.removeprefix(f"{lab_id}-"), action)
            for name, role in one.items()
            for _, action, *_ in set(grants(role)) - set(grants(other.get(name, role)))
        }

    assert now.keys() - before.keys() == {Names(lab_id).role("tester")}
    assert changed(now, before) == set(MORE)
    assert changed(before, now) == set(LESS)


def test_sids_are_unique_within_a_role() -> None:
    for name, role in roles("ana").items():
        sids = [one["Sid"] for document in role.documents for one in document["Statement"]]
        assert len(sids) == len(set(sids)), (name, json.dumps(sids))
