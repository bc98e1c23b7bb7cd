"""The role of a lab's jobs and endpoints, also for someone who is not on its notebook instance."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from lab_helpers.drills.drill import DrillError
from lab_helpers.stacks import find_stack

if TYPE_CHECKING:
    from lab_helpers.lab import Lab

ROLE = "SAGEMAKER_ROLE_ARN"


def with_role(lab: Lab) -> Lab:
    """Return the lab with the role in its settings; an instructor reads it from the top stack."""
    if ROLE in lab.settings:
        return lab
    stack = find_stack(lab.client("cloudformation"), lab.names.top_stack)
    outputs = {one["OutputKey"]: one["OutputValue"] for one in (stack.get("Outputs", []) if stack else [])}
    if "SageMakerRoleArn" not in outputs:
        raise DrillError(f"the stack {lab.names.top_stack} does not name the role of jobs: run `fleet up`")
    return replace(lab, settings={**lab.settings, ROLE: outputs["SageMakerRoleArn"]})
