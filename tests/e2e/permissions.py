"""Permissions of a lab that no run here uses, each with the reason why a role has it all the same.

Each line of a group is a role, the statement's Sid, and actions. What is used for the first time, by a
new test or because the local account learnt a call, leaves `NEVER`; what nothing uses any more leaves the
template, or comes here with its reason.
"""

from collections.abc import Iterator
from typing import NamedTuple

from tests.lab_roles import Role


class Permission(NamedTuple):
    """An action in a statement of a role; of the default lab, whatever lab used it."""

    role: str
    sid: str
    action: str


NEVER: dict[str, str] = {
    ("CloudFormation's handlers of the resource types ask for it on AWS (their registry schemas)"): """
        mlops-deploy Endpoints sagemaker:DescribeModel
        mlops-deploy Look application-autoscaling:DescribeScheduledActions cloudwatch:GetMetricData
        mlops-notebook FindLogGroups logs:DescribeIndexPolicies logs:DescribeResourcePolicies
        mlops-notebook Functions lambda:GetFunction lambda:GetFunctionCodeSigningConfig
        mlops-notebook Functions lambda:GetFunctionEventInvokeConfig lambda:GetFunctionRecursionConfig
        mlops-notebook Functions lambda:GetFunctionScalingConfig lambda:GetPolicy
        mlops-notebook Functions lambda:GetRuntimeManagementConfig lambda:UpdateFunctionEventInvokeConfig
        mlops-notebook LogGroups logs:DeleteDataProtectionPolicy logs:GetDataProtectionPolicy
        mlops-notebook LookAtPipelineRole iam:GetRole
        mlops-notebook RegistryGroup sagemaker:DeleteModelPackageGroupPolicy
        mlops-notebook RegistryGroup sagemaker:PutModelPackageGroupPolicy
    """,
    (
        "asked for in another way here: images are pushed to the account's registry, and sources, "
        "artifacts and templates are copied by the account itself"
    ): """
        mlops-codebuild Artifacts s3:GetObjectVersion s3:PutObject
        mlops-codebuild PullAndPush ecr:BatchCheckLayerAvailability ecr:BatchGetImage
        mlops-codebuild PullAndPush ecr:CompleteLayerUpload ecr:DescribeImages ecr:GetDownloadUrlForLayer
        mlops-codebuild PullAndPush ecr:InitiateLayerUpload ecr:PutImage ecr:UploadLayerPart
        mlops-deploy Templates s3:GetObject s3:GetObjectVersion
        mlops-notebook Git codecommit:GitPull codecommit:GitPush
        mlops-notebook PullImages ecr:BatchCheckLayerAvailability ecr:GetDownloadUrlForLayer
    """,
    (
        "the minimum of AWS's documentation for the service role (tests/cfn/test_role_policies.py "
        "names the pages)"
    ): """
        mlops-codebuild Bucket s3:GetBucketAcl s3:GetBucketLocation
        mlops-codebuild Logs logs:CreateLogGroup
        mlops-pipeline Artifacts s3:GetObjectTagging s3:GetObjectVersion s3:GetObjectVersionTagging
        mlops-pipeline Artifacts s3:PutObjectAcl s3:PutObjectTagging
        mlops-pipeline Bucket s3:GetBucketAcl s3:GetBucketLocation
        mlops-pipeline CommittedSource codecommit:CancelUploadArchive codecommit:GetRepository
        mlops-pipeline Deploy cloudformation:DeleteStack cloudformation:DescribeStackResources
        mlops-pipeline Deploy cloudformation:GetTemplate
        mlops-pipeline UploadedSource s3:GetObjectTagging s3:GetObjectVersionTagging
        mlops-pipeline ValidateTemplates cloudformation:ValidateTemplate
        mlops-sagemaker Logs logs:DescribeLogStreams
        mlops-sagemaker Write s3:AbortMultipartUpload
    """,
}
"""What the local account or the lessons never ask for. Nothing here may be in a journal."""

SOMETIMES: dict[str, str] = {
    ("a stack is updated: only if the workshop package has changed between two starts of the instance"): """
        mlops-deploy Alarms cloudwatch:ListTagsForResource cloudwatch:UntagResource
        mlops-deploy Endpoints sagemaker:DeleteTags sagemaker:DescribeEndpointConfig sagemaker:ListTags
        mlops-deploy Look application-autoscaling:DescribeScalingPolicies
        mlops-deploy Scaling application-autoscaling:ListTagsForResource
        mlops-deploy Scaling application-autoscaling:UntagResource
        mlops-notebook Builds codebuild:UpdateProject
        mlops-notebook FindLogGroups logs:DescribeLogGroups
        mlops-notebook Functions lambda:ListTags lambda:UntagResource lambda:UpdateFunctionCode
        mlops-notebook Functions lambda:UpdateFunctionConfiguration
        mlops-notebook LogGroups logs:DeleteRetentionPolicy logs:ListTagsForResource logs:UntagResource
        mlops-notebook NestedStacks cloudformation:TagResource cloudformation:UpdateStack
        mlops-notebook Pipelines codepipeline:ListTagsForResource codepipeline:UntagResource
        mlops-notebook Pipelines codepipeline:UpdatePipeline
        mlops-notebook RegistryGroup sagemaker:AddTags sagemaker:DeleteTags
        mlops-notebook RegistryGroup sagemaker:DescribeModelPackageGroup sagemaker:ListTags
        mlops-notebook Rules events:ListTagsForResource events:UntagResource
    """,
    (
        "something goes wrong or happens twice: a key is missing, a call is repeated, an "
        "execution begins in between"
    ): """
        mlops-launcher Bucket s3:ListBucket
        mlops-launcher Source s3:GetObjectVersion
        mlops-launcher Train sagemaker:DescribeTrainingJob
        mlops-monitor Bucket s3:ListBucket
        mlops-monitor StopWatching events:EnableRule
        mlops-notebook Objects s3:AbortMultipartUpload
        mlops-tester AnswerPipeline codepipeline:PutJobFailureResult
        mlops-tester Bucket s3:ListBucket
    """,
    "notebook 99 and the next run stop only what still runs": """
        mlops-notebook Builds codebuild:ListBuildsForProject
        mlops-notebook OwnBatch sagemaker:StopTransformJob
        mlops-notebook OwnTuning sagemaker:StopHyperParameterTuningJob
        mlops-notebook Pipelines codepipeline:StopPipelineExecution
        mlops-notebook StopItself sagemaker:StopNotebookInstance
        mlops-notebook Training sagemaker:StopTrainingJob
        mlops-pipeline Build codebuild:StopBuild
    """,
    (
        "the way back to an earlier notebook: tests/lab_helpers/instructor/reset/test_way_back.py "
        "goes it with this role"
    ): """
        mlops-notebook Git codecommit:GetBranch codecommit:GetRepository
        mlops-notebook LookAtDeployRole iam:GetRole
        mlops-notebook Pipelines codepipeline:StartPipelineExecution
        mlops-notebook PullImages ecr:BatchGetImage
        mlops-notebook ReadStacks cloudformation:DescribeStackResources cloudformation:GetTemplate
        mlops-notebook ResetBuilds codebuild:StopBuild
        mlops-notebook ResetImages ecr:BatchDeleteImage ecr:PutImage
        mlops-notebook ResetReleases cloudformation:ContinueUpdateRollback cloudformation:RollbackStack
        mlops-notebook ResetRules events:DisableRule events:EnableRule
        mlops-notebook ResetSource codecommit:CreateBranch codecommit:CreateCommit
        mlops-notebook ResetSource codecommit:DeleteBranch codecommit:GetFolder
        mlops-notebook ResetTraining sagemaker:DeleteTrainingJob
        mlops-notebook ResetTuning sagemaker:DeleteHyperParameterTuningJob
    """,
    (
        "an exercise that a learner may leave out, the end of a failed job's log, an alarm of a "
        "scaling policy"
    ): """
        mlops-notebook FindBatchLogs logs:DescribeLogStreams
        mlops-notebook PullImages ecr:ListImages
        mlops-notebook ReadBatchLogs logs:DescribeLogStreams logs:GetLogEvents
        mlops-notebook ReadLogs logs:DescribeLogStreams
        mlops-notebook ScalingAlarms cloudwatch:DeleteAlarms
    """,
    (
        "the registry, the checks of captured data and the releases of notebook 06, whose lessons are "
        "not part of the run yet"
    ): """
        mlops-monitor Image ecr:BatchGetImage
        mlops-monitor Registry sagemaker:UpdateModelPackage
        mlops-notebook Checks sagemaker:AddTags sagemaker:CreateProcessingJob
        mlops-notebook Checks sagemaker:DescribeProcessingJob sagemaker:StopProcessingJob
        mlops-notebook DriftMetric cloudwatch:PutMetricData
        mlops-notebook FindCheckLogs logs:DescribeLogStreams
        mlops-notebook FindChecks sagemaker:ListProcessingJobs
        mlops-notebook ReadCheckLogs logs:GetLogEvents
        mlops-notebook RegistryGroup sagemaker:DeleteModelPackageGroup
        mlops-notebook RegistryVersions sagemaker:DeleteModelPackage sagemaker:DescribeModelPackage
        mlops-notebook RegistryVersions sagemaker:ListModelPackages
        mlops-notebook ReleaseEarlier codepipeline:RollbackStage
        mlops-notebook FindSafeReleases sagemaker:ListEndpointConfigs sagemaker:ListModels
        mlops-notebook SafeAlarms cloudwatch:DeleteAlarms cloudwatch:PutMetricAlarm
        mlops-notebook SafeAlarms cloudwatch:SetAlarmState cloudwatch:TagResource
        mlops-notebook SafeEndpoint sagemaker:AddTags sagemaker:CreateEndpoint
        mlops-notebook SafeEndpoint sagemaker:CreateEndpointConfig sagemaker:CreateModel
        mlops-notebook SafeEndpoint sagemaker:DeleteEndpoint sagemaker:DeleteEndpointConfig
        mlops-notebook SafeEndpoint sagemaker:DeleteModel sagemaker:UpdateEndpoint
        mlops-notebook SafeEndpoint sagemaker:UpdateEndpointWeightsAndCapacities
        mlops-notebook SafeScaling application-autoscaling:DeregisterScalableTarget
        mlops-notebook SafeScaling application-autoscaling:TagResource
        mlops-notebook Retraining events:DisableRule events:EnableRule
    """,
    "a learner looks around in a terminal; no code of the workshop calls it": """
        mlops-notebook Bucket s3:GetBucketLocation
        mlops-notebook Endpoints sagemaker:ListTags
        mlops-notebook Pipelines codepipeline:RetryStageExecution
        mlops-notebook Training sagemaker:ListTags
    """,
}
"""What a run uses or not, for instance by timing."""


def permissions(groups: dict[str, str]) -> Iterator[Permission]:
    """Yield the permissions of some groups."""
    for lines in groups.values():
        for line in filter(None, map(str.strip, lines.splitlines())):
            role, sid, *actions = line.split()
            for action in actions:
                yield Permission(role, sid, action)


def granted(roles: dict[str, Role]) -> set[Permission]:
    """Return every permission that roles have."""

    def listed(value: str | list[str]) -> list[str]:
        return value if isinstance(value, list) else [value]

    return {
        Permission(name, statement["Sid"], action)
        for name, role in roles.items()
        for document in role.documents
        for statement in document["Statement"]
        for action in listed(statement["Action"])
    }
