"""Amazon SageMaker AI: training, models, endpoints and notebook instances, doing real work."""

from __future__ import annotations

from local_account.services.sagemaker.endpoints import Endpoints
from local_account.services.sagemaker.notebook_instances import NotebookInstances, instance_environment
from local_account.services.sagemaker.runtime import SageMakerRuntime
from local_account.services.sagemaker.tags import TagOperations
from local_account.services.sagemaker.training import TrainingJobs

__all__ = ["SageMaker", "SageMakerRuntime", "instance_environment"]


class SageMaker(TrainingJobs, Endpoints, NotebookInstances, TagOperations):
    """The control plane (``sagemaker``), combined from one class per kind of resource.

    Lacks: `CreateAutoMLJobV2`, `CreateCompilationJob`, `CreateDomain` (Studio),
    `CreateExperiment`, `CreateFeatureGroup`, `CreateHyperParameterTuningJob`, `CreateInferenceComponent`,
    `CreateLabelingJob`, `CreateMlflowTrackingServer`, `CreateModelPackage` and `CreateModelPackageGroup`
    (model registry), `CreateMonitoringSchedule`, `CreatePipeline`, `CreateProcessingJob`,
    `CreateTransformJob` (batch transform), `Search`, `UpdateTrainingJob`.
    """
