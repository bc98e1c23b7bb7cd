"""Each lesson has exercises with hints, a solution that fits it, and questions with folded answers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab_helpers.exercises import cells, solved
from lab_helpers.instructor.package import files
from lab_helpers.runner.plan import plan
from tests.checkout import ROOT
from tests.notebooks import sources

BEYOND = [*sources.SOLUTIONS, sources.CHALLENGE]
lessons = pytest.mark.parametrize("lesson", sources.LESSONS, ids=lambda path: path.stem)
beyond = pytest.mark.parametrize("notebook", BEYOND, ids=lambda path: f"{path.parent.name}-{path.stem}")
FOLDED = re.compile(r"<details>\n<summary>(\w+)[^<]*</summary>\n\n(.+?)\n\n</details>", re.DOTALL)


def test_each_lesson_and_the_challenge_have_a_solution() -> None:
    assert [path.name for path in sources.SOLUTIONS] == [
        path.name for path in (*sources.LESSONS, sources.CHALLENGE)
    ]


@lessons
def test_two_or_three_exercises_have_hints_and_two_questions_have_answers(lesson: Path) -> None:
    text = cells(lesson, "markdown")[-1]["source"]
    exercises, _, questions = text.partition("## Check yourself")
    count = len(re.findall(r"^\*\*Exercise \d\. ", exercises, re.MULTILINE))
    assert 2 <= count <= 3
    assert [kind for kind, _ in FOLDED.findall(exercises)] == ["Hint"] * count
    assert [kind for kind, _ in FOLDED.findall(questions)] == ["Answer"] * 2
    assert f"(solutions/{lesson.name})" in exercises


def test_hints_are_folded_in_a_page_too_and_their_text_is_rendered() -> None:
    from nbconvert import HTMLExporter

    page, _ = HTMLExporter(template_name="basic").from_filename(str(sources.NOTEBOOKS[2]))
    hint = re.search(r"<details>\s*<summary>Hint</summary>(.*?)</details>", page, re.DOTALL)
    assert hint
    assert "<code>estimators</code>" in hint[1]


@lessons
def test_the_changes_of_a_solution_fit_its_lesson(lesson: Path) -> None:
    changes = sources.changes(ROOT / "notebooks/solutions" / lesson.name)
    for target, text in solved(lesson, changes).items():
        if target.endswith(".py"):
            compile(text, target, "exec")


@beyond
def test_is_stored_like_a_lesson(notebook: Path) -> None:
    document = json.loads(notebook.read_text())
    assert document["metadata"]["kernelspec"]["name"] == "mlops-workshop"
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    kinds = [cell["cell_type"] for cell in document["cells"]]
    assert kinds[0] == kinds[-1] == "markdown"
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
            assert len(cell["source"]) < 45


@beyond
def test_links_lead_somewhere_and_back_to_the_lesson(notebook: Path) -> None:
    assert sources.lost_links(notebook) == []


@beyond
def test_learners_get_it(notebook: Path) -> None:
    assert notebook in set(files(ROOT))


def test_neither_solutions_nor_the_challenge_nor_detours_run_with_the_lessons() -> None:
    assert [one.path for one in plan(ROOT / "notebooks")] == [
        path
        for path in sources.NOTEBOOKS
        if path.stem not in {"06_safe_releases", "07_monitoring", "08_retraining", "09_drills", "99_clean_up"}
    ]
    assert [one.path for one in plan(ROOT / "notebooks", "03a")] == sources.DETOURS
    named = plan(ROOT / "notebooks", "challenge,03a,02-03")
    assert [one.name for one in named] == [
        "02_build_model_image",
        "03_train",
        "03a_sagemaker_sdk",
        "challenge",
    ]
    assert [one.path for one in plan(ROOT / "notebooks", "challenge")] == [sources.CHALLENGE]
