"""Executions of a pipeline with a source and an approval: the steps, and the state of each execution.

``approve`` answers the approval of the newest execution that waits for it.
"""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.conformance.cases import Case, identify, load
from tests.local_account.account_process import AccountProcess
from tests.local_account.services.codepipeline import declare
from tests.local_account.services.codepipeline.pipeline_lab import PipelineLab
from tests.waiting import eventually

STAGE = "Review"

pytestmark = pytest.mark.slow


class Executions:
    """The executions of one pipeline, counted from 1."""

    def __init__(self, lab: PipelineLab, name: str) -> None:
        self._lab = lab
        self._name = name
        self._ids: list[str] = []
        self._answered: dict[str, str] = {}
        self._mode = "QUEUED"
        self._made = False
        self.custom_data = ""

    def mode(self, mode: str) -> None:
        self._mode = mode

    def make(self) -> None:
        """Create the pipeline; its first execution fails for lack of the source."""
        if self._made:
            return
        self._made = True
        review = declare.approval(configuration={"CustomData": "release #{variables.Release}"})
        self._lab.quiet(
            self._lab.source(),
            declare.stage(STAGE, review),
            name=self._name,
            executionMode=self._mode,
            variables=[{"name": "Release", "defaultValue": "1"}],
        )
        self._lab.upload({"a.txt": "x"})

    def start(self, variables: dict[str, str] | None = None) -> None:
        self.make()
        given = [{"name": name, "value": value} for name, value in (variables or {}).items()]
        self._ids.append(self._lab.start(self._name, **({"variables": given} if given else {})))
        if len(self._ids) == 1 and not self._disabled():
            self._token(self._ids[0])

    def start_unknown(self) -> None:
        self._lab.start("nowhere")

    def approve(self, status: str, token: str = "") -> None:
        running = [one for one in self._ids if self.status(one) == "InProgress"]
        self._answered = {"token": token or self._token(running[0]), "status": status}
        self._lab.answer(self._name, STAGE, self._answered["token"], status)
        self._lab.ended(self._name, running[0])

    def again(self) -> None:
        self._lab.answer(self._name, STAGE, self._answered["token"], "Approved")

    def retry(self) -> None:
        self._lab.api.retry_stage_execution(
            pipelineName=self._name,
            stageName=STAGE,
            pipelineExecutionId=self._ids[0],
            retryMode="FAILED_ACTIONS",
        )

    def rollback(self, stage: str = STAGE, target: int = 1) -> None:
        """Roll a stage back to an execution; the new one counts as any other."""
        answer = self._lab.api.rollback_stage(
            pipelineName=self._name, stageName=stage, targetPipelineExecutionId=self._ids[target - 1]
        )
        self._ids.append(answer["pipelineExecutionId"])

    def update(self) -> None:
        declaration = self._lab.api.get_pipeline(name=self._name)["pipeline"]
        self._lab.api.update_pipeline(pipeline=declaration)

    def stop(self, abandon: bool) -> None:
        self._lab.api.stop_pipeline_execution(
            pipelineName=self._name, pipelineExecutionId=self._ids[0], abandon=abandon
        )
        self._lab.ended(self._name, self._ids[0])

    def settle(self, number: str, status: str) -> None:
        eventually(lambda: self.status(self._ids[int(number) - 1]) == status)

    def custom_data_(self) -> None:
        state = self._lab.actions(self._name, self._ids[0])["Approve"]
        self.custom_data = state["input"]["resolvedConfiguration"]["CustomData"]

    def disable(self) -> None:
        self.make()
        self._lab.api.disable_stage_transition(
            pipelineName=self._name, stageName=STAGE, transitionType="Inbound", reason="a case"
        )

    def waits(self) -> None:
        """Wait until the execution has its source, and waits before the next stage."""
        eventually(lambda: self._lab.state(self._name, STAGE).get("inboundExecution"))

    def _disabled(self) -> bool:
        return not self._lab.state(self._name, STAGE)["inboundTransitionState"]["enabled"]

    def _token(self, execution_id: str) -> str:
        if self._mode == "PARALLEL":
            return ""
        return self._lab.pending(self._name, STAGE, execution_id)

    def status(self, execution_id: str) -> str:
        return str(self._lab.execution(self._name, execution_id)["status"])

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = {str(n): self.status(one) for n, one in enumerate(self._ids, 1)}
        if self._ids:
            found["types"] = [self._lab.execution(self._name, one)["executionType"] for one in self._ids]
        return {**found, **({"custom_data": self.custom_data} if self.custom_data else {})}


@pytest.fixture(scope="module")
def clients(account: AccountProcess) -> dict[str, Any]:
    return {name: account.client(name) for name in ("codepipeline", "iam", "s3")}


@pytest.fixture
def lab(clients: dict[str, Any]) -> PipelineLab:
    return PipelineLab(clients.__getitem__, eventually)


@pytest.mark.parametrize("case", load("codepipeline/executions"), ids=identify)
def test_executions(case: Case, lab: PipelineLab) -> None:
    executions = Executions(lab, f"case-{case.id}")
    try:
        for verb, *arguments in case.input:
            name = "custom_data_" if verb == "custom-data" else verb.replace("-", "_")
            getattr(executions, name)(*arguments)
        found = executions.look()
        answer: Any = {key: found[key] for key in case.expected if key in found}
    except ClientError as error:
        answer = {"error": error.response["Error"]["Code"]}
    case.check(answer)
