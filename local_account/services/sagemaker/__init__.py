"""Amazon SageMaker AI: jobs, models, endpoints and notebook instances, doing real work."""

from __future__ import annotations

from local_account.services.sagemaker.endpoints import Endpoints
from local_account.services.sagemaker.notebook_instances import NotebookInstances, instance_environment
from local_account.services.sagemaker.processing import ProcessingJobs
from local_account.services.sagemaker.runtime import SageMakerRuntime
from local_account.services.sagemaker.tags import TagOperations
from local_account.services.sagemaker.transforms import TransformJobs
from local_account.services.sagemaker.tuning import TuningJobs

__all__ = ["SageMaker", "SageMakerRuntime", "instance_environment"]


class SageMaker(TuningJobs, TransformJobs, ProcessingJobs, Endpoints, NotebookInstances, TagOperations):
    """The control plane (``sagemaker``), combined from one class per kind of resource.

    Lacks: `CreateAutoMLJobV2`, `CreateCompilationJob`, `CreateDomain` (Studio),
    `CreateExperiment`, `CreateFeatureGroup`, `CreateInferenceComponent`, `CreateInferenceExperiment`,
    `CreateLabelingJob`, `CreateMlflowTrackingServer`, `CreateModelCard`, `CreateMonitoringSchedule`,
    `CreatePipeline`, `Search`, `UpdateTrainingJob`.
    """
