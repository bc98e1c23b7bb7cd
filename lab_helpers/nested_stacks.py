"""Deploy the three nested stacks of a lab in parallel: created, updated, or left alone if unchanged."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from lab_helpers import instance_types, keys
from lab_helpers.clients import Clients
from lab_helpers.errors import WorkshopError
from lab_helpers.names import EXPIRES_TAG, LAB_TAG, Names
from lab_helpers.stacks import DeployError, deploy_stack
from lab_helpers.templates import body, package, read_template

_LEFTOVER = re.compile(r"\(AWS::Logs::LogGroup\): (?!.* in stack ).*already exists")
"""The reason of a resource that failed; a group that another stack has is not ours to delete."""


class StackError(WorkshopError, RuntimeError):
    """A nested stack could not be deployed; the message is one line with the cause."""


def deploy_nested(
    clients: Clients,
    settings: Mapping[str, str],
    templates: Path,
    report: Callable[[str], None],
) -> None:
    """Deploy the stacks of both images and of the training pipeline.

    `settings` are those of `lab.env`. Raises StackError with the failures of all three.
    """
    names = Names(settings["LAB_ID"])
    if "TESTER_ROLE_ARN" not in settings:
        raise StackError(
            f"the stack {names.top_stack} was deployed by an earlier version and lacks roles: deploy it again"
        )
    values = {
        "NamePrefix": settings["NAME_PREFIX"],
        "BucketName": settings["BUCKET"],
        "RepositoryName": settings["REPOSITORY"],
        "PipelineRoleArn": settings["PIPELINE_ROLE_ARN"],
        "CodeBuildRoleArn": settings["CODEBUILD_ROLE_ARN"],
        "DeployRoleArn": settings["DEPLOY_ROLE_ARN"],
        "LauncherRoleArn": settings["LAUNCHER_ROLE_ARN"],
        "MonitorRoleArn": settings["MONITOR_ROLE_ARN"],
        "TesterRoleArn": settings["TESTER_ROLE_ARN"],
        "EventsRoleArn": settings["EVENTS_ROLE_ARN"],
        "SageMakerRoleArn": settings["SAGEMAKER_ROLE_ARN"],
        "ExpiresAt": settings.get("EXPIRES_AT", "never"),
        # Empty, or missing in a lab that an older version deployed: what the region has.
        "DevInstanceType": settings.get("DEV_INSTANCE_TYPE") or instance_types.dev(settings["REGION"]),
        "PrdInstanceType": settings.get("PRD_INSTANCE_TYPE") or instance_types.prd(settings["REGION"]),
        "RetrainOnDrift": settings.get("RETRAIN_ON_DRIFT") or "DISABLED",
        "RetrainOnLabels": settings.get("RETRAIN_ON_LABELS") or "DISABLED",
    }
    base, model = settings["BASE_IMAGE_REPOSITORY_URI"], settings["MODEL_IMAGE_REPOSITORY_URI"]
    image = read_template(templates / "build-image.yml")
    s3 = clients("s3")
    clients("cloudformation")  # not by three threads at once
    wanted: dict[str, tuple[Callable[[], dict[str, Any]], dict[str, str]]] = {
        names.train_stack: (
            lambda: package(templates / "train-model-pipeline.yml", s3, settings["BUCKET"], keys.FUNCTIONS),
            {},
        ),
        names.base_stack: (
            lambda: image,
            {
                "ImageName": "scikit-base",
                "BranchName": names.base_branch,
                "ImageRepositoryUri": base,
                "BaseImageRepositoryUri": "",
            },
        ),
        names.model_stack: (
            lambda: image,
            {
                "ImageName": "iris-model",
                "BranchName": names.model_branch,
                "ImageRepositoryUri": model,
                "BaseImageRepositoryUri": base,
            },
        ),
    }
    tags = {LAB_TAG: names.tag, EXPIRES_TAG: values["ExpiresAt"]}

    def deploy(name: str) -> str | None:
        make, own = wanted[name]
        try:
            template = make()
            given = {key: value for key, value in (values | own).items() if key in template["Parameters"]}
            done = deploy_over_leftovers(clients, name, template, given, tags)
        except DeployError as error:
            return " ".join(str(error).split())
        except (BotoCoreError, ClientError) as error:
            return f"stack {name}: {error}"
        report(f"{name} is up to date" if done == "unchanged" else f"{name} is {done}")
        return None

    with ThreadPoolExecutor(len(wanted), thread_name_prefix="stack") as pool:
        failures = [failure for failure in pool.map(deploy, wanted) if failure]
    if failures:
        raise StackError("; ".join(failures))


def deploy_over_leftovers(
    clients: Clients,
    name: str,
    template: dict[str, Any],
    parameters: Mapping[str, str],
    tags: Mapping[str, str],
) -> str:
    """Deploy a stack as `deploy_stack` does, and over log groups that outlived an earlier stack of the name.

    A build or function that is running while its stack is deleted may write to its log afterwards, which
    creates the group again: no stack owns it, and the next creation fails.
    """

    def deploy() -> str:
        stacks = clients("cloudformation")
        return deploy_stack(stacks, name, body(template), parameters=parameters, tags=tags)

    try:
        return deploy()
    except DeployError as error:
        # Only a creation that was rolled back has left nothing of its own.
        if not str(error).startswith(f"stack {name} is ROLLBACK_COMPLETE") or not _LEFTOVER.search(
            str(error)
        ):
            raise
    logs = clients("logs")
    for group in _log_groups(template, parameters):
        with suppress(logs.exceptions.ResourceNotFoundException):
            logs.delete_log_group(logGroupName=group)
    return deploy()


def _log_groups(template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[str]:
    """Return the names of a template's log groups."""
    defaults = {key: str(one.get("Default", "")) for key, one in template.get("Parameters", {}).items()}
    values = defaults | dict(parameters)
    names = [
        resource["Properties"]["LogGroupName"]["Fn::Sub"]
        for resource in template["Resources"].values()
        if resource["Type"] == "AWS::Logs::LogGroup"
    ]
    return [re.sub(r"\$\{(\w+)\}", lambda match: values[match[1]], name) for name in names]
