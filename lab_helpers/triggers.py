"""What starts the training pipeline by itself: its rules, and which of them started an execution.

Contract: CodePipeline API Reference, ExecutionTrigger (`triggerDetail` of a `CloudWatchEvent` is the ARN of
the rule); EventBridge API Reference, DescribeRule, EnableRule, DisableRule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from lab_helpers import console
from lab_helpers.display import Table, duration, mark
from lab_helpers.executions import ExecutionNotFound
from lab_helpers.lab import Lab

if TYPE_CHECKING:
    from mypy_boto3_codepipeline.type_defs import ExecutionTriggerTypeDef, PipelineExecutionSummaryTypeDef

EVENT = "CloudWatchEvent"
ENABLED, DISABLED = "ENABLED", "DISABLED"


def rule(trigger: ExecutionTriggerTypeDef) -> str:
    """Return the name of the rule that started an execution; empty if none did."""
    if trigger.get("triggerType") != EVENT:
        return ""
    return trigger.get("triggerDetail", "").rpartition("/")[2]


def described(trigger: ExecutionTriggerTypeDef) -> str:
    """Return what started an execution, such as `rule iris-train-drift` or `StartPipelineExecution by ana`.

    The launcher writes the same into its record (`cfn/functions/launcher/trigger.py`), from where report and
    model registry have it.
    """
    if name := rule(trigger):
        return f"rule {name}"
    kind, detail = trigger.get("triggerType", ""), trigger.get("triggerDetail", "")
    return f"{kind} by {detail.rpartition('/')[2]}" if detail else kind


def listed(lab: Lab, count: int = 5) -> Table:
    """Show the newest executions of the training pipeline, and what started each."""
    rows = [
        [
            one["pipelineExecutionId"],
            mark(one["status"]),
            described(one.get("trigger", {})) or "not known",
            f"{one['startTime']:%Y-%m-%d %H:%M}",
        ]
        for one in _newest(lab, count)
    ]
    return Table(["execution", "state", "started by", "at"], rows)


def known(lab: Lab) -> set[str]:
    """Return the ids of the newest executions of the training pipeline, to tell later ones from them."""
    return {one["pipelineExecutionId"] for one in _newest(lab)}


def started_by(
    lab: Lab,
    name: str,
    before: Collection[str],
    *,
    timeout: float = 300,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Return the id of the execution that the rule `name` has started and that is not one of `before`.

    Waits until there is one, because an event takes seconds and an alarm looks once a minute; raises
    ExecutionNotFound after `timeout` seconds.
    """
    deadline, interval = time.monotonic() + timeout, 0.1
    while True:
        for one in reversed(_newest(lab)):
            if one["pipelineExecutionId"] not in before and rule(one.get("trigger", {})) == name:
                return one["pipelineExecutionId"]
        if time.monotonic() > deadline:
            raise ExecutionNotFound(
                f"the rule {name} started no execution of {lab.names.train_pipeline} within "
                f"{duration(timeout)}.\nWhat to do: check that it is enabled and that it was invoked "
                f"({console.of(lab.client('codepipeline')).rules()}); then run this cell again"
            )
        sleep(interval)
        interval = min(interval * 1.5, 5)


def _newest(lab: Lab, count: int = 50) -> list[PipelineExecutionSummaryTypeDef]:
    found = lab.client("codepipeline").list_pipeline_executions(
        pipelineName=lab.names.train_pipeline, maxResults=count
    )
    return found["pipelineExecutionSummaries"]


# --- the rules for retraining


def declared(lab: Lab) -> dict[str, str]:
    """Return the states that the pipeline's stack declares for the rules for retraining, by their names.

    A stack of an earlier version has none.
    """
    stack = lab.client("cloudformation").describe_stacks(StackName=lab.names.train_stack)["Stacks"][0]
    values = {one["ParameterKey"]: one["ParameterValue"] for one in stack.get("Parameters", [])}
    parameters = {"RetrainOnDrift": lab.names.drift_rule, "RetrainOnLabels": lab.names.labels_rule}
    return {name: values[key] for key, name in parameters.items() if key in values}


def states(lab: Lab) -> dict[str, str]:
    """Return the states that the rules for retraining have now, by their names."""
    events = lab.client("events")
    return {name: str(events.describe_rule(Name=name)["State"]) for name in declared(lab)}


def enable(lab: Lab) -> Table:
    """Let drift and labeled data start the training pipeline, until `restore`; shows the rules."""
    for name in declared(lab):
        lab.client("events").enable_rule(Name=name)
    return table(lab)


def restore(lab: Lab) -> Table:
    """Give the rules for retraining the states that the pipeline's stack declares; shows them."""
    for name, state in declared(lab).items():
        set_state(lab, name, state)
    return table(lab)


def set_state(lab: Lab, name: str, state: str) -> None:
    """Enable or disable one rule."""
    events = lab.client("events")
    if state == ENABLED:
        events.enable_rule(Name=name)
    else:
        events.disable_rule(Name=name)


def table(lab: Lab) -> Table:
    """Show the rules for retraining: what they are, and what the stack declares."""
    now = states(lab)
    return Table(
        ["rule", "state", "declared"], [[name, now[name], state] for name, state in declared(lab).items()]
    )
