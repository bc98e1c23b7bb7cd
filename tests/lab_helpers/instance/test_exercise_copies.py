"""Starting the notebook instance never costs learners anything that they wrote."""

import json
from pathlib import Path

import pytest

from lab_helpers import exercises
from lab_helpers.instance.copies import copy_exercises
from tests.checkout import ROOT


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path, Path]:
    source, target = tmp_path / "package", tmp_path / "notebooks"
    (source / "data").mkdir(parents=True)
    (source / "01.ipynb").write_text("one")
    (source / "data" / "iris.csv").write_text("data")
    return source, target, tmp_path / "record.json"


def test_everything_is_copied_once(places: tuple[Path, Path, Path]) -> None:
    _, target, record = places

    assert list(copy_exercises(*places)) == ["copied 01.ipynb", "copied data/iris.csv"]
    assert (target / "data" / "iris.csv").read_text() == "data"
    assert set(json.loads(record.read_text())) == {"01.ipynb", "data/iris.csv"}
    assert list(copy_exercises(*places)) == []
    assert not list(target.rglob(".*"))


def test_what_the_learner_left_alone_is_updated(places: tuple[Path, Path, Path]) -> None:
    source, target, _ = places
    list(copy_exercises(*places))
    (source / "01.ipynb").write_text("one, better")

    assert list(copy_exercises(*places)) == ["copied 01.ipynb"]
    assert (target / "01.ipynb").read_text() == "one, better"


def test_what_the_learner_changed_stays_and_the_new_version_is_written_next_to_it(
    places: tuple[Path, Path, Path],
) -> None:
    source, target, _ = places
    list(copy_exercises(*places))
    (target / "01.ipynb").write_text("mine")
    assert list(copy_exercises(*places)) == []
    (source / "01.ipynb").write_text("one, better")

    assert list(copy_exercises(*places)) == ["kept your 01.ipynb, the new version is 01.new.ipynb"]
    assert (target / "01.ipynb").read_text() == "mine"
    assert (target / "01.new.ipynb").read_text() == "one, better"
    assert list(copy_exercises(*places)) == []


def test_a_program_that_the_learner_changed_stays_and_its_update_does_not_get_into_their_image(
    places: tuple[Path, Path, Path],
) -> None:
    source, target, _ = places
    (source / "base_image").mkdir()
    for name in ("rows.py", "server.py"):
        (source / "base_image" / name).write_text("one")
    list(copy_exercises(*places))
    (target / "base_image" / "app.py").write_text("written by a notebook")
    (target / "base_image" / "server.py").write_text("mine")
    for name in ("rows.py", "server.py"):
        (source / "base_image" / name).write_text("one, better")

    assert list(copy_exercises(*places)) == [
        "copied base_image/rows.py",
        "kept your base_image/server.py, the new version is server.new.py",
    ]
    found = {path.name: path.read_text() for path in (target / "base_image").iterdir()}
    assert found == {
        "app.py": "written by a notebook",
        "rows.py": "one, better",
        "server.py": "mine",
        "server.new.py": "one, better",
    }
    (target / "base_image" / "server.new2.py").write_text("one, better still")
    assert set(exercises.programs(target, "base_image")) == {"app.py", "rows.py", "server.py"}


def test_the_programs_of_the_checkout_reach_the_learner(tmp_path: Path) -> None:
    list(copy_exercises(ROOT / "notebooks", tmp_path / "notebooks", tmp_path / "record.json"))
    programs = exercises.programs(ROOT / "notebooks", "base_image")
    assert "server.py" in programs
    assert exercises.programs(tmp_path / "notebooks", "base_image") == programs


def test_work_in_a_new_version_stays_when_a_newer_one_comes(places: tuple[Path, Path, Path]) -> None:
    source, target, _ = places
    list(copy_exercises(*places))
    (target / "01.ipynb").write_text("mine")
    (source / "01.ipynb").write_text("two")
    list(copy_exercises(*places))
    (source / "01.ipynb").write_text("three")
    assert list(copy_exercises(*places)) == ["kept your 01.ipynb, the new version is 01.new.ipynb"]
    assert (target / "01.new.ipynb").read_text() == "three", "nobody has worked in it"

    (target / "01.new.ipynb").write_text("mine, in three")
    (source / "01.ipynb").write_text("four")
    assert list(copy_exercises(*places)) == ["kept your 01.ipynb, the new version is 01.new2.ipynb"]

    found = {path.name: path.read_text() for path in target.glob("01*")}
    assert found == {"01.ipynb": "mine", "01.new.ipynb": "mine, in three", "01.new2.ipynb": "four"}
    assert list(copy_exercises(*places)) == []


@pytest.mark.parametrize("damage", [None, "", "[]", '{"01.ip'])
def test_work_stays_even_when_the_record_is_lost(places: tuple[Path, Path, Path], damage: str | None) -> None:
    _, target, record = places
    list(copy_exercises(*places))
    (target / "01.ipynb").write_text("mine")
    record.unlink()
    if damage is not None:
        record.write_text(damage)

    list(copy_exercises(*places))

    assert (target / "01.ipynb").read_text() == "mine"
    assert (target / "01.new.ipynb").read_text() == "one"


def test_a_deleted_exercise_comes_back(places: tuple[Path, Path, Path]) -> None:
    _, target, _ = places
    list(copy_exercises(*places))
    (target / "01.ipynb").unlink()

    assert list(copy_exercises(*places)) == ["copied 01.ipynb"]


def test_a_folder_in_the_place_of_a_file_stays(places: tuple[Path, Path, Path]) -> None:
    _, target, _ = places
    list(copy_exercises(*places))
    (target / "01.ipynb").unlink()
    (target / "01.ipynb").mkdir()
    (target / "01.ipynb" / "notes").write_text("mine")
    places[2].unlink()
    (target / "01.new.ipynb").mkdir()

    assert list(copy_exercises(*places)) == ["kept your 01.ipynb, the new version is 01.new2.ipynb"]

    assert (target / "01.ipynb" / "notes").read_text() == "mine"
    assert (target / "01.new2.ipynb").read_text() == "one"


def test_a_file_in_the_place_of_a_folder_stays(places: tuple[Path, Path, Path]) -> None:
    source, target, _ = places
    (source / "base_image").mkdir()
    (source / "base_image" / "rows.py").write_text("one")
    target.mkdir(exist_ok=True)
    (target / "base_image").write_text("mine")

    done = list(copy_exercises(*places))

    assert "kept your base_image, so base_image/rows.py could not be copied" in done
    assert "copied 01.ipynb" in done
    assert (target / "base_image").read_text() == "mine"
    (target / "base_image").unlink()
    assert list(copy_exercises(*places)) == ["copied base_image/rows.py"]
