"""Amazon SageMaker AI: training, models, endpoints and notebook instances, with the real work behind them."""

from __future__ import annotations

from lab_helpers.local_account.sagemaker.endpoints import Endpoints
from lab_helpers.local_account.sagemaker.notebook_instances import NotebookInstances, instance_environment
from lab_helpers.local_account.sagemaker.runtime import SageMakerRuntime
from lab_helpers.local_account.sagemaker.tags import TagOperations
from lab_helpers.local_account.sagemaker.training import TrainingJobs

__all__ = ["SageMaker", "SageMakerRuntime", "instance_environment"]


class SageMaker(TrainingJobs, Endpoints, NotebookInstances, TagOperations):
    """The control plane (``sagemaker``): one class per kind of resource, put together."""
