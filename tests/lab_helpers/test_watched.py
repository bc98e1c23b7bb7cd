"""What a notebook shows while a pipeline runs: a clock that ticks between two looks, and what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lab_helpers import live
from lab_helpers.executions import Action, Execution
from lab_helpers.live import Frame
from lab_helpers.watched import Watched
from tests.lab_helpers.fakes import FakeClient, lab

NAME, BUILD = "scikit-base", "scikit-base:11111111-1111-1111-1111-111111111111"


class Notebook:
    """Collects what a notebook would show, by display id: the last one counts."""

    def __init__(self) -> None:
        self.shown: dict[str, Any] = {}
        self.count = 0

    def display(self, what: object, *, display_id: str, update: bool) -> None:
        assert update == (display_id in self.shown)
        self.shown[display_id] = what
        self.count += 1

    @property
    def text(self) -> str:
        return "\n".join(repr(one) for one in self.shown.values())


@pytest.fixture
def notebook(monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A kernel's display, without a kernel."""
    shown = Notebook()
    monkeypatch.setattr("IPython.display.display", shown.display)  # which also imports it
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=object()))
    return shown


class Services:
    """CodeBuild and CloudWatch Logs during a build, CodePipeline with two earlier executions."""

    def __init__(self) -> None:
        self.codebuild = FakeClient("codebuild", batch_get_builds=self._builds)
        self.logs = FakeClient("logs", get_log_events=self._events)
        self.codepipeline = FakeClient("codepipeline", list_action_executions=self._actions)

    def _builds(self, ids: list[str]) -> dict[str, Any]:
        return {
            "builds": [
                {
                    "id": ids[0],
                    "buildStatus": "IN_PROGRESS",
                    "phases": [
                        {"phaseType": "PRE_BUILD", "phaseStatus": "SUCCEEDED"},
                        {"phaseType": "BUILD"},
                    ],
                    "logs": {"groupName": "/aws/codebuild/x", "streamName": "s"},
                }
            ]
        }

    def _events(self, **_: Any) -> dict[str, Any]:
        return {"events": [{"message": f"line {number}\n"} for number in range(9)]}

    def _actions(self, **_: Any) -> dict[str, Any]:
        began = datetime(2026, 11, 1, tzinfo=UTC)
        return {
            "actionExecutionDetails": [
                {
                    "pipelineExecutionId": f"earlier-{number}",
                    "stageName": "Build",
                    "actionName": "Build",
                    "status": status,
                    "startTime": began,
                    "lastUpdateTime": began + timedelta(seconds=seconds),
                }
                for number, (seconds, status) in enumerate(
                    [(80, "Succeeded"), (3, "Failed"), (84, "Succeeded"), (82, "Succeeded")]
                )
            ]
        }


def execution(began: datetime, status: str = "InProgress") -> Execution:
    ended = None if status == "InProgress" else began + timedelta(seconds=90)
    return Execution(
        NAME,
        "e",
        status,
        "",
        (
            Action("Source", "Source", "Source", "CodeCommit", "Succeeded", began, began),
            Action("Build", "Build", "Build", "CodeBuild", status, began, ended, external_id=BUILD),
        ),
    )


def test_a_running_build_shows_its_time_phase_log_and_what_it_usually_takes(
    notebook: Notebook, tmp_path: Path
) -> None:
    services = Services()
    here = lab(tmp_path, codebuild=services.codebuild, logs=services.logs, codepipeline=services.codepipeline)
    began = datetime.now(UTC) - timedelta(seconds=65)
    Watched(here, lambda: execution(began)).look()
    assert "▶ InProgress  1 min 05 s" in notebook.text
    assert "phase BUILD; usually 1 min 22 s" in notebook.text
    assert "| line 8" in notebook.text
    assert "line 4" not in notebook.text
    assert f"/codesuite/codepipeline/pipelines/{NAME}/executions/e/" in notebook.text
    assert "/log?" in notebook.text


def test_the_clock_ticks_without_asking_any_service(notebook: Notebook, tmp_path: Path) -> None:
    services = Services()
    here = lab(tmp_path, codebuild=services.codebuild, logs=services.logs, codepipeline=services.codepipeline)
    began = [datetime.now(UTC) - timedelta(seconds=30)]
    view = Watched(here, lambda: execution(began[0]))
    view.look()
    clients = (services.codebuild, services.logs, services.codepipeline)
    asked, seen = sum(len(one.calls) for one in clients), set()
    for _ in range(20):
        view.show()
        seen.add(notebook.text)
    assert sum(len(one.calls) for one in clients) == asked
    assert len(notebook.shown) == 2, "links and table, however often they are shown"
    assert len(seen) <= 2, "nothing is sent while the second is the same"


def test_the_last_picture_has_no_clock_and_no_log(notebook: Notebook, tmp_path: Path) -> None:
    services = Services()
    here = lab(tmp_path, codebuild=services.codebuild, logs=services.logs, codepipeline=services.codepipeline)
    began = datetime.now(UTC) - timedelta(seconds=65)
    states = iter(["InProgress", "Succeeded"])
    view = Watched(here, lambda: execution(began, next(states)))
    view.look()
    view.look()
    view.settle()
    assert "Build   Build   ✓ Succeeded  1 min 30 s" in notebook.text
    assert "line 8" not in notebook.text
    assert "usually" not in notebook.text


def test_what_cannot_be_read_is_left_out(notebook: Notebook, tmp_path: Path) -> None:
    services = Services()

    def throttled(**_: Any) -> dict[str, Any]:
        raise services.codebuild.error("AccountLimitExceededException", "BatchGetBuilds")

    services.codebuild = FakeClient("codebuild", batch_get_builds=throttled)
    here = lab(tmp_path, codebuild=services.codebuild, logs=services.logs, codepipeline=services.codepipeline)
    began = datetime.now(UTC) - timedelta(seconds=65)
    Watched(here, lambda: execution(began)).look()
    assert "1 min 05 s" in notebook.text


def test_a_quick_pipeline_costs_no_question(notebook: Notebook, tmp_path: Path) -> None:
    services = Services()
    here = lab(tmp_path, codebuild=services.codebuild, logs=services.logs, codepipeline=services.codepipeline)
    Watched(here, lambda: execution(datetime.now(UTC))).look()
    assert not services.codebuild.calls
    assert not services.codepipeline.calls


def test_log_lines_are_escaped_clipped_and_always_as_high() -> None:
    table = Frame(execution(datetime.now(UTC)).table(), ("<b>", "x" * 500))
    shown = table._repr_html_()
    assert "&lt;b&gt;" in shown
    assert "x" * 500 not in shown
    assert shown.count("\n") == live.LOG_LINES - 1


def test_between_two_looks_the_clock_ticks_every_second() -> None:
    slept: list[float] = []
    shown: list[int] = []
    live.tick(4.5, lambda: shown.append(len(slept)), slept.append)
    assert sum(slept) == pytest.approx(4.5)
    assert max(slept) <= live.TICK
    assert shown == [1, 2, 3, 4]
