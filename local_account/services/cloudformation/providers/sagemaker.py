"""AWS::SageMaker::Model, EndpointConfig, Endpoint, CodeRepository, NotebookInstance, lifecycle configuration,
ModelPackageGroup.

``Ref`` gives the ARN of each, ``Fn::GetAtt`` the name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    ResourceError,
    call,
    exists,
    forget_missing,
    pick,
    without,
)
from local_account.services.cloudformation.providers.simple import TaggedProvider
from local_account.services.cloudformation.providers.tags import retag


class _Named(TaggedProvider):
    """What all types have in common: a name property that Fn::GetAtt returns too."""

    service = "sagemaker"
    name_limit = 63

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The name and the ARN."""
        return {self.name_property: ctx.name, self.ref[0]: ctx.physical_id}

    def extra_attributes(self) -> set[str]:
        """The name."""
        return {self.name_property}


class Model(_Named):
    """AWS::SageMaker::Model."""

    type = "AWS::SageMaker::Model"
    name_property = key = "ModelName"
    ref = ("ModelArn",)
    create_with, delete_with = "create_model", "delete_model"


class ModelPackageGroup(_Named):
    """AWS::SageMaker::ModelPackageGroup; like AWS's handlers, it reads the group after each change."""

    type = "AWS::SageMaker::ModelPackageGroup"
    name_property = key = "ModelPackageGroupName"
    ref = ("ModelPackageGroupArn",)
    create_with, delete_with = "create_model_package_group", "delete_model_package_group"
    _POLICY = "ModelPackageGroupPolicy"
    apart = updatable = (_POLICY,)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out the policy, which has an operation of its own."""
        return super().parameters(ctx, without(props, self._POLICY))

    def finish(self, ctx: Context, props: Properties) -> None:
        """Set the policy."""
        if policy := props.get(self._POLICY):
            self._put_policy(ctx, policy)
        self._read(ctx)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Set or remove the policy, and change the tags."""
        sagemaker = ctx.client("sagemaker")
        if policy := props.get(self._POLICY):
            self._put_policy(ctx, policy)
        else:
            forget_missing(sagemaker.delete_model_package_group_policy, ModelPackageGroupName=ctx.name)
        super().update(ctx, props, old)
        self._read(ctx)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteModelPackageGroup, and wait until it is gone."""
        super().delete(ctx, props)
        sagemaker = ctx.client("sagemaker")
        name = {"ModelPackageGroupName": ctx.name}
        ctx.wait(lambda: not exists(lambda: sagemaker.describe_model_package_group(**name)))

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The read-only properties."""
        group = ctx.client("sagemaker").describe_model_package_group(ModelPackageGroupName=ctx.name)
        return {
            **super().attributes(ctx, props),
            "CreationTime": group["CreationTime"].isoformat(),
            "ModelPackageGroupStatus": group["ModelPackageGroupStatus"],
        }

    def _put_policy(self, ctx: Context, policy: Any) -> None:
        params = {"ModelPackageGroupName": ctx.name, "ResourcePolicy": policy}
        call(ctx.client("sagemaker"), "put_model_package_group_policy", params)

    def _read(self, ctx: Context) -> None:
        sagemaker = ctx.client("sagemaker")
        sagemaker.describe_model_package_group(ModelPackageGroupName=ctx.name)
        forget_missing(sagemaker.get_model_package_group_policy, ModelPackageGroupName=ctx.name)
        sagemaker.list_tags(ResourceArn=ctx.physical_id)


class EndpointConfig(_Named):
    """AWS::SageMaker::EndpointConfig."""

    type = "AWS::SageMaker::EndpointConfig"
    name_property = key = "EndpointConfigName"
    ref = ("EndpointConfigArn",)
    create_with, delete_with = "create_endpoint_config", "delete_endpoint_config"


class CodeRepository(_Named):
    """AWS::SageMaker::CodeRepository."""

    type = "AWS::SageMaker::CodeRepository"
    name_property = key = "CodeRepositoryName"
    ref = ("CodeRepositoryArn",)
    create_with, delete_with = "create_code_repository", "delete_code_repository"
    updatable = ("GitConfig",)

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Change the secret, which is all that the API can change, and the tags."""
        super().update(ctx, props, old)
        config, before = props["GitConfig"], old["GitConfig"]
        if config == before:
            return
        if without(config, "SecretArn") != without(before, "SecretArn") or "SecretArn" not in config:
            raise ResourceError("Of GitConfig, only SecretArn can change: give the repository another name")
        ctx.client("sagemaker").update_code_repository(
            CodeRepositoryName=ctx.name, GitConfig=pick(config, "SecretArn")
        )


class Endpoint(_Named):
    """AWS::SageMaker::Endpoint, complete once it is InService with the requested configuration."""

    type = "AWS::SageMaker::Endpoint"
    name_property = key = "EndpointName"
    ref = ("EndpointArn",)
    create_with, delete_with = "create_endpoint", "delete_endpoint"
    _UPDATE_ONLY = (
        "ExcludeRetainedVariantProperties",
        "RetainAllVariantProperties",
        "RetainDeploymentConfig",
    )
    apart = _UPDATE_ONLY
    updatable = ("EndpointConfigName", "DeploymentConfig", *_UPDATE_ONLY)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Leave out what only an update accepts."""
        return super().parameters(ctx, without(props, *self._UPDATE_ONLY))

    def finish(self, ctx: Context, props: Properties) -> None:
        """Wait until the endpoint is in service."""
        self._wait_in_service(ctx, props["EndpointConfigName"])

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdateEndpoint to another configuration, and wait; the old one keeps serving until then."""
        sagemaker = ctx.client("sagemaker")
        now = ctx.wait(lambda: _settled(self._describe(ctx), "EndpointStatus"))
        if now["EndpointConfigName"] != props["EndpointConfigName"]:
            params = {**props, "EndpointName": ctx.name}
            call(sagemaker, "update_endpoint", without(params, "Tags"))
            self._wait_in_service(ctx, props["EndpointConfigName"])
        super().update(ctx, props, old)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteEndpoint, once it can be deleted, and wait until it is gone."""
        sagemaker = ctx.client("sagemaker")
        if not exists(lambda: self._describe(ctx)):
            return
        ctx.wait(lambda: _settled(self._describe(ctx), "EndpointStatus"))
        forget_missing(sagemaker.delete_endpoint, EndpointName=ctx.name)
        ctx.wait(lambda: not exists(lambda: self._describe(ctx)))

    def _describe(self, ctx: Context) -> dict[str, Any]:
        return ctx.client("sagemaker").describe_endpoint(EndpointName=ctx.name)  # type: ignore[no-any-return]

    def _wait_in_service(self, ctx: Context, config: str) -> None:
        endpoint = ctx.wait(lambda: _settled(self._describe(ctx), "EndpointStatus"))
        if endpoint["EndpointStatus"] != "InService" or endpoint["EndpointConfigName"] != config:
            why = endpoint.get("FailureReason") or f"its status is {endpoint['EndpointStatus']}"
            raise ResourceError(f"Endpoint {ctx.name} is not InService with {config}: {why}")


class LifecycleConfig(_Named):
    """AWS::SageMaker::NotebookInstanceLifecycleConfig."""

    type = "AWS::SageMaker::NotebookInstanceLifecycleConfig"
    name_property = key = "NotebookInstanceLifecycleConfigName"
    ref = ("NotebookInstanceLifecycleConfigArn",)
    updatable = ("OnCreate", "OnStart")
    create_with = "create_notebook_instance_lifecycle_config"
    delete_with = "delete_notebook_instance_lifecycle_config"

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdateNotebookInstanceLifecycleConfig; the scripts run at the instance's next start."""
        scripts = ("OnCreate", "OnStart")
        if pick(props, *scripts) != pick(old, *scripts):
            params = {self.key: ctx.name, "OnCreate": [], "OnStart": [], **pick(props, *scripts)}
            call(ctx.client("sagemaker"), "update_notebook_instance_lifecycle_config", params)
        super().update(ctx, props, old)


class NotebookInstance(_Named):
    """AWS::SageMaker::NotebookInstance, complete once its lifecycle scripts have run and it is InService."""

    type = "AWS::SageMaker::NotebookInstance"
    name_property = key = "NotebookInstanceName"
    ref = ("NotebookInstanceArn",)
    create_with, delete_with = "create_notebook_instance", "delete_notebook_instance"
    # Update member that removes a property, by property.
    _DISASSOCIATE: ClassVar = {
        "AdditionalCodeRepositories": "DisassociateAdditionalCodeRepositories",
        "DefaultCodeRepository": "DisassociateDefaultCodeRepository",
        "LifecycleConfigName": "DisassociateLifecycleConfig",
    }

    def finish(self, ctx: Context, props: Properties) -> None:
        """Wait until the instance is in service."""
        self._wait_for(ctx, "InService")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """Stop the instance, change it and start it again, as CloudFormation does."""
        if without(props, "Tags") != without(old, "Tags"):
            sagemaker = ctx.client("sagemaker")
            status = ctx.wait(lambda: _settled(self._describe(ctx), "NotebookInstanceStatus"))
            self._stop(ctx)
            changed = {k: v for k, v in without(props, "Tags").items() if v != old.get(k)}
            removed = {
                how: True for name, how in self._DISASSOCIATE.items() if name in old and name not in props
            }
            call(sagemaker, "update_notebook_instance", {self.key: ctx.name, **changed, **removed})
            self._wait_for(ctx, "Stopped")
            if status["NotebookInstanceStatus"] != "Stopped":
                sagemaker.start_notebook_instance(NotebookInstanceName=ctx.name)
                self._wait_for(ctx, "InService")
        retag(ctx.client("sagemaker"), "sagemaker", ctx.physical_id, props, old)

    def delete(self, ctx: Context, props: Properties) -> None:
        """Stop the instance, delete it, and wait until it is gone."""
        if not exists(lambda: self._describe(ctx)):
            return
        self._stop(ctx)
        forget_missing(ctx.client("sagemaker").delete_notebook_instance, NotebookInstanceName=ctx.name)
        ctx.wait(lambda: not exists(lambda: self._describe(ctx)))

    def _stop(self, ctx: Context) -> None:
        sagemaker = ctx.client("sagemaker")
        settled = ctx.wait(lambda: _settled(self._describe(ctx), "NotebookInstanceStatus"))
        if settled["NotebookInstanceStatus"] == "InService":
            sagemaker.stop_notebook_instance(NotebookInstanceName=ctx.name)
            self._wait_for(ctx, "Stopped")

    def _describe(self, ctx: Context) -> dict[str, Any]:
        sagemaker = ctx.client("sagemaker")
        return sagemaker.describe_notebook_instance(NotebookInstanceName=ctx.name)  # type: ignore[no-any-return]

    def _wait_for(self, ctx: Context, status: str) -> None:
        describe: Callable[[], dict[str, Any]] = lambda: self._describe(ctx)  # noqa: E731
        instance = ctx.wait(lambda: _settled(describe(), "NotebookInstanceStatus"))
        if instance["NotebookInstanceStatus"] != status:
            why = instance.get("FailureReason") or f"its status is {instance['NotebookInstanceStatus']}"
            raise ResourceError(f"Notebook instance {ctx.name} is not {status}: {why}")


_MOVING = {"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting", "Pending", "Stopping"}


def _settled(description: dict[str, Any], key: str) -> dict[str, Any] | None:
    return None if description[key] in _MOVING else description
