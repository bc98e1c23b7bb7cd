"""Lifecycle configurations: the scripts of notebook instances."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final, Literal, cast

from local_account.gateway.service import Answer
from local_account.services.sagemaker.resources import Resources, invalid, list_page, public

if TYPE_CHECKING:
    from mypy_boto3_sagemaker.type_defs import (
        CreateNotebookInstanceLifecycleConfigInputTypeDef,
        DeleteNotebookInstanceLifecycleConfigInputTypeDef,
        DescribeNotebookInstanceLifecycleConfigInputTypeDef,
        ListNotebookInstanceLifecycleConfigsInputTypeDef,
        UpdateNotebookInstanceLifecycleConfigInputTypeDef,
    )

    from local_account.services.sagemaker.records import LifecycleConfig, LifecycleHooks

_NAME: Final = "NotebookInstanceLifecycleConfigName"
_ARN: Final = "NotebookInstanceLifecycleConfigArn"


class LifecycleConfigs(Resources):
    """Lifecycle configurations; a script is at most 16,384 characters of base64 (checked by the model)."""

    def create_notebook_instance_lifecycle_config(
        self, params: CreateNotebookInstanceLifecycleConfigInputTypeDef
    ) -> Answer:
        """See CreateNotebookInstanceLifecycleConfig."""
        name = params[_NAME]
        arn = self.resource_arn("notebook-instance-lifecycle-config", name)
        hooks = _hooks(params)
        now = self.account.now()
        config: LifecycleConfig = {
            _NAME: name,
            _ARN: arn,
            **hooks,
            "CreationTime": now,
            "LastModifiedTime": now,
        }
        in_use = invalid(
            f"Unable to create Notebook Instance Lifecycle Config {arn}. (Details: Notebook Instance "
            "Lifecycle Config already exists.)"
        )
        self.add(self.table("lifecycle_configs"), name, config, arn, params.get("Tags", []), in_use=in_use)
        return {_ARN: arn}

    def describe_notebook_instance_lifecycle_config(
        self, params: DescribeNotebookInstanceLifecycleConfigInputTypeDef
    ) -> Answer:
        """See DescribeNotebookInstanceLifecycleConfig."""
        return public(self.lifecycle_config(params[_NAME], "describe"))

    def list_notebook_instance_lifecycle_configs(
        self, params: ListNotebookInstanceLifecycleConfigsInputTypeDef
    ) -> Answer:
        """See ListNotebookInstanceLifecycleConfigs."""
        configs, token = list_page(params, self.table("lifecycle_configs"), name=_NAME)
        return {
            "NotebookInstanceLifecycleConfigs": [public(config) for config in configs],
            "NextToken": token,
        }

    def update_notebook_instance_lifecycle_config(
        self, params: UpdateNotebookInstanceLifecycleConfigInputTypeDef
    ) -> Answer:
        """See UpdateNotebookInstanceLifecycleConfig; it takes effect at an instance's next start."""
        self.lifecycle_config(params[_NAME], "update")
        hooks = _hooks(params)
        with self.table("lifecycle_configs").update(params[_NAME]) as config:
            config.update(cast("LifecycleConfig", hooks))
            config["LastModifiedTime"] = self.account.now()
        return {}

    def delete_notebook_instance_lifecycle_config(
        self, params: DeleteNotebookInstanceLifecycleConfigInputTypeDef
    ) -> Answer:
        """See DeleteNotebookInstanceLifecycleConfig."""
        config = self.lifecycle_config(params[_NAME], "delete")
        self.remove(self.table("lifecycle_configs"), params[_NAME], config[_ARN])
        return {}

    def lifecycle_config(self, name: str, purpose: str = "describe") -> LifecycleConfig:
        """Return the document of a configuration; raise ServiceError if there is none."""
        config = self.table("lifecycle_configs").get(name)
        if config is None:
            arn = self.resource_arn("notebook-instance-lifecycle-config", name)
            raise invalid(
                f"Unable to {purpose} Notebook Instance Lifecycle Config '{arn}'. (Details: Notebook "
                "Instance Lifecycle Config does not exist.)"
            )
        return config


def script_of(config: LifecycleHooks, hook: Literal["OnCreate", "OnStart"]) -> bytes | None:
    """Return the script for ``OnCreate`` or ``OnStart``, or None."""
    for item in config.get(hook, []):
        return base64.b64decode(item["Content"])
    return None


def _hooks(
    params: CreateNotebookInstanceLifecycleConfigInputTypeDef
    | UpdateNotebookInstanceLifecycleConfigInputTypeDef,
) -> LifecycleHooks:
    given = {"OnCreate": params.get("OnCreate"), "OnStart": params.get("OnStart")}
    hooks = {hook: items for hook, items in given.items() if items}
    for hook, items in hooks.items():
        for item in items:
            try:
                base64.b64decode(item.get("Content", ""), validate=True)
            except binascii.Error as error:
                raise invalid(
                    f"The content of {hook} is not base64: encode the script, for example with Fn::Base64"
                ) from error
    return cast("LifecycleHooks", hooks)
