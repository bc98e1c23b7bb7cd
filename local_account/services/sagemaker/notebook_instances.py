"""Notebook instances: directories, lifecycle scripts and JupyterLab on this machine."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Literal, Unpack, cast

from local_account.foundation.errors import ServiceError
from local_account.gateway.service import Answer
from local_account.services.sagemaker import instance_quotas, repository_clones
from local_account.services.sagemaker.code_repositories import CodeRepositories
from local_account.services.sagemaker.instance_root import InstanceRoot
from local_account.services.sagemaker.lifecycle_configs import LifecycleConfigs, script_of
from local_account.services.sagemaker.logs import Logs
from local_account.services.sagemaker.notebook_runs import (
    LOG_GROUP,
    Jupyter,
    ScriptError,
    empty_home,
    group,
    instance_directory,
    instance_environment,
    make_directories,
    run_script,
    write_environment,
)
from local_account.services.sagemaker.resources import (
    invalid,
    list_page,
    public,
    refuse_unsupported,
)

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.literals import NotebookInstanceStatusType
    from mypy_boto3_sagemaker.type_defs import (
        CreateNotebookInstanceInputTypeDef,
        CreatePresignedNotebookInstanceUrlInputTypeDef,
        DeleteNotebookInstanceInputTypeDef,
        DescribeNotebookInstanceInputTypeDef,
        GitConfigTypeDef,
        ListNotebookInstancesInputTypeDef,
        StartNotebookInstanceInputTypeDef,
        StopNotebookInstanceInputTypeDef,
        UpdateNotebookInstanceInputTypeDef,
    )

    from local_account.foundation.account import Account
    from local_account.services.sagemaker.records import (
        LifecycleHooks,
        NotebookInstance,
        NotebookInstanceChanges,
    )

__all__ = ["NotebookInstances", "instance_environment"]

log = logging.getLogger(__name__)

EVENT = "SageMaker Notebook Instance State Change"
_PRINCIPAL = "sagemaker.amazonaws.com"
_NAME: Final = "NotebookInstanceName"
_STATUS: Final = "NotebookInstanceStatus"
_CONFIG: Final = "NotebookInstanceLifecycleConfigName"
_UNSUPPORTED = ("AcceleratorTypes",)
"""Refuses in CreateNotebookInstance and UpdateNotebookInstance."""
_REASON_LENGTH = 1024
_DEFAULTS = {
    "DirectInternetAccess": "Enabled",
    "VolumeSizeInGB": 5,
    "RootAccess": "Enabled",
    "PlatformIdentifier": "notebook-al2023-v1",
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "1"},
}


class NotebookInstances(LifecycleConfigs, CodeRepositories):
    """Notebook instances; their scripts run as root of a directory of their own (`instance_root`).

    ``lifecycle_seconds`` is how long a script may take: 300 on AWS ("Customization of a SageMaker notebook
    instance using an LCC script"). OnCreate runs once, until it has succeeded; OnStart at every start.
    """

    lifecycle_seconds = 300.0

    def __init__(self, account: Account) -> None:
        super().__init__(account)
        self._notebook_logs = Logs(account)
        self._jupyters: dict[str, Jupyter] = {}
        self._jupyter_lock = threading.Lock()

    def start(self) -> None:
        """Restart what was in service, and finish what was in progress."""
        super().start()
        steps = {
            "InService": self._start_instance,
            "Pending": self._start_instance,
            "Stopping": self._stop_instance,
            "Updating": self._stop_instance,
            "Deleting": self._delete_instance,
        }
        for name, instance in self.table("notebook_instances").items():
            step = steps.get(instance[_STATUS])
            if step:
                if step == self._start_instance:
                    self._record_instance(name, "Pending")
                self.account.tasks.spawn(group(name), step, name)

    def stop(self) -> None:
        """End all scripts, their background processes, and JupyterLab."""
        for name, instance in self.table("notebook_instances").items():
            if instance[_STATUS] in ("InService", "Pending"):
                self.account.processes.end(group(name))
        super().stop()

    # --- operations

    def create_notebook_instance(self, params: CreateNotebookInstanceInputTypeDef) -> Answer:
        """See CreateNotebookInstance; the instance becomes InService or Failed later.

        Raises ServiceError ValidationException for a name in use, a role that SageMaker cannot assume, or a
        lifecycle configuration that does not exist; ResourceLimitExceeded beyond the quota, which also counts
        instances that are stopped.
        """
        name = params[_NAME]
        arn = self.resource_arn("notebook-instance", name)
        refuse_unsupported(params, _UNSUPPORTED)
        self.account.check_role(params["RoleArn"], _PRINCIPAL)
        if params.get("LifecycleConfigName"):
            self.lifecycle_config(params["LifecycleConfigName"])
        self._check_repositories(params)
        if params.get("SecurityGroupIds") and not params.get("SubnetId"):
            raise invalid("SecurityGroupIds requires a SubnetId")
        now = self.account.now()
        kept = ("LifecycleConfigName", "SecurityGroupIds", "Tags")
        members = {
            **_DEFAULTS,
            **{key: value for key, value in params.items() if key not in kept},
            "NotebookInstanceArn": arn,
            _STATUS: "Pending",
            _CONFIG: params.get("LifecycleConfigName"),
            "SecurityGroups": params.get("SecurityGroupIds"),
            "Url": f"{name}.notebook.{self.account.config.region}.sagemaker.aws",
            "CreationTime": now,
            "LastModifiedTime": now,
            "created": False,
        }
        instance = cast("NotebookInstance", members)
        in_use = invalid(f"Cannot create a duplicate Notebook Instance ({arn})")
        quotas = self.account.quotas("sagemaker")
        instances = self.table("notebook_instances")
        with instances.lock, self.table("tags").lock:
            if self.exists(arn):
                raise in_use
            used = sum(one[_STATUS] != "Failed" for one in instances.values())
            total = instance_quotas.NOTEBOOKS
            instance_quotas.check_total(quotas, total, used, 1, "NotebookInstances")
            self._check_type(quotas, instance)
            with self.account.store.together():
                self.add(instances, name, instance, arn, params.get("Tags", []), in_use=in_use)
                self.publish(EVENT, arn, public(instance))
        self.account.tasks.spawn(group(name), self._start_instance, name)
        return {"NotebookInstanceArn": arn}

    def describe_notebook_instance(self, params: DescribeNotebookInstanceInputTypeDef) -> Answer:
        """See DescribeNotebookInstance; the usable URL comes from CreatePresignedNotebookInstanceUrl."""
        return public(self._instance(params[_NAME]))

    def list_notebook_instances(self, params: ListNotebookInstancesInputTypeDef) -> Answer:
        """See ListNotebookInstances."""
        config = params.get("NotebookInstanceLifecycleConfigNameContains", "")
        default, additional = (
            params.get("DefaultCodeRepositoryContains", ""),
            params.get("AdditionalCodeRepositoryEquals"),
        )

        def fits(instance: NotebookInstance) -> bool:
            return (
                config in (instance[_CONFIG] or "")
                and default in (instance.get("DefaultCodeRepository") or "")
                and (not additional or additional in (instance.get("AdditionalCodeRepositories") or ()))
            )

        instances, token = list_page(
            params,
            self.table("notebook_instances"),
            name=_NAME,
            status=_STATUS,
            only=fits,
            sort_by="Name",
            order="Ascending",
        )
        return {"NotebookInstances": [public(instance) for instance in instances], "NextToken": token}

    def update_notebook_instance(self, params: UpdateNotebookInstanceInputTypeDef) -> Answer:
        """See UpdateNotebookInstance; the instance must be stopped."""
        name = params[_NAME]
        refuse_unsupported(params, _UNSUPPORTED)
        if params.get("RoleArn"):
            self.account.check_role(params["RoleArn"], _PRINCIPAL)
        if params.get("LifecycleConfigName"):
            self.lifecycle_config(params["LifecycleConfigName"])
        self._check_repositories(params)
        given: dict[str, object] = {
            key: value
            for key, value in params.items()
            if key not in (_NAME, "LifecycleConfigName") and not key.startswith("Disassociate")
        }
        if params.get("LifecycleConfigName") or params.get("DisassociateLifecycleConfig"):
            given[_CONFIG] = params.get("LifecycleConfigName")
        if params.get("DisassociateDefaultCodeRepository"):
            given["DefaultCodeRepository"] = None
        if params.get("DisassociateAdditionalCodeRepositories"):
            given["AdditionalCodeRepositories"] = None
        changes = cast("NotebookInstanceChanges", given)
        instance = self._instance(name)
        if params.get("VolumeSizeInGB", instance["VolumeSizeInGB"]) < instance["VolumeSizeInGB"]:
            raise invalid(f"A volume cannot shrink: it has {instance['VolumeSizeInGB']} GB")
        self._transition_instance(name, ("Stopped", "Failed"), "Updating", **changes)
        self.account.tasks.spawn(group(name), self._stop_instance, name)
        return {}

    def start_notebook_instance(self, params: StartNotebookInstanceInputTypeDef) -> Answer:
        """See StartNotebookInstance.

        Raises ServiceError ResourceLimitExceeded if others that run use all instances of the type.
        """
        name = params[_NAME]
        quotas = self.account.quotas("sagemaker")
        with self.table("notebook_instances").lock:
            if (instance := self._instance(name))[_STATUS] in ("Stopped", "Failed"):
                self._check_type(quotas, instance)
            self._transition_instance(name, ("Stopped", "Failed"), "Pending", FailureReason=None)
        self.account.tasks.spawn(group(name), self._start_instance, name)
        return {}

    def stop_notebook_instance(self, params: StopNotebookInstanceInputTypeDef) -> Answer:
        """See StopNotebookInstance; all processes end, and only the SageMaker directory stays."""
        self._transition_instance(params[_NAME], ("InService",), "Stopping")
        self.account.tasks.spawn(group(params[_NAME]), self._stop_instance, params[_NAME])
        return {}

    def delete_notebook_instance(self, params: DeleteNotebookInstanceInputTypeDef) -> Answer:
        """See DeleteNotebookInstance; everything on it is deleted."""
        self._transition_instance(params[_NAME], ("Stopped", "Failed"), "Deleting")
        self.account.tasks.spawn(group(params[_NAME]), self._delete_instance, params[_NAME])
        return {}

    def create_presigned_notebook_instance_url(
        self, params: CreatePresignedNotebookInstanceUrlInputTypeDef
    ) -> Answer:
        """See CreatePresignedNotebookInstanceUrl: starts JupyterLab at the first call.

        The URL is valid until the instance stops, however short the requested session.

        Differs from AWS: the URL opens JupyterLab; on AWS, the older Jupyter unless `&view=lab` is added to
        it.
        """
        name = params[_NAME]
        instance = self._instance(name)
        if instance[_STATUS] != "InService":
            raise invalid(_wrong_status(instance, ("InService",), "presigned URL"))
        with self._jupyter_lock:
            jupyter = self._jupyters.get(name)
            if jupyter is None or not jupyter.running:
                jupyter = self._jupyters[name] = Jupyter(self.account, name)
        try:
            jupyter.wait()
        except ScriptError as error:
            raise ServiceError("InternalFailure", str(error), status=500) from error
        default = instance.get("DefaultCodeRepository")
        where = repository_clones.directory_of(self._git_config(default)["RepositoryUrl"]) if default else ""
        return {"AuthorizedUrl": jupyter.url(where)}

    # --- the work behind them

    def _start_instance(self, name: str) -> None:
        instance = self._instance(name)
        hooks: tuple[Literal["OnCreate", "OnStart"], ...]
        hooks = ("OnStart",) if instance["created"] else ("OnCreate", "OnStart")
        try:
            make_directories(self.account, name)
            write_environment(self.account, name)
            self._clone_repositories(instance)
            attached = instance[_CONFIG]
            config: LifecycleHooks = self.lifecycle_config(attached) if attached else {}
            scripts = {hook: script_of(config, hook) for hook in hooks}
            root = self._make_root(instance) if any(scripts.values()) else None
            for hook, script in scripts.items():
                if script is not None and root:
                    self._run_hook(instance, root, hook, script)
                if hook == "OnCreate":
                    with self.table("notebook_instances").update(name) as stored:
                        stored["created"] = True
        except Exception as error:
            if not self.account.tasks.stopping.is_set():
                if not isinstance(error, ScriptError):
                    log.exception("notebook instance %s did not start", name)
                self.account.processes.end(group(name))
                self._record_instance(name, "Failed", FailureReason=str(error)[:_REASON_LENGTH])
            return
        self._record_instance(name, "InService", FailureReason=None)

    def _clone_repositories(self, instance: NotebookInstance) -> None:
        volume = instance_directory(self.account, instance[_NAME]) / "SageMaker"
        for one in _repositories(instance):
            repository_clones.clone(
                self.account, instance[_NAME], volume, instance["RoleArn"], self._git_config(one)
            )

    def _git_config(self, repository: str) -> GitConfigTypeDef:
        """Return where a repository is that an instance names by its address or as a resource."""
        if repository.startswith("https://"):
            return {"RepositoryUrl": repository}
        return self.code_repository(repository)["GitConfig"]

    def _check_repositories(self, params: Mapping[str, Any]) -> None:
        for one in _repositories(params):
            self._git_config(one)

    def _make_root(self, instance: NotebookInstance) -> InstanceRoot:
        name, arn = instance[_NAME], instance["NotebookInstanceArn"]
        return InstanceRoot(self.account, group(name), instance_directory(self.account, name), arn)

    def _run_hook(self, instance: NotebookInstance, root: InstanceRoot, hook: str, script: bytes) -> None:
        name = instance[_NAME]
        logs, seconds = self._notebook_logs, self.lifecycle_seconds
        try:
            run_script(self.account, logs, name, hook, script, root=root, seconds=seconds)
        except ScriptError as error:
            arn = self.resource_arn("notebook-instance-lifecycle-config", str(instance[_CONFIG]))
            raise ScriptError(
                f"Notebook Instance Lifecycle Config '{arn}' for Notebook Instance "
                f"'{instance['NotebookInstanceArn']}' {error} Please check your CloudWatch logs for more "
                f"details if your Notebook Instance has Internet access. (Log group {LOG_GROUP}, stream "
                f"{name}/LifecycleConfig{hook})"
            ) from error

    def _stop_instance(self, name: str) -> None:
        self._jupyters.pop(name, None)
        self.account.processes.end(group(name))
        empty_home(self.account, name)
        self._record_instance(name, "Stopped")

    def _delete_instance(self, name: str) -> None:
        self.account.processes.end(group(name))
        directory = instance_directory(self.account, name)
        if directory.exists():
            shutil.rmtree(directory)
        arn = self._instance(name)["NotebookInstanceArn"]
        self.remove(self.table("notebook_instances"), name, arn)

    # --- documents

    def _instance(self, name: str) -> NotebookInstance:
        instance = self.table("notebook_instances").get(name)
        if instance is None:
            raise invalid("RecordNotFound")
        return instance

    def _check_type(self, quotas: Mapping[str, float], instance: NotebookInstance) -> None:
        """Raise ServiceError ResourceLimitExceeded unless one more of the type may run."""
        running = [
            one
            for one in self.table("notebook_instances").values()
            if one[_STATUS] not in ("Stopped", "Failed", "Deleting")
        ]
        used = Counter(map(instance_quotas.notebook, running))
        instance_quotas.check_types(quotas, used, Counter([instance_quotas.notebook(instance)]))

    def _transition_instance(
        self,
        name: str,
        allowed: tuple[str, ...],
        status: NotebookInstanceStatusType,
        **changes: Unpack[NotebookInstanceChanges],
    ) -> None:
        with self.table("notebook_instances").lock:
            instance = self._instance(name)
            if instance[_STATUS] not in allowed:
                raise invalid(_wrong_status(instance, allowed, status))
            self._record_instance(name, status, **changes)

    def _record_instance(
        self, name: str, status: NotebookInstanceStatusType, **changes: Unpack[NotebookInstanceChanges]
    ) -> None:
        table = self.table("notebook_instances")
        with table.lock, self.account.store.together():
            with table.update(name) as instance:
                instance.update(cast("NotebookInstance", changes))
                instance[_STATUS] = status
                instance["LastModifiedTime"] = self.account.now()
                detail = public(instance)
            self.publish(EVENT, detail["NotebookInstanceArn"], detail)


def _repositories(given: Mapping[str, Any]) -> list[str]:
    default = given.get("DefaultCodeRepository")
    return [*([default] if default else []), *(given.get("AdditionalCodeRepositories") or ())]


def _wrong_status(instance: NotebookInstance, allowed: tuple[str, ...], wanted: str) -> str:
    return (
        f"Status ({instance[_STATUS]}) not in ([{', '.join(allowed)}]). Unable to transition to ({wanted}) "
        f"for Notebook Instance ({instance['NotebookInstanceArn']})"
    )
