"""Every notebook has the shape that learners, papermill and the runner rely on."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest

from lab_helpers.display import Code
from lab_helpers.exercises import cells, written_by
from tests.checkout import ROOT
from tests.notebooks import sources

notebooks = pytest.mark.parametrize("notebook", sources.LESSONS, ids=lambda path: path.stem)


def test_the_notebooks_are_there_in_order() -> None:
    assert [path.stem for path in sources.NOTEBOOKS] == [
        "00_welcome",
        "01_build_base_image",
        "02_build_model_image",
        "03_train",
        "04_check_and_test_endpoint",
        "05_stress_test",
        "06_safe_releases",
        "07_monitoring",
        "08_retraining",
        "09_drills",
        "99_clean_up",
    ]
    assert [path.stem for path in sources.DETOURS] == ["03a_sagemaker_sdk"]


def number(notebook: Path) -> str:
    """Return `03` or `03a`."""
    return notebook.stem.partition("_")[0]


@notebooks
def test_names_the_workshops_kernel(notebook: Path) -> None:
    metadata = json.loads(notebook.read_text())["metadata"]
    assert metadata["kernelspec"] == {
        "display_name": "MLOps workshop",
        "language": "python",
        "name": "mlops-workshop",
    }


@notebooks
def test_is_stored_without_outputs_and_with_readable_cell_ids(notebook: Path) -> None:
    for cell in json.loads(notebook.read_text())["cells"]:
        assert re.fullmatch(rf"{number(notebook)}-[a-z-]+", cell["id"])
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None


@notebooks
def test_has_one_parameters_cell_of_literals_with_the_lab_id_first(notebook: Path) -> None:
    tagged = [c for c in cells(notebook) if "parameters" in c["metadata"].get("tags", [])]
    assert len(tagged) == 1
    assert tagged[0]["cell_type"] == "code"
    statements = ast.parse(tagged[0]["source"]).body
    names = []
    for statement in statements:
        assert isinstance(statement, ast.Assign)
        ast.literal_eval(statement.value)
        names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
    assert names[0] == "lab_id"
    assert ast.literal_eval(statements[0].value) == ""  # type: ignore[attr-defined]


@notebooks
def test_says_something_before_each_code_cell(notebook: Path) -> None:
    kinds = [cell["cell_type"] for cell in cells(notebook)]
    assert kinds[0] == "markdown"
    for before, cell in pairwise(kinds):
        assert (before, cell) != ("code", "code")


@notebooks
def test_opens_with_questions_objectives_and_time_and_closes_with_key_points(notebook: Path) -> None:
    text = cells(notebook, "markdown")
    for part in ("**Questions**", "**What you will learn**", "**Time.**", "**You need**"):
        assert part in text[0]["source"]
    assert f"<!-- measured:{number(notebook)} -->" in text[0]["source"]
    for part in ("## What you built", "**Key points**"):
        assert part in text[-2]["source"]
    assert text[-1]["id"] == f"{number(notebook)}-exercises"


@notebooks
def test_links_lead_somewhere(notebook: Path) -> None:
    assert sources.lost_links(notebook) == []


def test_each_notebook_links_to_the_next_one() -> None:
    for notebook, following in pairwise(sources.NOTEBOOKS):
        assert f"({following.name})" in cells(notebook, "markdown")[-1]["source"]


@notebooks
def test_runs_without_a_person_and_does_not_ask_where_it_runs(notebook: Path) -> None:
    code = sources.python(notebook)
    for forbidden in ("input(", "getpass", "%store", "AWS_ENDPOINT_URL", "localhost", "if local", "!"):
        assert forbidden not in re.sub(r"!=|!r", "", code), forbidden
    assert "checkpoint(" in code


@notebooks
def test_keeps_code_cells_short(notebook: Path) -> None:
    for cell in cells(notebook, "code"):
        if not cell["source"].startswith("%%writefile"):
            assert cell["source"].count("\n") < 45, cell["id"]


def test_each_file_is_written_by_one_cell_only() -> None:
    targets = Counter(target for notebook in sources.NOTEBOOKS for target, _ in written_by(notebook))
    assert set(targets) == {
        "base_image/Dockerfile",
        "base_image/requirements.txt",
        "base_image/app.py",
        "base_image/buildspec.yml",
        "try_out/model.py",
        "model_image/Dockerfile",
        "model_image/model.py",
        "model_image/buildspec.yml",
    }
    assert set(targets.values()) == {1}


def test_what_notebooks_write_in_a_checkout_is_not_taken_for_a_part_of_it() -> None:
    """git ignores it, and so does the package for notebook instances; the programs are not ignored."""
    written = {f"notebooks/{target}" for target in sources.all_written()}
    programs = {f"notebooks/base_image/{name}" for name in sources.given("base_image")}
    asked = ["git", "check-ignore", "--no-index", *sorted(written | programs)]
    done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) == written


def test_what_a_learner_writes_can_be_read_in_a_lesson() -> None:
    for target, content in sources.all_written().items():
        assert content.count("\n") <= 110, target


def test_the_programs_beside_the_notebooks_are_those_that_a_learner_is_given() -> None:
    assert set(sources.given("base_image")) == {
        "inputs.py",
        "predictor.py",
        "proof.py",
        "rows.py",
        "server.py",
        "training.py",
    }
    assert sources.given("model_image") == sources.given("try_out") == {}


def test_the_notebook_shows_parts_of_each_program_as_the_file_has_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(ROOT / "notebooks")
    shown = set()
    for notebook in sources.NOTEBOOKS:
        for node in ast.walk(ast.parse(sources.python(notebook))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Code":
                arguments = [ast.literal_eval(argument) for argument in node.args]
                for _, text in Code(*arguments).parts:
                    assert text.count("\n") < 60, arguments
                shown.add(arguments[0])
    assert shown == {f"base_image/{name}" for name in sources.given("base_image")}


def test_every_file_that_is_pushed_is_one_that_was_written_or_given() -> None:
    for notebook, folder in (("01_build_base_image", "base_image"), ("02_build_model_image", "model_image")):
        code = sources.python(ROOT / "notebooks" / f"{notebook}.ipynb")
        found = re.search(r"for name in (\(.*?\)):\s+shutil\.copy", code, re.DOTALL)
        assert found
        pushed = ast.literal_eval(found[1])
        written = {t.partition("/")[2] for t in sources.all_written() if t.startswith(f"{folder}/")}
        assert len(pushed) == len(set(pushed))
        assert set(pushed) == written | set(sources.given(folder))
