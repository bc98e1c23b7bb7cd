"""AWS::CloudFormation::Stack."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    Provider,
    ResourceError,
    exists,
)


class NestedStack(Provider):
    """AWS::CloudFormation::Stack: ``Ref`` gives its id, ``Fn::GetAtt`` its outputs."""

    type = "AWS::CloudFormation::Stack"
    name_limit = 128
    lacking = ("NotificationARNs",)

    def create(self, ctx: Context, props: Properties) -> None:
        """CreateStack, and wait."""
        client = ctx.client("cloudformation")
        stack_id = client.create_stack(
            StackName=ctx.name,
            # The parent rolls back as a whole and then deletes this stack.
            OnFailure="DO_NOTHING",
            **_params(ctx, props),
            **({"TimeoutInMinutes": props["TimeoutInMinutes"]} if "TimeoutInMinutes" in props else {}),
        )["StackId"]
        ctx.created(stack_id)
        _wait(ctx, "CREATE_COMPLETE")

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdateStack, and wait; it is fine if nothing changes."""
        try:
            ctx.client("cloudformation").update_stack(StackName=ctx.physical_id, **_params(ctx, props))
        except ClientError as error:
            if "No updates are to be performed" in error.response["Error"]["Message"]:
                return
            raise
        _wait(ctx, "UPDATE_COMPLETE")

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """Every output as ``Outputs.<key>``."""
        outputs = {
            f"Outputs.{output['OutputKey']}": output["OutputValue"]
            for output in _stack(ctx).get("Outputs", [])
        }
        return {"StackId": ctx.physical_id, **outputs}

    def delete(self, ctx: Context, props: Properties) -> None:
        """DeleteStack once no operation is in progress, and wait."""
        if not exists(lambda: _stack(ctx)):
            return
        client = ctx.client("cloudformation")
        ctx.wait(lambda: not _stack(ctx)["StackStatus"].endswith("_IN_PROGRESS"))
        client.delete_stack(StackName=ctx.physical_id)
        _wait(ctx, "DELETE_COMPLETE")


def _params(ctx: Context, props: Properties) -> Properties:
    return {
        "TemplateURL": props["TemplateURL"],
        "Parameters": [
            {"ParameterKey": key, "ParameterValue": value}
            for key, value in props.get("Parameters", {}).items()
        ],
        "Capabilities": ctx.capabilities,
        "Tags": props.get("Tags", []),
    }


def _stack(ctx: Context) -> dict[str, Any]:
    stacks = ctx.client("cloudformation").describe_stacks(StackName=ctx.physical_id)["Stacks"]
    return stacks[0]  # type: ignore[no-any-return]


def _wait(ctx: Context, status: str) -> None:
    def settled() -> dict[str, Any] | None:
        stack = _stack(ctx)
        return None if stack["StackStatus"].endswith("_IN_PROGRESS") else stack

    stack = ctx.wait(settled)
    if stack["StackStatus"] != status:
        raise ResourceError(
            f"Embedded stack {ctx.physical_id} was not successfully completed: "
            f"{stack['StackStatus']}: {stack.get('StackStatusReason', 'see its events')}"
        )
