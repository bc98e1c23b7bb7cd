"""Why a pipeline execution failed: the cause first, then where, then what to do next."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from lab_helpers import builds, console
from lab_helpers.causes import Cause

if TYPE_CHECKING:
    from lab_helpers.executions import Action, Execution
    from lab_helpers.lab import Lab

REMEDIES = {
    "CodeCommit": "check that the branch exists and the pipeline's role is allowed to read it; push again.",
    "S3": "upload the zip: notebook 03 does it.",
    "CodeBuild": "correct the file that the log names, then run the cells that write, copy and push it.",
    "Lambda": "correct what the message names, then upload the training job again (notebook 03).",
    "Manual": "read the report (notebook 04 shows it); change data or hyperparameters and train again.",
    "CloudFormation": "read the stack's events, correct the template, then upload the training job again.",
}
"""What to do next, by action provider."""


def explain(lab: Lab, execution: Execution) -> str:
    """Return why an execution failed; the first line is the cause, as the tool or service wrote it."""
    ended = f"execution {execution.id} of {execution.pipeline} ended: {execution.status}"
    action = execution.failed_action
    if action is None:
        reason = execution.reason or f"{execution.status}, although none of its actions failed"
        return f"{reason}\n  {ended}\n  What to do: start it again with a new push or upload."
    said = action.summary or execution.reason
    # The reason of a failed training job is followed by its program's traceback.
    cause = Cause(next((line.strip() for line in said.splitlines() if line.strip(" ,:")), ""))
    where = f"stage {action.stage}, action {action.name} ({action.provider})"
    if action.provider == "CodeBuild" and action.external_id:
        with contextlib.suppress(ClientError, builds.BuildNotFound):  # its record or its log is gone
            build = builds.describe(lab, action.external_id)
            where += f", {f'phase {build.failed_phase} of ' if build.failed_phase else ''}build {build.id}"
            cause = Cause(build.failure or cause.line)
            found = builds.cause(lab, build)
            cause = found if found.line else cause
    elif action.provider == "CloudFormation":
        reasons = stack_failures(lab, action.external_id)
        cause = Cause(reasons[0] if reasons else cause.line, tuple(reasons[1:4]))
    return (
        "\n".join([cause.line or f"{action.name} failed without a reason", *cause.shown])
        + f"\n  in {where}\n  {ended}\n  What to do: {_remedy(action)}\n  {_page(lab, execution, action)}"
    )


def stack_failures(lab: Lab, stack_id: str) -> list[str]:
    """Return what failed in a stack's latest operation, root cause first (DescribeStackEvents).

    What was cancelled only because something else failed is left out, unless nothing else is known.
    """
    # In some action modes this is a change set's id instead of the stack's.
    if ":stack/" not in stack_id:
        return []
    try:
        events = lab.client("cloudformation").describe_stack_events(StackName=stack_id)["StackEvents"]
    except ClientError:  # the stack is gone, and with it the reasons
        return []
    failures = []
    for event in events:  # newest first
        status = event.get("ResourceStatus", "")
        if status.endswith("_FAILED"):
            why = event.get("ResourceStatusReason", "")
            failures.append(f"{event['LogicalResourceId']} {status}: {why}")
        if event["LogicalResourceId"] == event["StackName"] and status in {
            "CREATE_IN_PROGRESS",
            "UPDATE_IN_PROGRESS",
        }:
            break
    oldest_first = failures[::-1]
    return [one for one in oldest_first if "cancelled" not in one.lower()] or oldest_first


def _remedy(action: Action) -> str:
    return REMEDIES.get(action.provider, "look at the action in the console.")


def _page(lab: Lab, execution: Execution, action: Action) -> str:
    """Return where the console shows most about an action."""
    if action.provider == "CodeBuild" and action.external_id:
        return f"The whole log: {console.of(lab.client('codebuild')).build_log(action.external_id)}"
    if action.provider == "CloudFormation" and ":stack/" in action.external_id:
        return f"The stack: {console.of(lab.client('cloudformation')).stack(action.external_id)}"
    page = console.of(lab.client("codepipeline")).pipeline_execution(execution.pipeline, execution.id)
    return f"The execution: {page}"
