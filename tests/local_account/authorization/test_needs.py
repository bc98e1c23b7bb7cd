"""The permissions that the local account requires, checked against the service authorization reference."""

from typing import Any

import pytest

from local_account.authorization.needs import needs
from tests.local_account.authorization.judges import ACCOUNT
from tests.local_account.authorization.labs import action_details, arn, works_on

ROLE = f"arn:aws:iam::{ACCOUNT}:role/r"
# One request of every kind that a role of the workshop makes.
REQUESTS = [
    ("cloudformation", "CreateStack", {"StackName": "s", "RoleARN": ROLE, "Tags": [{}]}),
    ("cloudformation", "DescribeStacks", {"StackName": arn("cloudformation", "stack/s/1")}),
    ("codebuild", "BatchGetBuilds", {"ids": ["p:1"]}),
    ("codebuild", "BatchGetProjects", {"names": ["p"]}),
    ("codebuild", "StopBuild", {"id": "p:1"}),
    ("codebuild", "StartBuild", {"projectName": "p"}),
    ("codecommit", "GetBranch", {"repositoryName": "r"}),
    ("codepipeline", "CreatePipeline", {"pipeline": {"name": "p", "roleArn": ROLE}, "tags": [{}]}),
    ("codepipeline", "GetPipelineState", {"name": "p"}),
    ("codepipeline", "ListActionExecutions", {"pipelineName": "p"}),
    ("codepipeline", "RetryStageExecution", {"pipelineName": "p", "stageName": "s"}),
    ("codepipeline", "RollbackStage",
     {"pipelineName": "p", "stageName": "s", "targetPipelineExecutionId": "1"}),
    ("codepipeline", "PutApprovalResult", {"pipelineName": "p", "stageName": "s", "actionName": "a"}),
    ("codepipeline", "PutJobSuccessResult", {"jobId": "1"}),
    ("ecr", "DescribeImages", {"repositoryName": "r"}),
    ("ecr", "DescribeRepositories", {"repositoryNames": ["r"]}),
    ("ecr", "GetAuthorizationToken", {}),
    ("events", "PutRule", {"Name": "r", "Tags": [{}]}),
    ("events", "PutTargets", {"Rule": "r", "Targets": [{"RoleArn": ROLE}, {}]}),
    ("events", "TagResource", {"ResourceARN": arn("events", "rule/r")}),
    ("iam", "GetRole", {"RoleName": "r"}),
    ("lambda", "Invoke", {"FunctionName": "f"}),
    ("lambda", "CreateFunction", {"FunctionName": "f", "Role": ROLE, "Tags": {"a": "b"}}),
    ("sagemaker", "CreateEndpoint", {"EndpointName": "e", "EndpointConfigName": "c", "Tags": [{}]}),
    ("sagemaker", "CreateModel", {"ModelName": "m", "ExecutionRoleArn": ROLE}),
    ("sagemaker", "CreateTrainingJob", {"TrainingJobName": "j", "RoleArn": ROLE}),
    ("sagemaker", "CreateHyperParameterTuningJob",
     {"HyperParameterTuningJobName": "t", "TrainingJobDefinition": {"RoleArn": ROLE}, "Tags": [{}]}),
    ("sagemaker", "ListTrainingJobsForHyperParameterTuningJob", {"HyperParameterTuningJobName": "t"}),
    ("sagemaker", "StopHyperParameterTuningJob", {"HyperParameterTuningJobName": "t"}),
    ("sagemaker", "ListHyperParameterTuningJobs", {"NameContains": "t"}),
    ("sagemaker", "CreateTransformJob", {"TransformJobName": "b", "ModelName": "m", "Tags": [{}]}),
    ("sagemaker", "DescribeTransformJob", {"TransformJobName": "b"}),
    ("sagemaker", "ListTransformJobs", {}),
    ("sagemaker", "CreateModelPackage",
     {"ModelPackageGroupName": "g", "CustomerMetadataProperties": {"k": "v"},
      "ModelLifeCycle": {"Stage": "s", "StageStatus": "t"}}),
    ("sagemaker", "CreateModelPackage", {"ModelPackageName": "p", "Tags": [{}]}),
    ("sagemaker", "CreateModelPackageGroup", {"ModelPackageGroupName": "g", "Tags": [{}]}),
    ("sagemaker", "DescribeModelPackage", {"ModelPackageName": arn("sagemaker", "model-package/g/1")}),
    ("sagemaker", "BatchDescribeModelPackage",
     {"ModelPackageArnList": [arn("sagemaker", "model-package/g/1")]}),
    ("sagemaker", "UpdateModelPackage",
     {"ModelPackageArn": arn("sagemaker", "model-package/g/1"), "ModelApprovalStatus": "Approved"}),
    ("sagemaker", "DeleteModelPackageGroup", {"ModelPackageGroupName": "g"}),
    ("sagemaker", "PutModelPackageGroupPolicy", {"ModelPackageGroupName": "g"}),
    ("sagemaker", "ListModelPackageGroups", {"NameContains": "g"}),
    ("sagemaker", "ListModelPackages", {"ModelPackageGroupName": "g"}),
    ("sagemaker", "ListModelPackages", {}),
    ("sagemaker", "CreateProcessingJob", {"ProcessingJobName": "p", "RoleArn": ROLE, "Tags": [{}]}),
    ("sagemaker", "StopProcessingJob", {"ProcessingJobName": "p"}),
    ("sagemaker", "ListProcessingJobs", {}),
    ("sagemaker", "ListTags", {"ResourceArn": arn("sagemaker", "endpoint/e")}),
    ("sagemaker", "ListTrainingJobs", {}),
    ("sagemaker", "StopNotebookInstance", {"NotebookInstanceName": "n"}),
    ("sagemaker-runtime", "InvokeEndpoint", {"EndpointName": "e"}),
    ("application-autoscaling", "RegisterScalableTarget",
     {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v", "Tags": {"a": "b"}}),
    ("application-autoscaling", "PutScalingPolicy",
     {"ServiceNamespace": "sagemaker", "ResourceId": "endpoint/e/variant/v", "PolicyName": "p"}),
    ("application-autoscaling", "DescribeScalableTargets", {"ServiceNamespace": "sagemaker"}),
    ("logs", "CreateLogGroup", {"logGroupName": "g", "tags": {"a": "b"}}),
    ("logs", "DescribeLogGroups", {"logGroupNamePrefix": "g"}),
    ("logs", "DescribeLogStreams", {"logGroupIdentifier": arn("logs", "log-group:g")}),
    ("logs", "FilterLogEvents", {"logGroupName": "g"}),
    ("logs", "GetLogEvents", {"logGroupName": "g", "logStreamName": "s"}),
    ("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s", "logEvents": []}),
    ("logs", "PutMetricFilter", {"logGroupName": "g", "filterName": "f"}),
    ("logs", "PutResourcePolicy", {"policyName": "p", "resourceArn": arn("logs", "log-group:g")}),
    ("logs", "PutRetentionPolicy", {"logGroupName": "g", "retentionInDays": 1}),
    ("logs", "TagResource", {"resourceArn": arn("logs", "log-group:g"), "tags": {"a": "b"}}),
    ("cloudwatch", "PutMetricAlarm", {"AlarmName": "a"}),
    ("cloudwatch", "PutMetricData", {"Namespace": "n"}),
    ("resourcegroupstaggingapi", "GetResources", {}),
    ("codeconnections", "CreateConnection", {"ConnectionName": "c", "Tags": [{}]}),
    ("codestar-connections", "UseConnection", {"ConnectionArn": arn("codestar-connections", "connection/1")}),
    ("sagemaker", "DescribeCodeRepository", {"CodeRepositoryName": "r"}),
    ("secretsmanager", "BatchGetSecretValue", {"SecretIdList": ["s", "t"]}),
    ("secretsmanager", "CreateSecret", {"Name": "s", "Tags": [{}]}),
    ("secretsmanager", "GetRandomPassword", {}),
    ("secretsmanager", "GetSecretValue", {"SecretId": arn("secretsmanager", "secret:s-AbCdEf")}),
    ("secretsmanager", "ListSecrets", {}),
    ("ssm", "DescribeParameters", {}),
    ("ssm", "GetParameter", {"Name": "/a/b:1"}),
    ("ssm", "GetParametersByPath", {"Path": "/a"}),
    ("ssm", "ListTagsForResource", {"ResourceType": "Parameter", "ResourceId": "p"}),
    ("ssm", "PutParameter", {"Name": "p", "Tags": [{}]}),
    ("sts", "AssumeRole", {"RoleArn": ROLE, "RoleSessionName": "s"}),
    ("logs", "DescribeSubscriptionFilters", {"logGroupName": "example"}),
]  # fmt: skip


@pytest.mark.parametrize(("service", "operation", "params"), REQUESTS, ids=lambda one: str(one)[:30])
def test_each_need_is_an_action_of_the_reference_on_a_resource_it_applies_to(
    service: str, operation: str, params: dict[str, Any]
) -> None:
    asked = needs(service, operation, params, arn)

    assert asked
    for need in asked:
        assert action_details(need.action)
        pattern = works_on(need.action)
        if need.resource != "*":
            assert pattern, f"{need.action} knows no resources, yet it is asked about {need.resource}"
            assert pattern.fullmatch(need.resource), need
