"""Solutions and the challenge run in the lab that the lessons leave; lessons run with the exercises solved.

These come after tests that run the lessons as they are shipped: from the first release of another algorithm
on, the quality gate refuses a release without it.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from lab_helpers.exercises import changed
from tests.e2e import recorded
from tests.e2e.one_workshop import Workshop
from tests.notebooks import sources

pytestmark = [pytest.mark.e2e, pytest.mark.docker, pytest.mark.timeout(1200)]

KILLED = """import os, signal, threading
threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGKILL)).start()
{}
import time
time.sleep(60)
"""
"""Ends the kernel as a crash would: a moment after a cell has begun, or when it has done its work."""
INTERRUPTED = {
    "01": ("01-build", "01-try-serve", "01-follow"),
    "02": ("02-train", "02-serve", "02-follow"),
    "03": ("03-data", "03-upload", "03-follow"),
    "04": ("04-follow", "04-decide", "04-prd"),
    "05": ("05-pin", "05-levels", "05-scale-out"),
    "06": ("06-candidates", "06-bad"),
}


class Seat:
    """The notebook instance, as its learner uses it."""

    def __init__(self, workshop: Workshop) -> None:
        self.workshop = workshop
        self.environment = workshop.daemon.environment(workshop.names.notebook_instance)
        self.home = Path(self.environment["WORKSHOP_HOME"])
        self.notebooks = self.home / "notebooks"
        self.output = workshop.output.with_name("solutions")

    def edit(self, notebook: Path, changes: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        """Change cells of a notebook in place."""
        document = json.loads(notebook.read_text())
        for cell in document["cells"]:
            pairs = changes.get(cell["id"], ())
            cell["source"] = changed("".join(cell["source"]), pairs, cell["id"])
        notebook.write_text(json.dumps(document))

    def run(self, *arguments: str, directory: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run notebooks of a folder, by default the learner's, with the instance's own runner."""
        python = self.home / ".workshop" / "venv" / "bin" / "python"
        command: list[str | Path] = [python, "-m", "lab_helpers", "run", "--output", self.output, *arguments]
        return subprocess.run(
            [*command, "--directory", directory or self.notebooks],
            cwd=self.home / ".workshop" / "package",
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


@pytest.fixture(scope="module")
def seat(workshop: Workshop) -> Seat:
    return Seat(workshop)


def billable(workshop: Workshop) -> dict[str, int]:
    """Return how many there are of each kind of thing that a second run could duplicate."""
    sagemaker, pages = workshop.client("sagemaker"), {}
    for method, key in (
        ("list_endpoints", "Endpoints"),
        ("list_endpoint_configs", "EndpointConfigs"),
        ("list_models", "Models"),
        ("list_notebook_instances", "NotebookInstances"),
    ):
        pages[key] = len(getattr(sagemaker, method)()[key])
    pages["stacks"] = len(workshop.client("cloudformation").describe_stacks()["Stacks"])
    pages["pipelines"] = len(workshop.client("codepipeline").list_pipelines()["pipelines"])
    pages["repositories"] = len(workshop.client("ecr").describe_repositories()["repositories"])
    pages["alarms"] = len(workshop.client("cloudwatch").describe_alarms()["MetricAlarms"])
    return pages


def reject_all_but_the_newest(workshop: Workshop) -> None:
    """Decide about executions that interrupted runs have left, as ExecutionBlocked tells the learner to."""
    listed = workshop.client("codepipeline").list_pipeline_executions(
        pipelineName=workshop.names.train_pipeline
    )["pipelineExecutionSummaries"]
    waiting = [one["pipelineExecutionId"] for one in listed if one["status"] == "InProgress"]
    for execution in reversed(waiting[1:]):
        workshop.decide(execution, "Rejected")


def test_each_solution_runs_in_the_lab_that_the_lessons_leave(workshop: Workshop, seat: Seat) -> None:
    before = billable(workshop)
    done = seat.run(directory=seat.notebooks / "solutions")
    assert done.returncode == 0, done.stdout[-6000:]
    assert billable(workshop) == before
    for solution in sorted(seat.output.glob("[0-9]*.ipynb")):
        recorded.check(solution, recorded.SOLUTIONS)


def test_a_gate_that_is_too_strict_ends_the_lesson_with_its_reason(workshop: Workshop, seat: Seat) -> None:
    done = seat.run("--notebooks", "03", "-p", "minimum_accuracy=0.99")
    assert done.returncode == 1
    assert "logistic: accuracy 0.9667 is below 0.9900" in done.stdout


def test_lessons_go_on_after_a_crash_at_any_cell_with_every_exercise_solved(
    workshop: Workshop, seat: Seat
) -> None:
    """Each notebook is killed at three cells, the second and third time on the way from its first cell.

    The last run, which nothing disturbs, has the learner's solutions in it.
    """
    before = billable(workshop)
    for lesson in sources.NOTEBOOKS:
        if lesson.stem.startswith("08"):
            continue  # it releases a model of other data; test_retraining_lesson.py runs it
        mine = seat.notebooks / lesson.name
        shipped = mine.read_text()
        changes = sources.changes(lesson.parent / "solutions" / lesson.name)
        given = ("-p", "decision=approve") if lesson.stem.startswith("04") else ()
        if given:
            reject_all_but_the_newest(workshop)
        for cell in INTERRUPTED.get(lesson.stem[:2], ()):
            document = json.loads(shipped)
            for one in document["cells"]:
                if one["id"] == cell:
                    one["source"] = KILLED.format("".join(one["source"]))
            mine.write_text(json.dumps(document))
            crashed = seat.run("--notebooks", lesson.stem, *given)
            assert crashed.returncode == 1, crashed.stdout[-3000:]
        mine.write_text(shipped)
        seat.edit(mine, changes)
        done = seat.run("--notebooks", lesson.stem, *given)
        assert done.returncode == 0, f"{lesson.stem}\n{done.stdout[-6000:]}"
    assert billable(workshop) == before
    prd = workshop.names.prd_endpoint
    assert workshop.predict(prd, "naive_bayes", [[5.1, 3.5, 1.4, 0.2]]) == ["setosa"]


def test_the_challenge_is_won_by_its_solution(workshop: Workshop, seat: Seat) -> None:
    lost = seat.run("--notebooks", "challenge")
    assert lost.returncode == 1
    assert "MinimumAccuracy" in lost.stdout or "the gate demands" in lost.stdout
    before = billable(workshop)
    solved = seat.run("--notebooks", "challenge", directory=seat.notebooks / "solutions")
    assert solved.returncode == 0, solved.stdout[-6000:]
    won = seat.run("--notebooks", "challenge")
    assert won.returncode == 0, won.stdout[-6000:]
    assert billable(workshop) == before
