"""boto3 clients, passed in: nothing below a command creates its own.

boto3-stubs gives type checkers the response of every operation; it is not needed at run time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, Protocol, overload

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_application_autoscaling import ApplicationAutoScalingClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_codebuild import CodeBuildClient
    from mypy_boto3_codecommit import CodeCommitClient
    from mypy_boto3_codepipeline import CodePipelineClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_resourcegroupstaggingapi import ResourceGroupsTaggingAPIClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_sagemaker import SageMakerClient
    from mypy_boto3_sagemaker_runtime import SageMakerRuntimeClient
    from mypy_boto3_service_quotas import ServiceQuotasClient
    from mypy_boto3_sts import STSClient


class Clients(Protocol):
    """Returns a boto3 client by service name."""

    @overload
    def __call__(self, service: Literal["application-autoscaling"], /) -> ApplicationAutoScalingClient: ...
    @overload
    def __call__(self, service: Literal["cloudformation"], /) -> CloudFormationClient: ...
    @overload
    def __call__(self, service: Literal["cloudwatch"], /) -> CloudWatchClient: ...
    @overload
    def __call__(self, service: Literal["codebuild"], /) -> CodeBuildClient: ...
    @overload
    def __call__(self, service: Literal["codecommit"], /) -> CodeCommitClient: ...
    @overload
    def __call__(self, service: Literal["codepipeline"], /) -> CodePipelineClient: ...
    @overload
    def __call__(self, service: Literal["ec2"], /) -> EC2Client: ...
    @overload
    def __call__(self, service: Literal["ecr"], /) -> ECRClient: ...
    @overload
    def __call__(self, service: Literal["events"], /) -> EventBridgeClient: ...
    @overload
    def __call__(self, service: Literal["iam"], /) -> IAMClient: ...
    @overload
    def __call__(self, service: Literal["lambda"], /) -> LambdaClient: ...
    @overload
    def __call__(self, service: Literal["logs"], /) -> CloudWatchLogsClient: ...
    @overload
    def __call__(self, service: Literal["resourcegroupstaggingapi"], /) -> ResourceGroupsTaggingAPIClient: ...
    @overload
    def __call__(self, service: Literal["s3"], /) -> S3Client: ...
    @overload
    def __call__(self, service: Literal["sagemaker"], /) -> SageMakerClient: ...
    @overload
    def __call__(self, service: Literal["sagemaker-runtime"], /) -> SageMakerRuntimeClient: ...
    @overload
    def __call__(self, service: Literal["service-quotas"], /) -> ServiceQuotasClient: ...
    @overload
    def __call__(self, service: Literal["sts"], /) -> STSClient: ...
    @overload
    def __call__(self, service: str, /) -> BaseClient: ...


class Session(Protocol):
    """The part of `boto3.Session` that is needed here."""

    @property
    def region_name(self) -> str:
        """AWS Region of the clients."""

    @property
    def client(self) -> Callable[..., Any]:
        """Return a client by service name; takes `config` and the like by keyword."""
