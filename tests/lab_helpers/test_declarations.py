"""What a model.py declares is found without running it, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab_helpers.declarations import DeclarationError, Declared
from tests.notebooks import sources

CHOSEN = {"C": 1.0, "depth": 3}


def test_the_lessons_model_declares_what_it_trains() -> None:
    declared = Declared.of(sources.all_written()["model_image/model.py"])
    assert declared.algorithms == ("logistic", "random_forest")
    assert declared.hyperparameters == ("C", "max_iter", "n_estimators", "random_state")
    assert declared.given(CHOSEN) == {"C": "1.0"}


@pytest.mark.parametrize(
    "body",
    [
        'return {"one": A(), "two": B()}',
        'found = {"one": A()}\n    found["two"] = B()\n    return found',
        'found: dict[str, Any] = {"one": A(), "two": B()}\n    return found',
        'found = {}\n    found["one"], other = A(), {"three": 3}\n    found["two"] = B()\n    return found',
    ],
)
def test_algorithms_are_found_in_whatever_is_returned(body: str) -> None:
    found = Declared.of(f"def estimators(chosen):\n    {body}\n")
    assert set(found.algorithms) <= {"one", "two"}
    assert "two" in found.algorithms


def test_what_the_text_does_not_spell_out_is_left_to_the_training_job() -> None:
    found = Declared.of("from mine import Hyperparameters\ndef estimators(_): return {n: A() for n in NAMES}")
    assert found.algorithms == ()
    assert found.given(CHOSEN) == {"C": "1.0", "depth": "3"}


def test_a_model_that_cannot_be_read_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeclarationError, match=r"model\.py does not exist: run notebook 02"):
        Declared.read(tmp_path / "model.py")
    (tmp_path / "model.py").write_text("x = 1\ndef estimators(:\n")
    with pytest.raises(DeclarationError, match=r"line 2: .*Correct the cell"):
        Declared.read(tmp_path / "model.py")
