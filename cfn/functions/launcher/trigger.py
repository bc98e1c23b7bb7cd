"""What started an execution: CodePipeline API Reference, ExecutionTrigger, of GetPipelineExecution.

For an execution that EventBridge started, `triggerType` is `CloudWatchEvent` and `triggerDetail` the ARN of
the rule; for StartPipelineExecution and rollbacks it is the ARN of the caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef

EVENT = "CloudWatchEvent"


def rule(trigger: ExecutionTriggerTypeDef) -> str:
    """Return the name of the rule that started an execution; empty if none did."""
    if trigger.get("triggerType") != EVENT:
        return ""
    return trigger.get("triggerDetail", "").rpartition("/")[2]


def described(trigger: ExecutionTriggerTypeDef) -> str:
    """Return what started an execution, such as `rule iris-train-drift` or `StartPipelineExecution by ana`.

    Empty if CodePipeline does not say.
    """
    if name := rule(trigger):
        return f"rule {name}"
    kind, detail = trigger.get("triggerType", ""), trigger.get("triggerDetail", "")
    return f"{kind} by {detail.rpartition('/')[2]}" if detail else kind
