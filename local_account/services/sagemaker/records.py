"""What is kept of each kind of SageMaker resource.

A document holds the members of the Describe response under their names there. Whatever else is needed has a
name in lower case; ``resources.public`` leaves that out.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NotRequired, TypedDict

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_sagemaker.literals import (
        DirectInternetAccessType,
        EndpointStatusType,
        HyperParameterTuningJobStatusType,
        InstanceTypeType,
        IPAddressTypeType,
        ModelApprovalStatusType,
        ModelPackageGroupStatusType,
        ModelPackageStatusType,
        NotebookInstanceStatusType,
        ProcessingJobStatusType,
        RootAccessType,
        SecondaryStatusType,
        TrainingJobStatusType,
        TransformJobStatusType,
        VariantStatusType,
    )
    from mypy_boto3_sagemaker.type_defs import (
        AlgorithmSpecificationUnionTypeDef,
        AppSpecificationTypeDef,
        ChannelUnionTypeDef,
        CheckpointConfigTypeDef,
        ContainerDefinitionUnionTypeDef,
        DataCaptureConfigUnionTypeDef,
        DataProcessingTypeDef,
        DeploymentConfigUnionTypeDef,
        DriftCheckBaselinesTypeDef,
        GitConfigTypeDef,
        HyperParameterTrainingJobDefinitionUnionTypeDef,
        HyperParameterTuningJobConfigUnionTypeDef,
        InferenceSpecificationUnionTypeDef,
        InstanceMetadataServiceConfigurationTypeDef,
        MetadataPropertiesTypeDef,
        MetricDataTypeDef,
        ModelArtifactsTypeDef,
        ModelClientConfigTypeDef,
        ModelLifeCycleTypeDef,
        ModelMetricsTypeDef,
        ModelPackageModelCardTypeDef,
        ModelPackageStatusDetailsTypeDef,
        NetworkConfigTypeDef,
        NotebookInstanceLifecycleHookTypeDef,
        OutputDataConfigTypeDef,
        ProcessingInputTypeDef,
        ProcessingOutputConfigTypeDef,
        ProcessingResourcesTypeDef,
        ProcessingStoppingConditionTypeDef,
        ProductionVariantUnionTypeDef,
        ResourceConfigUnionTypeDef,
        SecondaryStatusTransitionTypeDef,
        StoppingConditionTypeDef,
        TransformInputTypeDef,
        TransformOutputTypeDef,
        TransformResourcesTypeDef,
        UserContextTypeDef,
    )


class Model(TypedDict):
    """A model; it has either a primary container or a list of one."""

    ModelName: str
    ModelArn: str
    ExecutionRoleArn: str
    PrimaryContainer: NotRequired[ContainerDefinitionUnionTypeDef]
    Containers: NotRequired[list[ContainerDefinitionUnionTypeDef]]
    CreationTime: datetime
    EnableNetworkIsolation: bool
    package_container: NotRequired[ContainerDefinitionUnionTypeDef]
    """Its container as the model package that it is made of specifies it, the image by digest."""


class ModelPackageGroup(TypedDict):
    """A group of model package versions."""

    ModelPackageGroupName: str
    ModelPackageGroupArn: str
    ModelPackageGroupDescription: NotRequired[str]
    ModelPackageGroupStatus: ModelPackageGroupStatusType
    CreatedBy: UserContextTypeDef
    CreationTime: datetime
    policy: str | None
    """The resource policy, as it was given."""
    latest: int
    """The number of the newest version that there has been: numbers are not given twice."""


class ModelPackageChanges(TypedDict, total=False):
    """The members of a model package that UpdateModelPackage changes."""

    ModelApprovalStatus: ModelApprovalStatusType
    ApprovalDescription: str
    CustomerMetadataProperties: dict[str, str]
    SourceUri: str
    ModelCard: ModelPackageModelCardTypeDef
    ModelLifeCycle: ModelLifeCycleTypeDef
    LastModifiedTime: datetime
    LastModifiedBy: UserContextTypeDef


class ModelPackage(ModelPackageChanges):
    """A model package: a version in a group, or unversioned, by a name of its own."""

    ModelPackageName: NotRequired[str]
    """Of an unversioned one; and those of a version:"""
    ModelPackageGroupName: NotRequired[str]
    ModelPackageVersion: NotRequired[int]
    ModelPackageArn: str
    ModelPackageDescription: NotRequired[str]
    ModelPackageStatus: ModelPackageStatusType
    ModelPackageStatusDetails: ModelPackageStatusDetailsTypeDef
    InferenceSpecification: NotRequired[InferenceSpecificationUnionTypeDef]
    ModelMetrics: NotRequired[ModelMetricsTypeDef]
    MetadataProperties: NotRequired[MetadataPropertiesTypeDef]
    DriftCheckBaselines: NotRequired[DriftCheckBaselinesTypeDef]
    CertifyForMarketplace: bool
    CreatedBy: UserContextTypeDef
    CreationTime: datetime
    name: str
    """Its own or its group's name: what the List operations filter and sort by."""
    token: str
    """The ClientToken of its creation; and what was requested with it:"""
    request: str
    update_token: NotRequired[str]
    """The ClientToken of the last update."""


class EndpointConfig(TypedDict):
    """An endpoint configuration."""

    EndpointConfigName: str
    EndpointConfigArn: str
    ProductionVariants: list[ProductionVariantUnionTypeDef]
    ShadowProductionVariants: NotRequired[list[ProductionVariantUnionTypeDef]]
    DataCaptureConfig: NotRequired[DataCaptureConfigUnionTypeDef]
    CreationTime: datetime


class VariantSpec(TypedDict):
    """What a production variant runs; kept with the endpoint, as model and configuration may be deleted."""

    name: str
    model_name: str
    specified_image: str
    environment: Mapping[str, str]
    model_data_url: str | None
    role_arn: str
    """The model's execution role."""
    startup_seconds: float
    """How long ``GET /ping`` may take to answer 200."""
    instance_type: NotRequired[str]
    """Endpoints of older accounts lack it."""
    count: int
    weight: float
    """For a shadow variant: of the production variant's, the share of its requests that are copied."""
    shadow: NotRequired[bool]
    image: str
    """``specified_image`` by digest; empty until the variant was prepared."""
    resolved_at: datetime | None
    model_dir: str | None


class DeploymentStage(TypedDict):
    """How far a deployment is (ProductionVariantStatus)."""

    status: VariantStatusType
    message: str
    since: datetime
    share: float
    """Of the new fleet's capacity that gets traffic."""


class PendingDeployment(TypedDict):
    """What UpdateEndpoint requested, while the old fleet still serves."""

    EndpointConfigName: str
    StartTime: datetime
    deployment_config: DeploymentConfigUnionTypeDef | None
    variants: list[VariantSpec]
    capture: NotRequired[DataCaptureConfigUnionTypeDef | None]
    stage: NotRequired[DeploymentStage]


class EndpointChanges(TypedDict, total=False):
    """The members of an endpoint that change during its life; None means that it lacks the member."""

    EndpointConfigName: str
    FailureReason: str | None
    LastDeploymentConfig: DeploymentConfigUnionTypeDef | None
    pending: PendingDeployment | None
    variants: list[VariantSpec]
    capture: DataCaptureConfigUnionTypeDef | None


class Endpoint(TypedDict):
    """An endpoint; ``variants`` are those that serve now."""

    EndpointName: str
    EndpointArn: str
    EndpointConfigName: str
    EndpointStatus: EndpointStatusType
    CreationTime: datetime
    LastModifiedTime: datetime
    FailureReason: NotRequired[str | None]
    LastDeploymentConfig: DeploymentConfigUnionTypeDef | None
    pending: NotRequired[PendingDeployment | None]
    variants: list[VariantSpec]
    capture: NotRequired[DataCaptureConfigUnionTypeDef | None]
    """What is captured, as the configuration was; it may have been deleted."""


class TrainingJobResults(TypedDict, total=False):
    """The members that a training job gets while it runs."""

    FailureReason: str
    TrainingStartTime: datetime
    TrainingEndTime: datetime
    TrainingTimeInSeconds: int
    BillableTimeInSeconds: int
    FinalMetricDataList: list[MetricDataTypeDef]
    ModelArtifacts: ModelArtifactsTypeDef


class TrainingJobChanges(TrainingJobResults, total=False):
    """What a transition changes beside the secondary status."""

    TrainingJobStatus: TrainingJobStatusType


class TrainingJob(TrainingJobResults):
    """A training job: its request and its outcome."""

    TrainingJobName: str
    TrainingJobArn: str
    TrainingJobStatus: TrainingJobStatusType
    SecondaryStatus: SecondaryStatusType
    SecondaryStatusTransitions: list[SecondaryStatusTransitionTypeDef]
    CreationTime: datetime
    LastModifiedTime: datetime
    RoleArn: str
    AlgorithmSpecification: AlgorithmSpecificationUnionTypeDef
    OutputDataConfig: OutputDataConfigTypeDef
    ResourceConfig: ResourceConfigUnionTypeDef
    StoppingCondition: StoppingConditionTypeDef
    EnableNetworkIsolation: bool
    InputDataConfig: NotRequired[list[ChannelUnionTypeDef]]
    HyperParameters: NotRequired[dict[str, str]]
    Environment: NotRequired[dict[str, str]]
    CheckpointConfig: NotRequired[CheckpointConfigTypeDef]
    TuningJobArn: NotRequired[str]
    image: str
    """The training image by digest."""


class EndedJob(TrainingJobResults):
    """What a tuning job keeps of a training job that has ended."""

    CreationTime: datetime
    TrainingJobStatus: TrainingJobStatusType


class TunedJob(TypedDict):
    """A training job of a tuning job; it is launched after it was noted."""

    name: str
    tuned: dict[str, str]
    launched: bool
    ended: NotRequired[EndedJob]


class TuningJobChanges(TypedDict, total=False):
    """The members of a tuning job that change during its life."""

    FailureReason: str
    HyperParameterTuningEndTime: datetime


class TuningJob(TuningJobChanges):
    """A hyperparameter tuning job: its request, and the training jobs that it has launched."""

    HyperParameterTuningJobName: str
    HyperParameterTuningJobArn: str
    HyperParameterTuningJobStatus: HyperParameterTuningJobStatusType
    HyperParameterTuningJobConfig: HyperParameterTuningJobConfigUnionTypeDef
    TrainingJobDefinition: HyperParameterTrainingJobDefinitionUnionTypeDef
    CreationTime: datetime
    LastModifiedTime: datetime
    maximum: int
    """How many training jobs it launches at most."""
    seed: int
    jobs: list[TunedJob]


class TransformJobChanges(TypedDict, total=False):
    """The members of a transform job that change during its life."""

    FailureReason: str
    TransformStartTime: datetime
    TransformEndTime: datetime


class TransformJob(TransformJobChanges):
    """A transform job: its request and its outcome."""

    TransformJobName: str
    TransformJobArn: str
    TransformJobStatus: TransformJobStatusType
    ModelName: str
    MaxConcurrentTransforms: NotRequired[int]
    ModelClientConfig: NotRequired[ModelClientConfigTypeDef]
    MaxPayloadInMB: NotRequired[int]
    BatchStrategy: NotRequired[str]
    Environment: NotRequired[Mapping[str, str]]
    TransformInput: TransformInputTypeDef
    TransformOutput: TransformOutputTypeDef
    TransformResources: TransformResourcesTypeDef
    DataProcessing: DataProcessingTypeDef
    CreationTime: datetime
    last_modified: datetime
    spec: VariantSpec
    """What its container runs, as the model was when the job was created."""


class ProcessingJobChanges(TypedDict, total=False):
    """The members of a processing job that change during its life."""

    FailureReason: str
    ExitMessage: str
    ProcessingStartTime: datetime
    ProcessingEndTime: datetime


class ProcessingJob(ProcessingJobChanges):
    """A processing job: its request and its outcome."""

    ProcessingJobName: str
    ProcessingJobArn: str
    ProcessingJobStatus: ProcessingJobStatusType
    ProcessingInputs: NotRequired[list[ProcessingInputTypeDef]]
    ProcessingOutputConfig: NotRequired[ProcessingOutputConfigTypeDef]
    ProcessingResources: ProcessingResourcesTypeDef
    StoppingCondition: ProcessingStoppingConditionTypeDef
    AppSpecification: AppSpecificationTypeDef
    Environment: NotRequired[Mapping[str, str]]
    NetworkConfig: NotRequired[NetworkConfigTypeDef]
    RoleArn: str
    CreationTime: datetime
    LastModifiedTime: datetime
    image: str
    """The image by digest."""


class LifecycleHooks(TypedDict, total=False):
    """The scripts of a lifecycle configuration in base64, at most one of each kind."""

    OnCreate: Sequence[NotebookInstanceLifecycleHookTypeDef]
    OnStart: Sequence[NotebookInstanceLifecycleHookTypeDef]


class LifecycleConfig(LifecycleHooks):
    """A lifecycle configuration."""

    NotebookInstanceLifecycleConfigName: str
    NotebookInstanceLifecycleConfigArn: str
    CreationTime: datetime
    LastModifiedTime: datetime


class NotebookInstanceChanges(TypedDict, total=False):
    """The members of a notebook instance that change during its life; None means that it lacks the member."""

    InstanceType: InstanceTypeType
    IpAddressType: IPAddressTypeType
    RoleArn: str
    VolumeSizeInGB: int
    RootAccess: RootAccessType
    PlatformIdentifier: str
    InstanceMetadataServiceConfiguration: InstanceMetadataServiceConfigurationTypeDef
    NotebookInstanceLifecycleConfigName: str | None
    FailureReason: str | None


class CodeRepository(TypedDict):
    """A git repository by name."""

    CodeRepositoryName: str
    CodeRepositoryArn: str
    GitConfig: GitConfigTypeDef
    CreationTime: datetime
    LastModifiedTime: datetime


class NotebookInstance(TypedDict):
    """A notebook instance."""

    NotebookInstanceName: str
    NotebookInstanceArn: str
    NotebookInstanceStatus: NotebookInstanceStatusType
    FailureReason: NotRequired[str | None]
    InstanceType: InstanceTypeType
    RoleArn: str
    SubnetId: NotRequired[str]
    SecurityGroups: Sequence[str] | None
    IpAddressType: NotRequired[IPAddressTypeType]
    KmsKeyId: NotRequired[str]
    NotebookInstanceLifecycleConfigName: str | None
    DefaultCodeRepository: NotRequired[str | None]
    """Name or address; and those beside it:"""
    AdditionalCodeRepositories: NotRequired[Sequence[str] | None]
    DirectInternetAccess: DirectInternetAccessType
    VolumeSizeInGB: int
    RootAccess: RootAccessType
    PlatformIdentifier: str
    InstanceMetadataServiceConfiguration: InstanceMetadataServiceConfigurationTypeDef
    Url: str
    CreationTime: datetime
    LastModifiedTime: datetime
    created: bool
    """Whether OnCreate has succeeded."""
