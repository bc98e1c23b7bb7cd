"""AWS::CodePipeline::Pipeline."""

from __future__ import annotations

from typing import Any

from local_account.services.cloudformation.providers.base import (
    Context,
    Properties,
    call,
    without,
)
from local_account.services.cloudformation.providers.simple import SimpleProvider
from local_account.services.cloudformation.providers.tags import retag

_SEPARATE = ("Tags", "RestartExecutionOnUpdate", "DisableInboundStageTransitions")


class Pipeline(SimpleProvider):
    """AWS::CodePipeline::Pipeline: ``Ref`` gives its name."""

    type = "AWS::CodePipeline::Pipeline"
    name_property = "Name"
    name_limit = 100
    service = "codepipeline"
    key = "name"
    create_with, delete_with = "create_pipeline", "delete_pipeline"
    apart, inside = ("RestartExecutionOnUpdate",), "pipeline"

    def parameters(self, ctx: Context, props: Properties) -> Properties:
        """Split the properties: the pipeline's structure is one parameter, the tags are another."""
        structure = super().parameters(ctx, without(props, *_SEPARATE))
        return {"pipeline": structure, **({"tags": props["Tags"]} if props.get("Tags") else {})}

    def update(self, ctx: Context, props: Properties, old: Properties) -> None:
        """UpdatePipeline with the whole structure."""
        codepipeline = ctx.client("codepipeline")
        params = without(self.parameters(ctx, props), "tags")
        if params != without(self.parameters(ctx, old), "tags"):
            call(codepipeline, "update_pipeline", params)
            if props.get("RestartExecutionOnUpdate"):
                codepipeline.start_pipeline_execution(name=ctx.name)
        retag(codepipeline, "codepipeline", _arn(ctx), props, old)

    def attributes(self, ctx: Context, props: Properties) -> dict[str, Any]:
        """The ARN, and the version, which every update increments."""
        pipeline = ctx.client("codepipeline").get_pipeline(name=ctx.name)["pipeline"]
        return {"Version": str(pipeline.get("version", 1)), "Arn": _arn(ctx)}


def _arn(ctx: Context) -> str:
    return ctx.account.arn("codepipeline", ctx.name)
