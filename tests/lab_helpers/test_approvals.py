"""Decisions: for one execution only, with its own token, and safe to repeat."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_helpers import approvals, executions
from lab_helpers.executions import Execution
from lab_helpers.lab import Lab
from tests.lab_helpers.fakes import Pipeline, lab

NAME = "iris-train-pipeline"
DONE = "Succeeded"
WAITING = (DONE, DONE, DONE, DONE, DONE, "InProgress")


def opened(pipeline: Pipeline, tmp_path: Path, execution_id: str) -> tuple[Lab, Execution]:
    here = lab(tmp_path, codepipeline=pipeline.client)
    return here, executions.get(here, NAME, execution_id)


@pytest.mark.parametrize(("decision", "outcome"), [("approve", "approved"), ("reject", "rejected")])
def test_a_decision_is_carried_out_once(tmp_path: Path, decision: str, outcome: str) -> None:
    pipeline = Pipeline()
    here, execution = opened(pipeline, tmp_path, pipeline.add(1, *WAITING))
    assert approvals.decide(here, execution, decision, "looks fine") == outcome
    assert pipeline.answers[0]["result"] == {"summary": "looks fine", "status": outcome.capitalize()}
    assert pipeline.answers[0]["token"] == f"token-{execution.id}"
    again = executions.get(here, NAME, execution.id)
    opposite = "reject" if decision == "approve" else "approve"
    assert approvals.decide(here, again, opposite, "changed my mind") == outcome
    assert len(pipeline.answers) == 1


def test_no_decision_leaves_it_waiting(tmp_path: Path) -> None:
    pipeline = Pipeline()
    here, execution = opened(pipeline, tmp_path, pipeline.add(1, *WAITING))
    assert approvals.decide(here, execution, "", "") == "waiting"
    assert pipeline.answers == []


def test_another_word_is_rejected_before_anything_happens(tmp_path: Path) -> None:
    pipeline = Pipeline()
    here, execution = opened(pipeline, tmp_path, pipeline.add(1, *WAITING))
    with pytest.raises(ValueError, match='"approve", "reject"'):
        approvals.decide(here, execution, "yes", "")
    assert pipeline.answers == []


def test_a_token_is_given_for_the_execution_that_waits_and_no_other(tmp_path: Path) -> None:
    pipeline = Pipeline()
    earlier = pipeline.add(1, DONE, DONE, DONE, DONE, DONE, DONE, "InProgress")
    waiting = pipeline.add(2, *WAITING)
    here, execution = opened(pipeline, tmp_path, earlier)
    with pytest.raises(approvals.NotWaitingError, match=earlier):
        approvals.token(here, execution)
    action, token = approvals.token(*opened(pipeline, tmp_path, waiting))
    assert (action.name, token) == ("DeployApproval", f"token-{waiting}")


def test_an_earlier_decision_by_someone_else_counts(tmp_path: Path) -> None:
    pipeline = Pipeline()
    execution_id = pipeline.add(1, *WAITING)
    here, execution = opened(pipeline, tmp_path, execution_id)

    def reject_in_the_console() -> None:
        pipeline.executions[execution_id][-1] = "Failed"

    pipeline.before_answer = reject_in_the_console
    assert approvals.decide(here, execution, "approve", "") == "rejected"


def test_a_stage_that_was_not_reached_has_no_outcome(tmp_path: Path) -> None:
    pipeline = Pipeline()
    _, execution = opened(pipeline, tmp_path, pipeline.add(1, DONE, "InProgress"))
    assert approvals.outcome(execution) == ""


def test_there_are_no_buttons_where_no_one_can_press_them(tmp_path: Path) -> None:
    pipeline = Pipeline()
    assert approvals.buttons(*opened(pipeline, tmp_path, pipeline.add(1, *WAITING))) is None


def test_where_nothing_is_left_to_decide_there_is_a_sentence_instead_of_buttons(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pipeline = Pipeline()
    here, execution = opened(pipeline, tmp_path, pipeline.add(1, *WAITING))
    pipeline.executions[execution.id][-1] = "Failed"  # rejected since it was read
    assert approvals.buttons(here, execution) is None
    assert capsys.readouterr().out == f"Nothing to decide: execution {execution.id} is rejected.\n"
