"""A reset on the notebook instance: exercises and working copies are restored, and nothing is lost."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from lab_helpers import keys
from lab_helpers.instance.attendant import Attendant
from lab_helpers.instance.exercises import PutBack
from lab_helpers.reset_request import Answer, Request, RequestError
from tests.lab_helpers.instance.bucket import Bucket

AT = "2026-11-23T18:20:01+00:00"
FOLDER = "changed-2026-11-23-182001"
PROGRAMS = {"rows.py", "server.py"}


def notebook(**written: str) -> str:
    cells = [
        {"cell_type": "code", "metadata": {}, "source": f"%%writefile {name.replace('__', '/')}\n{text}"}
        for name, text in written.items()
    ]
    return json.dumps({"cells": cells})


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An instance whose package has two notebooks that write files, programs for one of them, and data."""
    package = tmp_path / ".workshop" / "package" / "notebooks"
    package.mkdir(parents=True)
    (package / "01_base.ipynb").write_text(notebook(base_image__Dockerfile="FROM a", try_out__model="m"))
    (package / "02_model.ipynb").write_text(notebook(model_image__Dockerfile="FROM b"))
    (package / "base_image").mkdir()
    for name in PROGRAMS:
        (package / "base_image" / name).write_text("shipped")
    (package / "data").mkdir()
    (package / "data" / "iris.csv").write_text("1,2\n")
    PutBack(tmp_path, "01", AT).run()
    return tmp_path


def put_back(home: Path, to: str) -> PutBack:
    work = PutBack(home, to, AT)
    work.run()
    return work


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_unchanged_files_stay_and_nothing_is_kept(home: Path) -> None:
    again = put_back(home, "01")

    assert (again.kept, again.folder) == ([], "")
    assert not (home / "notebooks" / FOLDER).exists()
    assert (home / "notebooks" / "data" / "iris.csv").read_text() == "1,2\n"


def test_a_changed_solution_is_kept_too(home: Path) -> None:
    (home / ".workshop" / "package" / "notebooks" / "solutions").mkdir()
    (home / ".workshop" / "package" / "notebooks" / "solutions" / "01_base.ipynb").write_text("shipped")
    put_back(home, "01")
    mine = home / "notebooks" / "solutions"
    (mine / "01_base.ipynb").write_text("mine")
    (mine / "work").mkdir()
    (mine / "work" / "model.py").write_text("written by a solution")

    put_back(home, "02")

    assert (home / "notebooks" / FOLDER / "solutions" / "01_base.ipynb").read_text() == "mine"
    assert (mine / "01_base.ipynb").read_text() == "shipped"
    assert (mine / "work" / "model.py").exists()


def test_changed_files_move_to_a_dated_folder_and_fresh_ones_take_their_place(home: Path) -> None:
    notebooks = home / "notebooks"
    (notebooks / "02_model.ipynb").write_text("mine")
    (notebooks / "data" / "iris.csv").write_text("mine, too")
    (notebooks / "own.ipynb").write_text("not the workshop's")

    work = put_back(home, "01")

    assert work.folder == f"notebooks/{FOLDER}"
    assert (notebooks / FOLDER / "02_model.ipynb").read_text() == "mine"
    assert (notebooks / FOLDER / "data" / "iris.csv").read_text() == "mine, too"
    assert json.loads((notebooks / "02_model.ipynb").read_text())["cells"]
    assert (notebooks / "own.ipynb").read_text() == "not the workshop's"
    recorded = json.loads((home / ".workshop" / "exercises.json").read_text())
    programs = {f"base_image/{name}" for name in PROGRAMS}
    assert set(recorded) == {"01_base.ipynb", "02_model.ipynb", "data/iris.csv", *programs}


def test_files_of_earlier_notebooks_exist_and_those_of_later_ones_do_not(home: Path) -> None:
    notebooks = home / "notebooks"
    (notebooks / "model_image").mkdir()
    (notebooks / "model_image" / "Dockerfile").write_text("FROM mine\n")
    (notebooks / "training_job").mkdir()
    (notebooks / "training_job" / "trainingjob.json").write_text("{}")

    put_back(home, "02")

    assert (notebooks / "base_image" / "Dockerfile").read_text() == "FROM a\n"
    assert (notebooks / "try_out" / "model").read_text() == "m\n"
    assert not (notebooks / "model_image").exists()
    assert not (notebooks / "training_job").exists()
    assert (notebooks / FOLDER / "model_image" / "Dockerfile").read_text() == "FROM mine\n"
    assert put_back(home, "02").kept == []


def test_files_as_shipped_are_not_kept(home: Path) -> None:
    put_back(home, "02")
    assert names(home / "notebooks" / "base_image") == {"Dockerfile", *PROGRAMS}
    assert (home / "notebooks" / "try_out").is_dir()

    assert put_back(home, "01").kept == []
    assert names(home / "notebooks" / "base_image") == PROGRAMS
    assert not (home / "notebooks" / "try_out").exists()


def test_a_changed_program_is_kept_and_the_shipped_one_takes_its_place(home: Path) -> None:
    put_back(home, "02")
    folder = home / "notebooks" / "base_image"
    (folder / "server.py").write_text("mine")
    (folder / "server.new.py").write_text("shipped")  # an update that the reset makes obsolete

    work = put_back(home, "02")

    assert work.kept == ["base_image/server.py"]
    assert (home / work.folder / "base_image" / "server.py").read_text() == "mine"
    assert names(folder) == {"Dockerfile", *PROGRAMS}
    assert (folder / "server.py").read_text() == "shipped"


def test_a_folder_with_changed_files_is_kept_with_its_programs(home: Path) -> None:
    put_back(home, "02")
    folder = home / "notebooks" / "base_image"
    (folder / "Dockerfile").write_text("FROM mine")
    (folder / "rows.py").write_text("mine, too")

    work = put_back(home, "02")

    assert work.kept == ["base_image"]
    assert names(home / work.folder / "base_image") == {"Dockerfile", *PROGRAMS}
    assert (home / work.folder / "base_image" / "rows.py").read_text() == "mine, too"
    assert {path.name: path.read_text() for path in folder.iterdir()} == {
        "Dockerfile": "FROM a\n",
        "rows.py": "shipped",
        "server.py": "shipped",
    }
    assert put_back(home, "02").kept == []


def test_a_second_reset_in_the_same_second_overwrites_nothing(home: Path) -> None:
    mine = home / "notebooks" / "01_base.ipynb"
    for text in ("first", "second"):
        mine.write_text(text)
        put_back(home, "01")

    kept = sorted(path.read_text() for path in (home / "notebooks" / FOLDER).iterdir())
    assert kept == ["first", "second"]


def test_an_update_beside_the_notebook_is_removed_when_it_becomes_the_notebook(home: Path) -> None:
    fresh = (home / ".workshop" / "package" / "notebooks" / "01_base.ipynb").read_bytes()
    beside = home / "notebooks" / "01_base.new.ipynb"
    beside.write_bytes(fresh)

    put_back(home, "01")

    assert not beside.exists()


# --- working copies


def git(directory: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    argv = ["git", "-C", str(directory), *identity, *arguments]
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def copy(home: Path) -> Path:
    """A working copy of branch scikit_base with one commit, and its remote."""
    remote, copy = home / "remote.git", home / "scikit_base"
    subprocess.run(["git", "init", "--quiet", "--bare", str(remote)], check=True)
    subprocess.run(["git", "clone", "--quiet", str(remote), str(copy)], check=True, capture_output=True)
    git(copy, "switch", "--quiet", "--create", "scikit_base")
    (copy / "README.md").write_text("shipped\n")
    git(copy, "add", ".")
    git(copy, "commit", "--quiet", "-m", "first")
    git(copy, "push", "--quiet", "origin", "scikit_base")
    return copy


def test_a_working_copy_gets_the_state_of_the_remote_and_changes_are_kept(home: Path, copy: Path) -> None:
    (copy / "README.md").write_text("mine\n")
    (copy / "new file.py").write_text("1\n")
    (copy / ".git" / "index.lock").touch()  # left by a killed git

    work = put_back(home, "01")

    assert set(work.kept) == {"scikit_base/README.md", "scikit_base/new file.py"}
    assert (home / work.folder / "scikit_base" / "new file.py").read_text() == "1\n"
    assert (copy / "README.md").read_text() == "shipped\n"
    assert git(copy, "status", "--porcelain") == ""


def test_commits_that_were_never_pushed_stay_in_a_branch(home: Path, copy: Path) -> None:
    (copy / "work.py").write_text("1\n")
    git(copy, "add", ".")
    git(copy, "commit", "--quiet", "-m", "mine")
    mine = git(copy, "rev-parse", "HEAD")

    put_back(home, "01")

    assert git(copy, "rev-parse", FOLDER) == mine
    assert git(copy, "rev-parse", "HEAD") == git(copy, "rev-parse", "origin/scikit_base") != mine


def test_an_unfinished_rebase_and_another_branch_are_abandoned(home: Path, copy: Path) -> None:
    git(copy, "switch", "--quiet", "--create", "elsewhere")
    for branch, text in (("elsewhere", "there\n"), ("scikit_base", "here\n")):
        git(copy, "switch", "--quiet", branch)
        (copy / "README.md").write_text(text)
        git(copy, "commit", "--quiet", "--all", "-m", branch)
    with pytest.raises(subprocess.CalledProcessError):
        git(copy, "rebase", "elsewhere")

    put_back(home, "01")

    assert git(copy, "symbolic-ref", "--short", "HEAD") == "scikit_base"
    assert "rebase" not in git(copy, "status")


# --- the attendant


def test_a_request_is_carried_out_once_across_restarts_of_the_attendant(home: Path) -> None:
    s3: Any = Bucket()
    attendant = Attendant(home, "bucket", s3)
    assert attendant.look() is None
    request = Request.new("01", AT)
    s3.put_object(Key=keys.RESET_REQUEST, Body=request.to_json())
    (home / "notebooks" / "01_base.ipynb").write_text("mine")

    answer = attendant.look()

    assert answer == Answer(request.id, "", f"notebooks/{FOLDER}", ("01_base.ipynb",))
    assert Answer.from_json(s3.objects[keys.RESET_ANSWER]) == answer
    assert attendant.look() is None
    assert "IfNoneMatch" in s3.asked[-1]
    (home / "notebooks" / "01_base.ipynb").write_text("later work")
    assert Attendant(home, "bucket", s3).look() == answer
    assert (home / "notebooks" / "01_base.ipynb").read_text() == "later work"


def test_a_failure_is_reported_in_the_answer(home: Path) -> None:
    s3: Any = Bucket()
    request = Request.new("01", AT)
    s3.put_object(Key=keys.RESET_REQUEST, Body=request.to_json())
    (home / "scikit_base" / ".git").mkdir(parents=True)

    answer = Attendant(home, "bucket", s3).look()

    assert answer is not None
    assert answer.id == request.id
    assert "scikit_base" in answer.error


def test_an_unreadable_request_is_ignored(home: Path) -> None:
    s3: Any = Bucket()
    s3.put_object(Key=keys.RESET_REQUEST, Body=b"{}")

    assert Attendant(home, "bucket", s3).look() is None


@pytest.mark.parametrize("content", [b"no json", b"[]", b'{"schema": 2}', b'{"schema": 1, "id": "x"}'])
def test_malformed_documents_are_rejected(content: bytes) -> None:
    for kind in (Request, Answer):
        with pytest.raises(RequestError):
            kind.from_json(content)
