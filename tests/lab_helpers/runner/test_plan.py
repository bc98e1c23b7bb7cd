import json
from pathlib import Path
from typing import Any

import pytest

from lab_helpers.runner.plan import PlanError, plan
from tests.lab_helpers.runner.conftest import Make


@pytest.fixture
def directory(notebook: Make, tmp_path: Path) -> Path:
    notebook("02_model.ipynb", "1", parameters='lab_id = ""')
    notebook("01_base.ipynb", "1", parameters='lab_id = ""\ntag: str = "x"')
    notebook("03_train.ipynb", "1", parameters='lab_id = ""\nC = 1.0')
    notebook("scratch.ipynb", "1")
    return tmp_path / "notebooks"


def names(planned: Any) -> list[str]:
    return [notebook.name for notebook in planned]


def test_numbered_notebooks_run_in_order_and_others_are_left_alone(directory: Path) -> None:
    assert names(plan(directory)) == ["01_base", "02_model", "03_train"]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("03,01", ["01_base", "03_train"]),
        ("1-2", ["01_base", "02_model"]),
        ("02_model", ["02_model"]),
        ("02_model.ipynb, 3", ["02_model", "03_train"]),
        ("scratch,1", ["01_base", "scratch"]),
    ],
)
def test_notebooks_are_picked_by_number_range_and_name(
    directory: Path, selection: str | None, expected: list[str]
) -> None:
    assert names(plan(directory, selection)) == expected


@pytest.mark.parametrize("selection", ["07", "1,nothing", "", None])
def test_a_selection_that_matches_nothing_is_rejected_by_name(directory: Path, selection: str | None) -> None:
    if selection:
        with pytest.raises(PlanError, match=r"matches no notebook; there are 01_base, 02_model, 03_train"):
            plan(directory, selection)
    else:
        assert len(plan(directory, selection)) == 3


@pytest.mark.parametrize(("name", "number"), [("01_base", "01"), ("02a_detour", "02a"), ("99_clean", "99")])
def test_a_notebook_that_runs_on_request_runs_only_if_it_is_named(
    notebook: Make, directory: Path, name: str, number: str
) -> None:
    path = notebook(f"{name}.ipynb", "1", parameters='lab_id = ""')
    content = json.loads(path.read_text())
    content["metadata"]["mlops_workshop"] = {"on_request": True}
    path.write_text(json.dumps(content))
    for selection in (None, "1-99", "01-03"):
        assert name not in names(plan(directory, selection))
    assert names(plan(directory, number)) == names(plan(directory, name)) == [name]
    assert names(plan(directory, f"{number},3")) == sorted([name, "03_train"])


def test_the_participant_reaches_every_notebook_and_other_parameters_those_that_have_them(
    directory: Path, tmp_path: Path
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("C: 0.1\n'01':\n  tag: first\n")
    planned = plan(directory, lab_id="ana", parameters=[str(file), "C=0.5", "02.lab_id=bob"])
    assert [dict(one.parameters) for one in planned] == [
        {"lab_id": "ana", "tag": "first"},
        {"lab_id": "bob"},
        {"lab_id": "ana", "C": 0.5},
    ]


@pytest.mark.parametrize("given", ["c=1", "03.tag=x", "01.nothing=1"])
def test_a_misspelled_parameter_is_rejected_before_anything_runs(directory: Path, given: str) -> None:
    with pytest.raises(PlanError, match=r"no notebook has the parameter \w+\. The notebooks have"):
        plan(directory, parameters=[given])


@pytest.mark.parametrize("given", ["=1", ".C=1", "03.=1"])
def test_a_parameter_without_a_name_is_rejected(directory: Path, given: str) -> None:
    with pytest.raises(PlanError, match="has no name: write it as name=value"):
        plan(directory, parameters=[given])


def test_parameters_for_a_notebook_that_does_not_run_are_rejected(directory: Path) -> None:
    with pytest.raises(PlanError, match=r"parameters for 03, which is not among"):
        plan(directory, "01", parameters=["03.C=1"])


@pytest.mark.parametrize("content", ["- 1\n", "a: [", None])
def test_a_parameter_file_that_is_not_a_mapping_is_rejected(
    directory: Path, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "p.yaml"
    if content is not None:
        file.write_text(content)
    with pytest.raises(PlanError, match=r"p\.yaml"):
        plan(directory, parameters=[str(file)])


def test_a_folder_without_notebooks_is_an_error_that_names_the_option(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="--directory"):
        plan(tmp_path)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-2", 0.01),
        ("9e-1", 0.9),
        ("1E5", 100_000.0),
        ("-3", -3),
        (".5", 0.5),
        ("1:30", "1:30"),
        ("2026-11-29", "2026-11-29"),
        ("True", True),
        ("None", None),
        ("eu-south-1", "eu-south-1"),
        ("", ""),
    ],
)
def test_a_value_is_what_papermill_makes_of_it(notebook: Make, tmp_path: Path, text: str, value: Any) -> None:
    notebook("01_a.ipynb", "1", parameters="x = 1")
    [planned] = plan(tmp_path / "notebooks", parameters=[f"x={text}"])
    assert repr(planned.parameters["x"]) == repr(value)


@pytest.mark.parametrize("text", ["010", "no", "ON", "false", "null", "1_000", "[1, 2]", "'010'", "0x10"])
def test_a_value_that_could_be_two_things_is_refused_unless_the_notebook_says_text(
    notebook: Make, tmp_path: Path, text: str
) -> None:
    notebook("01_a.ipynb", "1", parameters="x = 1\ny = ''")
    with pytest.raises(PlanError, match=r"parameter x: .*YAML file"):
        plan(tmp_path / "notebooks", parameters=[f"x={text}"])
    [planned] = plan(tmp_path / "notebooks", parameters=[f"y={text}"])
    assert planned.parameters["y"] == text


def test_a_parameter_file_is_yaml_1_2_and_means_what_it_says(directory: Path, tmp_path: Path) -> None:
    file = tmp_path / "p.yaml"
    for text, value in {"1e-2": 0.01, "2026-11-29": "2026-11-29", "'no'": "no", "true": True}.items():
        file.write_text(f"C: {text}\n")
        assert repr(plan(directory, parameters=[str(file)])[2].parameters["C"]) == repr(value)
    for text in ("no", "010"):
        file.write_text(f"C: {text}\n")
        with pytest.raises(PlanError, match=r"p\.yaml, line 1: .* in YAML 1\.1 and 1\.2"):
            plan(directory, parameters=[str(file)])
    file.write_text("C: !!binary aGk=\n")
    with pytest.raises(PlanError, match="cannot be given a bytes"):
        plan(directory, parameters=[str(file)])
    for text in ("C: 1\nC: 2\n", "C: 1\nD: {a: 1,\n a: 2}\n"):
        file.write_text(text)
        with pytest.raises(PlanError, match=r"p\.yaml, line [23]: [Ca] is there twice; remove one"):
            plan(directory, parameters=[str(file)])
