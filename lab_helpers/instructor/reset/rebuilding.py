"""What only an instructor can do for a lab: create it again, mend its top stack, start its instance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from lab_helpers.instructor.clean.cleaning import clean
from lab_helpers.instructor.fleet.provision import Plan as FleetPlan
from lab_helpers.instructor.fleet.provision import bring_up
from lab_helpers.instructor.fleet.roster import Participant
from lab_helpers.instructor.inventory import expirations
from lab_helpers.instructor.package import package
from lab_helpers.instructor.reset.mending import MendError, mend_stack
from lab_helpers.instructor.ttl import DEFAULT_TTL, expires_at
from lab_helpers.way_back.releases import ResetError

if TYPE_CHECKING:
    from lab_helpers.instructor.fleet.provision import LabState as FleetLab
    from lab_helpers.way_back.resetting import Run

_KEPT = (
    *("SourceProvider", "NotebookInstanceType", "DevInstanceType", "PrdInstanceType"),
    *("RetrainOnDrift", "RetrainOnLabels"),
)
"""Parameters of the top stack that a lab keeps when it is created again."""


def deploy(run: Run, _stack: str) -> None:
    """Delete what is left of a lab and create it again. Raises ResetError."""
    lab, region, account = run.names.lab_id, run.state.region, run.state.account
    end = expirations(run.clients).get(lab)
    # Keep the choices: the account may lack CodeCommit, or quotas for other instance types.
    chosen = {name: value for name, value in run.given().items() if name in _KEPT}
    if run.state.resources:
        cleaned = clean(run.clients, region, account, [lab], report=lambda _, text: run.report(text))
        if not cleaned.empty:
            raise ResetError(
                f"{len(cleaned.remaining)} resources can't be deleted: {'; '.join(cleaned.faults[:3])}"
            )
    future = end and end > datetime.now(UTC) + timedelta(minutes=1)
    _provision(run, f"{end:%Y-%m-%dT%H:%M:%SZ}" if future else expires_at(DEFAULT_TTL), chosen)


def mend(run: Run, name: str) -> None:
    """Recreate what was deleted from the top stack by hand. Raises ResetError."""
    stack, missing = run.state.stacks[name], dict(run.state.stacks[name].missing)
    if run.state.instance == "Failed":
        run.delete([one for one in run.state.resources if one.kind == "notebook-instance"])
        missing |= _instance_of(run, name)
    try:
        mend_stack(run.clients, name, missing, stack.outputs)
    except MendError as error:
        raise ResetError(str(error)) from error
    if run.lab.bucket in missing.values() and run.state.instance == "InService":
        # The instance's report was in there: it writes a new one when it starts.
        run.clients("sagemaker").stop_notebook_instance(NotebookInstanceName=run.names.notebook_instance)
    _provision(run)


def start_instance(run: Run, _name: str) -> None:
    """Start the notebook instance and wait until it is provisioned. Raises ResetError."""
    _provision(run)


MORE: Mapping[str, Callable[[Run, str], object]] = {
    "deploy": deploy,
    "mend": mend,
    "start-instance": start_instance,
}


def _provision(run: Run, expires: str = "never", parameters: Mapping[str, str] | None = None) -> None:
    """Deploy stack and instance as `fleet up` does, and wait until the instance is provisioned."""
    plan = FleetPlan(
        run.state.region,
        run.state.account,
        package(run.target.root),
        run.target.root / "cfn" / "m.yml",
        parameters=parameters or {},
        expires=expires,
    )
    said = ""

    def observe(states: Sequence[FleetLab]) -> None:
        nonlocal said
        now = f"{states[0].phase} {states[0].detail}".strip()
        if now != said:
            run.report(now)
            said = now
        if run.stopping.is_set():
            raise ResetError("interrupted")

    (ended,) = bring_up(run.clients, [Participant("", "", run.names.lab_id)], plan, observe, look_seconds=0.3)
    if ended.phase != "ready":
        raise ResetError(ended.detail)


def _instance_of(run: Run, stack: str) -> dict[str, str]:
    found = run.clients("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
    return {
        one["LogicalResourceId"]: one["PhysicalResourceId"]
        for one in found
        if one["ResourceType"] == "AWS::SageMaker::NotebookInstance"
    }
