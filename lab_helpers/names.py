"""Every name of a lab, derived from its lab id; docs/names-and-contracts.md has the same names in a table."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab_helpers.errors import WorkshopError

LAB_TAG, EXPIRES_TAG = "mlops-workshop:lab", "mlops-workshop:expires"
"""Tags on everything that a lab owns: which lab it belongs to, and when it may be removed."""
TRAIN_APPROVAL, DEPLOY_DEV, TEST_DEV, HUMAN_APPROVAL, DEPLOY_PRD = (
    "TrainApproval",
    "DeployDev",
    "TestDev",
    "DeployApproval",
    "DeployPrd",
)
"""Stages of the training pipeline. The monitor function answers TRAIN_APPROVAL, a person HUMAN_APPROVAL."""
ROLES = (
    "notebook", "codebuild", "pipeline", "deploy", "launcher", "monitor", "tester", "events", "sagemaker"
)  # fmt: skip
"""What the roles of a lab are for; see `Names.role`."""
LAB_ID = re.compile(r"[a-z][a-z0-9]{0,9}")
EXECUTION_ID_LENGTH = 36
"""A pipeline execution id is a UUID (CodePipeline API, PipelineExecutionId)."""

LIMITS = {
    "bucket": 63,  # S3, bucket naming rules
    "stack": 128,  # CloudFormation CreateStack, StackName
    "ecr repository": 256,  # ECR CreateRepository, repositoryName
    "codecommit repository": 100,  # CodeCommit CreateRepository, repositoryName
    "notebook instance": 63,  # SageMaker CreateNotebookInstance, NotebookInstanceName
    "lifecycle config": 63,  # SageMaker CreateNotebookInstanceLifecycleConfig
    "pipeline": 100,  # CodePipeline CreatePipeline, name
    "build project": 150,  # CodeBuild CreateProject, name
    "function": 64,  # Lambda CreateFunction, FunctionName
    "rule": 64,  # EventBridge PutRule, Name
    "role": 64,  # IAM CreateRole, RoleName
    "policy": 128,  # IAM CreatePolicy, PolicyName
    "training job": 63,  # SageMaker CreateTrainingJob, TrainingJobName
    "processing job": 63,
    "tuning job": 32,  # SageMaker CreateHyperParameterTuningJob, HyperParameterTuningJobName
    "model": 63,  # SageMaker CreateModel, ModelName
    "model package group": 63,  # SageMaker CreateModelPackageGroup, ModelPackageGroupName
    "endpoint config": 63,  # SageMaker CreateEndpointConfig, EndpointConfigName
    "endpoint": 63,  # SageMaker CreateEndpoint, EndpointName
}
"""The longest name, in characters, that each service accepts."""


class InvalidNameError(WorkshopError, ValueError):
    """A lab id, or a name derived from it, is not valid."""


@dataclass(frozen=True)
class Names:
    """The names of one lab.

    `lab_id` is empty for the default lab, or matches `^[a-z][a-z0-9]{0,9}$`; every name begins with it and a
    dash. Raises InvalidNameError for any other lab id, and for a name that exceeds its AWS limit.
    """

    lab_id: str = ""

    def __post_init__(self) -> None:
        if self.lab_id == "default":
            raise InvalidNameError(
                "'default' is not a valid lab id: it is the tag of the lab without an id. Choose another"
            )
        if self.lab_id and not LAB_ID.fullmatch(self.lab_id):
            raise InvalidNameError(
                f"{self.lab_id!r} is not a valid lab id: use at most 10 lower-case letters and digits, "
                "beginning with a letter (or leave it empty for the default lab)"
            )

    @property
    def prefix(self) -> str:
        """`""` or `"<lab id>-"`: the template parameter `NamePrefix`."""
        return f"{self.lab_id}-" if self.lab_id else ""

    def _name(self, kind: str, rest: str) -> str:
        name = self.prefix + rest
        if len(name) > LIMITS[kind]:
            raise InvalidNameError(
                f"the {kind} name {name!r} exceeds the limit of {LIMITS[kind]} characters: "
                "use a shorter lab id"
            )
        return name

    @property
    def tag(self) -> str:
        """Value of the tag `mlops-workshop:lab` on everything that the lab owns."""
        return self.lab_id or "default"

    # --- CloudFormation
    @property
    def top_stack(self) -> str:  # noqa: D102
        return self._name("stack", "mlops")

    @property
    def base_stack(self) -> str:  # noqa: D102
        return self._name("stack", "scikit-base")

    @property
    def model_stack(self) -> str:  # noqa: D102
        return self._name("stack", "iris-model")

    @property
    def train_stack(self) -> str:  # noqa: D102
        return self._name("stack", "iris-train-pipeline")

    @property
    def dev_stack(self) -> str:  # noqa: D102
        return self._name("stack", "iris-model-dev")

    @property
    def prd_stack(self) -> str:  # noqa: D102
        return self._name("stack", "iris-model-prd")

    def all_stacks(self) -> tuple[str, ...]:
        """All stacks: the top stack, the nested ones, DEV and PRD."""
        nested = (self.base_stack, self.model_stack, self.train_stack)
        return (self.top_stack, *nested, self.dev_stack, self.prd_stack)

    # --- source and images
    @property
    def repository(self) -> str:
        """The CodeCommit repository."""
        return self._name("codecommit repository", "mlops")

    @property
    def base_branch(self) -> str:
        """Branch of the base image; branches belong to a repository and need no prefix."""
        return "scikit_base"

    @property
    def model_branch(self) -> str:
        """Branch of the model image."""
        return "iris_model"

    @property
    def base_image(self) -> str:
        """ECR repository of the base image."""
        return self._name("ecr repository", "scikit-base")

    @property
    def model_image(self) -> str:
        """ECR repository of the model image."""
        return self._name("ecr repository", "iris-model")

    # --- pipelines
    @property
    def base_pipeline(self) -> str:
        """Pipeline of the base image; its CodeBuild project has the same name."""
        return self._name("pipeline", "scikit-base")

    @property
    def model_pipeline(self) -> str:
        """Pipeline of the model image; its CodeBuild project has the same name."""
        return self._name("pipeline", "iris-model")

    @property
    def train_pipeline(self) -> str:  # noqa: D102
        return self._name("pipeline", "iris-train-pipeline")

    @property
    def base_project(self) -> str:  # noqa: D102
        return self._name("build project", "scikit-base")

    @property
    def model_project(self) -> str:  # noqa: D102
        return self._name("build project", "iris-model")

    @property
    def launcher(self) -> str:
        """Function that starts the training job."""
        return self._name("function", "mlops-job-launcher-iris-model")

    @property
    def monitor(self) -> str:
        """Function that judges the training job."""
        return self._name("function", "mlops-job-monitor-iris-model")

    @property
    def tester(self) -> str:
        """Function that tests DEV."""
        return self._name("function", "mlops-endpoint-tester-iris-model")

    @property
    def base_push_rule(self) -> str:  # noqa: D102
        return self._name("rule", "scikit-base-push")

    @property
    def model_push_rule(self) -> str:  # noqa: D102
        return self._name("rule", "iris-model-push")

    @property
    def upload_rule(self) -> str:  # noqa: D102
        return self._name("rule", "iris-train-upload")

    @property
    def drift_rule(self) -> str:
        """Starts the training pipeline when PRD's drift alarm goes off."""
        return self._name("rule", "iris-train-drift")

    @property
    def labels_rule(self) -> str:
        """Starts the training pipeline when labeled data arrives."""
        return self._name("rule", "iris-train-labels")

    @property
    def monitor_rule(self) -> str:  # noqa: D102
        return self._name("rule", "mlops-job-monitor-iris-model")

    # --- the notebook instance and the roles
    @property
    def notebook_instance(self) -> str:  # noqa: D102
        return self._name("notebook instance", "mlops")

    @property
    def lifecycle_config(self) -> str:  # noqa: D102
        return self._name("lifecycle config", "mlops")

    def role(self, purpose: str) -> str:
        """Role for one of the purposes in `ROLES`."""
        return self._name("role", f"mlops-{purpose}")

    def policy(self, purpose: str) -> str:
        """Managed policy of the notebook's role, such as work or registry."""
        return self._name("policy", f"mlops-notebook-{purpose}")

    # --- storage
    def bucket(self, region: str, account: str) -> str:
        """The lab's bucket: data, training jobs, models, reports, pipeline artifacts."""
        return self._name("bucket", f"mlops-{region}-{account}")

    def assets_bucket(self, region: str, account: str) -> str:
        """The bucket from which the notebook instance fetches the workshop's package."""
        return self._name("bucket", f"mlops-assets-{region}-{account}")

    # --- training and serving
    @property
    def model_package_group(self) -> str:
        """The model registry of the lab: each judged execution is one of its versions."""
        return self._name("model package group", "iris-model")

    @property
    def dev_endpoint(self) -> str:  # noqa: D102
        return self._name("endpoint", "iris-model-dev")

    @property
    def prd_endpoint(self) -> str:  # noqa: D102
        return self._name("endpoint", "iris-model-prd")

    @property
    def sdk(self) -> str:
        """The model and endpoint of notebook 03a; the names of its jobs begin so, too."""
        return self._name("endpoint", "iris-model-sdk")

    def sdk_job(self, number: str) -> str:
        """Tuning or transform job of notebook 03a; `number` has at most six characters."""
        return self._name("tuning job", f"iris-model-sdk-{number}")

    def safe(self, release: str) -> str:
        """Endpoint of notebook 06; its models, configurations and alarms begin so. At most 30 characters."""
        return self._name("endpoint", f"iris-model-safe-{release}")

    def check_job(self, time: str) -> str:
        """Processing job that checks captured data; `time` has at most 17 characters."""
        return self._name("processing job", f"iris-model-check-{time}")

    def training_job(self, execution_id: str) -> str:
        """Training job that a pipeline execution starts."""
        return self._name("training job", f"iris-model-{execution_id}")

    def model(self, environment: str, execution_id: str) -> str:
        """SageMaker model of a release; `environment` is `dev` or `prd` (a resource belongs to one stack)."""
        part = "" if environment == "dev" else f"{environment}-"
        return self._name("model", f"iris-model-{part}{execution_id}")

    def endpoint_config(self, environment: str, execution_id: str) -> str:
        """Endpoint configuration of a release; `environment` is `dev` or `prd`."""
        return self._name("endpoint config", f"iris-model-{environment}-{execution_id}")
