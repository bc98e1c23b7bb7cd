"""What a training job is given, and what training says about what it cannot use."""

from __future__ import annotations

from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

pytestmark = pytest.mark.slow
HEADER = "a,b,kind\n"
ROWS = "1,2,x\n3,4,y\n" * 6


def given(program: Any, kind: Any, text: str, default: Any = None) -> Any:
    """Return the hyperparameter `one` of a type after a training job sets it to a text."""
    declared = make_dataclass("Hyperparameters", [("one", kind, default)])
    return program("inputs").hyperparameters(declared, {"one": text}).one


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (bool, "False", False),
        (bool, "false", False),
        (bool, "0", False),
        (bool, "True", True),
        (int | None, "3", 3),
        (int | None, "None", None),
        (float | None, "0.5", 0.5),
        (Literal["gini", "entropy"], "entropy", "entropy"),
        (Literal[1, 2], "2", 2),
        (Literal["sqrt"] | None, "none", None),
        (str, " as it is ", " as it is "),
    ],
)
def test_a_hyperparameter_has_its_declared_type(program: Any, kind: Any, text: str, value: Any) -> None:
    found = given(program, kind, text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "text", "said"),
    [
        (bool, "maybe", "hyperparameter one: 'maybe' is not a valid bool: use true or false"),
        (int | None, "3.5", "hyperparameter one: '3.5' is not a valid int"),
        (int, "1_0", "hyperparameter one: '1_0' is not a valid int"),
        (float, "1_0", "hyperparameter one: '1_0' is not a valid float: use a finite number"),
        (float, "nan", "hyperparameter one: 'nan' is not a valid float: use a finite number"),
        (float | None, "1e400", "hyperparameter one: '1e400' is not a valid float"),
        (Literal["gini", "entropy"], "Gini", "hyperparameter one: 'Gini' is not one of gini, entropy"),
        (list[int], "1,2", r"hyperparameter one is declared as list"),
        (tuple, "12", r"hyperparameter one is declared as tuple"),
        (int | str, "12", r"hyperparameter one is declared as"),
    ],
)
def test_a_wrong_value_or_a_type_that_text_cannot_have_is_refused_by_name(
    program: Any, kind: Any, text: str, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        given(program, kind, text)


def test_names_of_the_platform_are_ignored_and_misspelled_ones_are_not(program: Any) -> None:
    declared = make_dataclass("Hyperparameters", [("n_estimators", int, 5), ("must", int)], kw_only=True)
    read = program("inputs").hyperparameters
    platform = {"_tuning_objective_metric": "accuracy", "sagemaker_region": "us-east-1", "must": "1"}
    assert read(declared, platform).n_estimators == 5
    with pytest.raises(ValueError, match="unknown hyperparameter n_estimator: use n_estimators, must"):
        read(declared, {"n_estimator": "3"})
    with pytest.raises(ValueError, match="hyperparameter must is missing"):
        read(declared, {})


def read(program: Any, folder: Path, features: Any = ("a", "b")) -> Any:
    inputs = program("inputs")
    return inputs.read_table(inputs.files(folder), inputs.columns(features), "kind")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1,2\n", r"c\.csv, line 14: 2 values, but the header has 3 columns"),
        ("1,2,x,4\n", r"c\.csv, line 14: 4 values"),
        ("1,2,\n", r"c\.csv, line 14, kind is empty: fill it or remove the line$"),
        ("1,2,   \n", r"c\.csv, line 14, kind is empty: fill it or remove the line$"),
        ("1,2, x\n", r"c\.csv, line 14, kind: ' x' begins or ends with a space"),
        ("1,2,X\n", r"c\.csv, line 14, kind: 'X' is spelled 'x' elsewhere"),
        ("1,2,x\u200b\n", r"c\.csv, line 14, kind: 'x\\u200b' is spelled 'x' elsewhere"),
        ("1,2,nan\n", r"c\.csv, line 14, kind: 'nan' is how programs write a missing value"),
        ("1,2,N/A\n", r"c\.csv, line 14, kind: 'N/A' is how programs write a missing value"),
        ("1,2,z\n", r"kind 'z' has only one row \(c\.csv, line 14\)"),
        ("1,red,x\n", r"c\.csv, line 14, b: 'red' is not a number; .* FEATURES = \{'b': str"),
        ("1,1_0,x\n", r"c\.csv, line 14, b: '1_0' is not a number"),
        ("1,\u0663,x\n", r"c\.csv, line 14, b: '\u0663' is not a number"),
        (",2,x\n", r"c\.csv, line 14, a is empty: .* FEATURES = \{'a': float \| None"),
        ("1,1e31,x\n", r"c\.csv, line 14, b: 1e31 is NaN, infinite or beyond"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_file_and_line(
    program: Any, tmp_path: Path, text: str, said: str
) -> None:
    (tmp_path / "c.csv").write_text(HEADER + ROWS + text)
    with pytest.raises(ValueError, match=said):
        program("inputs").labels(read(program, tmp_path), "kind")


def test_labels_that_differ_only_in_case_are_classes_if_they_are_declared(
    program: Any, tmp_path: Path
) -> None:
    (tmp_path / "c.csv").write_text(HEADER + ROWS + "1,2,X\n" * 2)
    table, labels = read(program, tmp_path), program("inputs").labels
    with pytest.raises(ValueError, match=r"declare both in model\.py as CLASSES"):
        labels(table, "kind")
    assert set(labels(table, "kind", ("x", "X", "y"))) == {"x", "X", "y"}
    with pytest.raises(ValueError, match=r"line 14, kind: 'X' is not among CLASSES of model.py \(x, y\)"):
        labels(table, "kind", ("x", "y"))


def test_a_letter_has_one_spelling_however_it_is_composed(program: Any, tmp_path: Path) -> None:
    composed, decomposed = "\u00e9t\u00e9", "e\u0301te\u0301"  # as Linux and macOS name files, for instance
    (tmp_path / "c.csv").write_text(HEADER + ROWS + f"1,2,{composed}\n" * 3 + f"1,2,{decomposed}\n" * 2)
    said = r"line 17, kind: 'e\\u0301te\\u0301' is spelled '\\xe9t\\xe9' elsewhere"
    with pytest.raises(ValueError, match=said):
        program("inputs").labels(read(program, tmp_path), "kind")


def test_a_class_can_be_called_none_if_it_is_declared(program: Any, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(HEADER + ROWS + "1,2,None\n" * 2)
    labels = program("inputs").labels(read(program, tmp_path), "kind", ("None", "x", "y"))
    assert set(labels) == {"None", "x", "y"}


def test_a_quantity_is_not_taken_for_classes(program: Any, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(HEADER + "".join(f"1,2,{n}\n" for n in range(30)))
    with pytest.raises(ValueError, match="If kind is a quantity, use a regressor"):
        program("inputs").labels(read(program, tmp_path), "kind")
    (tmp_path / "c.csv").write_text(HEADER + ROWS)
    with pytest.raises(ValueError, match=r"c\.csv, line 2, kind: 'x' is not a number, and a regressor"):
        program("inputs").quantities(read(program, tmp_path), "kind")


def test_files_in_folders_are_read_and_what_is_not_read_is_named(
    program: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "2026/05").mkdir(parents=True)
    (tmp_path / "2026/05/day.CSV").write_text(HEADER + ROWS)
    (tmp_path / ".ipynb_checkpoints").mkdir()
    (tmp_path / ".ipynb_checkpoints/day.csv").write_text(HEADER + ROWS)
    (tmp_path / "notes.txt").touch()
    assert len(read(program, tmp_path).rows) == 12
    assert ".ipynb_checkpoints/day.csv, notes.txt" in capsys.readouterr().out


def test_text_and_missing_values_are_read_where_they_are_declared(program: Any, tmp_path: Path) -> None:
    import numpy as np

    (tmp_path / "c.csv").write_text(HEADER + "1,red,x\n,blue,y\n")
    found = read(program, tmp_path, {"a": float | None, "b": str}).rows
    assert found.dtype == object
    assert found[0].tolist() == [1.0, "red"]
    assert np.isnan(found[1, 0])
    with pytest.raises(ValueError, match="type for b that a column cannot have"):
        read(program, tmp_path, {"a": float, "b": list})
