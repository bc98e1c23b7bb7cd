"""The resource types that the local account can create, each through the account's own APIs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from local_account.services.cloudformation.providers import (
    autoscaling,
    cdk,
    cloudwatch,
    codebuild,
    codecommit,
    codeconnections,
    codepipeline,
    custom,
    ec2,
    ecr,
    events,
    iam,
    lambda_,
    logs,
    nested,
    network,
    s3,
    sagemaker,
    secretsmanager,
    sns,
    ssm,
)
from local_account.services.cloudformation.providers.base import Provider

_PROVIDERS: tuple[type[Provider], ...] = (
    autoscaling.ScalableTarget,
    autoscaling.ScalingPolicy,
    cdk.Metadata,
    cloudwatch.Alarm,
    codebuild.Project,
    codecommit.Repository,
    codeconnections.CodeStarConnection,
    codeconnections.Connection,
    codepipeline.Pipeline,
    custom.CustomResource,
    ec2.SecurityGroup,
    ecr.Repository,
    events.Rule,
    iam.InstanceProfile,
    iam.ManagedPolicy,
    iam.Policy,
    iam.Role,
    iam.RolePolicy,
    lambda_.EventInvokeConfig,
    lambda_.Function,
    lambda_.Permission,
    lambda_.Version,
    logs.LogGroup,
    logs.LogStream,
    logs.MetricFilter,
    nested.NestedStack,
    network.Egress,
    network.ElasticIP,
    network.Endpoint,
    network.GatewayAttachment,
    network.Ingress,
    network.InternetGateway,
    network.NatGateway,
    network.Route,
    network.RouteTable,
    network.RouteTableAssociation,
    network.Subnet,
    network.VPC,
    s3.Bucket,
    s3.BucketPolicy,
    sagemaker.CodeRepository,
    sagemaker.Endpoint,
    sagemaker.EndpointConfig,
    sagemaker.LifecycleConfig,
    sagemaker.Model,
    sagemaker.ModelPackageGroup,
    sagemaker.NotebookInstance,
    secretsmanager.Secret,
    sns.Subscription,
    sns.Topic,
    sns.TopicPolicy,
    ssm.Parameter,
)


class Providers(Mapping[str, Provider]):
    """A provider for every supported resource type, by the type's name; Custom::ANYTHING has one, too."""

    def __init__(self) -> None:
        self._by_type: dict[str, Provider] = {provider.type: provider() for provider in _PROVIDERS}

    def __getitem__(self, name: str) -> Provider:
        """Return the provider of a type. Raises KeyError."""
        return self._by_type[custom.CustomResource.type if name.startswith(custom.PREFIX) else name]

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of types, without custom ones."""
        return iter(self._by_type)

    def __len__(self) -> int:
        """Return the number of types, without custom ones."""
        return len(self._by_type)
