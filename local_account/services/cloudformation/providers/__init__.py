"""The resource types that the local account can create, each through the account's own APIs."""

from __future__ import annotations

from local_account.services.cloudformation.providers import (
    autoscaling,
    cdk,
    cloudwatch,
    codebuild,
    codecommit,
    codepipeline,
    ec2,
    ecr,
    events,
    iam,
    lambda_,
    logs,
    nested,
    s3,
    sagemaker,
)
from local_account.services.cloudformation.providers.base import Provider

_PROVIDERS: tuple[type[Provider], ...] = (
    autoscaling.ScalableTarget,
    autoscaling.ScalingPolicy,
    cdk.Metadata,
    cloudwatch.Alarm,
    codebuild.Project,
    codecommit.Repository,
    codepipeline.Pipeline,
    ec2.SecurityGroup,
    ecr.Repository,
    events.Rule,
    iam.ManagedPolicy,
    iam.Policy,
    iam.Role,
    lambda_.EventInvokeConfig,
    lambda_.Function,
    lambda_.Permission,
    logs.LogGroup,
    logs.LogStream,
    logs.MetricFilter,
    nested.NestedStack,
    s3.Bucket,
    s3.BucketPolicy,
    sagemaker.Endpoint,
    sagemaker.EndpointConfig,
    sagemaker.LifecycleConfig,
    sagemaker.Model,
    sagemaker.NotebookInstance,
)


def all_providers() -> dict[str, Provider]:
    """Return a provider for every supported resource type, by the type's name."""
    return {provider.type: provider() for provider in _PROVIDERS}
