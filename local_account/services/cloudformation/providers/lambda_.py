"""AWS::Lambda::Function, Version, Permission and EventInvokeConfig."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    call,
    forget_missing,
    pick,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag

# What an update sends for a property that was removed: the API keeps whatever a request leaves out.
_DEFAULTS: Properties = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "Layers": [],
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
_CFNRESPONSE = Path(__file__).parents[1] / "cfnresponse.py"
_SEPARATE = ("Code", "ReservedConcurrentExecutions", "Tags")
_CODE = ("S3Bucket", "S3Key", "S3ObjectVersion")


class Function(SimpleProvider):
    """AWS::Lambda::Function: ``Ref`` gives its name."""

    type = "AWS::Lambda::Function"
    name_property = "FunctionName"
    service = "lambda"
    key = "FunctionName"
    create_with, delete_with = "create_function", "delete_function"
    apart = ("ReservedConcurrentExecutions",)

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Turn inline code into an archive."""
        return {
            **super().parameters(ctx, without(props, *_SEPARATE)),
            **pick(props, "Tags"),
            "Code": _code(props),
        }

    def finish(self, ctx: Context, props: Properties) -> None:
        """Wait until the function can be invoked."""
        _wait(ctx, "State", "Active")
        self._set_concurrency(ctx, props, {})

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdateFunctionCode, UpdateFunctionConfiguration, tags."""
        client = ctx.client("lambda")
        code = ("Code", "Architectures")
        if pick(props, *code) != pick(old, *code):
            params = {**_code(props), **pick(props, "Architectures"), "FunctionName": ctx.name}
            call(client, "update_function_code", params)
            _wait(ctx, "LastUpdateStatus", "Successful")
        kept = (*_SEPARATE, "Architectures", "FunctionName", "PackageType", "CodeSigningConfigArn")
        configuration = without(props, *kept)
        if configuration != without(old, *kept):
            removed = {k: v for k, v in _DEFAULTS.items() if k in old and k not in props}
            params = {**removed, **configuration, "FunctionName": ctx.name}
            call(client, "update_function_configuration", params)
            _wait(ctx, "LastUpdateStatus", "Successful")
        self._set_concurrency(ctx, props, old)
        retag(client, "lambda", ctx.attributes["Arn"], props, old)

    def _set_concurrency(self, ctx: Context, props: Properties, old: Properties) -> None:
        name, client = "ReservedConcurrentExecutions", ctx.client("lambda")
        if name in props and props[name] != old.get(name):
            client.put_function_concurrency(FunctionName=ctx.name, ReservedConcurrentExecutions=props[name])
        elif name in old and name not in props:
            client.delete_function_concurrency(FunctionName=ctx.name)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN."""
        answer = ctx.client("lambda").get_function_configuration(FunctionName=ctx.name)
        return {"Arn": answer["FunctionArn"]}


class Version(Provider):
    """AWS::Lambda::Version: ``Ref`` gives the version's ARN. No property can be changed."""

    type = "AWS::Lambda::Version"
    lacking = ("FunctionScalingConfig", "ProvisionedConcurrencyConfig", "RuntimePolicy")

    def create(self, ctx: Context, props: Properties) -> None:
        """PublishVersion."""
        answer = call(ctx.client("lambda"), "publish_version", props)
        ctx.created(answer["FunctionArn"])

        def settled() -> bool:
            found = ctx.client("lambda").get_function_configuration(FunctionName=ctx.physical_id)
            return bool(found.get("State") != "Pending")

        ctx.wait(settled)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The version and its ARN."""
        return {"FunctionArn": ctx.physical_id, "Version": ctx.physical_id.rpartition(":")[2]}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteFunction, of this version only."""
        forget_missing(ctx.client("lambda").delete_function, FunctionName=ctx.physical_id)


class Permission(Provider):
    """AWS::Lambda::Permission: ``Ref`` gives the statement's id. No property can be changed."""

    type = "AWS::Lambda::Permission"
    name_limit = 100

    def create(self, ctx: Context, props: Properties) -> None:
        """AddPermission."""
        call(ctx.client("lambda"), "add_permission", {**props, "StatementId": ctx.name})
        ctx.created(ctx.name)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The statement's id."""
        return {"Id": ctx.physical_id}

    def delete(self, ctx: Context, props: Properties) -> None:
        """RemovePermission."""
        remove = ctx.client("lambda").remove_permission
        forget_missing(remove, FunctionName=props["FunctionName"], StatementId=ctx.physical_id)


class EventInvokeConfig(Provider):
    """AWS::Lambda::EventInvokeConfig: what happens to failed asynchronous invocations."""

    type = "AWS::Lambda::EventInvokeConfig"

    def create(self, ctx: Context, props: Properties) -> None:
        """PutFunctionEventInvokeConfig."""
        call(ctx.client("lambda"), "put_function_event_invoke_config", props)
        ctx.created(f"{props['FunctionName']}|{props['Qualifier']}")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """PutFunctionEventInvokeConfig, which replaces the whole configuration."""
        call(ctx.client("lambda"), "put_function_event_invoke_config", props)

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteFunctionEventInvokeConfig."""
        delete = ctx.client("lambda").delete_function_event_invoke_config
        forget_missing(delete, **pick(props, "FunctionName", "Qualifier"))


def _wait(ctx: Context, key: str, status: str) -> None:
    def settled() -> dict[str, Any] | None:
        answer: dict[str, Any] = ctx.client("lambda").get_function_configuration(FunctionName=ctx.name)
        return None if answer.get(key) in ("Pending", "InProgress") else answer

    answer = ctx.wait(settled)
    if answer.get(key, status) != status:
        raise ResourceError(
            f"Function {ctx.name} is {answer[key]}: {answer.get(f'{key}Reason', 'no reason given')}"
        )


def _code(props: Properties) -> Properties:
    """Return the code as CreateFunction takes it; *AWS::Lambda::Function Code* documents the file's name."""
    code = props["Code"]
    if "ZipFile" not in code:
        if unknown := set(code) - set(_CODE):
            raise ResourceError(f"Property Code/{min(unknown)} is not supported by the local account")
        return pick(code, *_CODE)
    suffix = "js" if props.get("Runtime", "").startswith("nodejs") else "py"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        # A fixed date: the same text gives the same archive and so the same CodeSha256.
        entry = zipfile.ZipInfo(f"index.{suffix}", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o644 << 16
        file.writestr(entry, code["ZipFile"])
        if suffix == "py":  # CloudFormation gives this module to inline code only
            file.writestr(zipfile.ZipInfo("cfnresponse.py", (1980, 1, 1, 0, 0, 0)), _CFNRESPONSE.read_bytes())
    return {"ZipFile": archive.getvalue()}
