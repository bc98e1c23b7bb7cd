"""The candidates of notebook 06: what each is good for, and how it goes wrong."""

from __future__ import annotations

import inspect
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

import candidates
import check
from lab_helpers.candidates import BAD
from tests.notebooks.conftest import DATA

pytestmark = pytest.mark.slow


@pytest.fixture
def made(program: Any, exercises: Path, tmp_path: Path) -> Any:
    """Make a candidate as the job does, and load it as the server does."""
    (tmp_path / "baseline").mkdir()
    (tmp_path / "baseline/training.csv").write_text(DATA.read_text())

    def make(name: str) -> Any:
        arguments = [
            name,
            f"--baseline={tmp_path / 'baseline'}",
            f"--candidates={tmp_path / 'candidates'}",
            f"--program={exercises / 'model_image'}",
            '--hyperparameters={"C": "1.0", "n_estimators": "10"}',
        ]
        assert candidates.main(arguments) == 0
        directory = tmp_path / "unpacked" / name
        packed = (tmp_path / "candidates" / name / "model.tar.gz").read_bytes()
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(directory, filter="data")
        return program("predictor").Predictor(directory)

    return make


def rows(program: Any) -> tuple[Any, list[str]]:
    inputs, model = program("inputs"), program("model")
    table = inputs.read_table([DATA], inputs.columns(model.FEATURES), model.TARGET)
    return table.rows, table.target


def accuracy(program: Any, predictor: Any, algorithm: str = "logistic") -> float:
    asked, truth = rows(program)
    labels: list[str] = predictor.algorithms[algorithm](asked)[0].tolist()
    return sum(one == other for one, other in zip(labels, truth, strict=True)) / len(truth)


def test_the_good_ones_are_good_and_the_shuffled_one_guesses(program: Any, made: Any) -> None:
    found = {name: accuracy(program, made(name)) for name in ("retrained", "small", "shuffled")}

    assert found["retrained"] >= 0.95
    assert 0.8 <= found["small"] < found["retrained"]
    assert found["shuffled"] < 0.6


def test_two_models_never_give_the_same_probabilities_to_all_digits(
    program: Any, made: Any, trained: Path
) -> None:
    """By this, the lesson tells who has answered."""
    asked, _ = rows(program)
    old = program("predictor").Predictor(trained).algorithms["logistic"](asked)[1]
    for name in ("retrained", "shuffled"):
        new = made(name).algorithms["logistic"](asked)[1]
        assert (abs(old - new).max(axis=1) > 1e-6).all(), name


def test_the_failing_one_answers_what_it_is_asked_first_and_fails_for_a_third(
    program: Any, made: Any
) -> None:
    predictor = made("failing")
    asked, _ = rows(program)
    failed = 0
    for row in asked:
        for algorithm in predictor.algorithms:
            try:
                predictor.algorithms[algorithm](row[None])
            except KeyError:
                failed += 1

    assert 0.25 <= failed / len(asked) / len(predictor.algorithms) <= 0.4


def test_the_slow_one_is_right_and_without_onnx(
    program: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "COPIES", 10)
    predictor = made("slow")

    assert accuracy(program, predictor) >= 0.95
    assert list(predictor.algorithms) == ["logistic", "random_forest"]


def test_each_candidate_of_the_lesson_can_be_made() -> None:
    assert set(candidates.CANDIDATES) == {"retrained", "small", "shuffled", "failing", "slow"}
    assert set(BAD) == set(candidates.CANDIDATES) - {"retrained", "small"}


def test_the_archive_has_the_files_of_a_training_job_at_its_top() -> None:
    packed = candidates.packed({"model.json": json.dumps({}).encode(), "a.onnx": b"x"})
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        assert archive.getnames() == ["a.onnx", "model.json"]


def test_a_candidate_that_onnx_cannot_reproduce_is_served_by_scikit_learn(
    program: Any, made: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trees that vote equally for two classes: where labels mean nothing, there are such rows."""

    def refuse(algorithm: str, *_: object) -> bytes:
        raise RuntimeError(f"ONNX cannot reproduce {algorithm}")

    writers = program("proof").WRITERS
    monkeypatch.setitem(writers, "onnx", (refuse, writers["onnx"][1]))
    assert accuracy(program, made("shuffled")) < 0.6


@pytest.mark.parametrize("program_of_a_job", [candidates, check])
def test_a_job_that_fails_says_why(program_of_a_job: Any, tmp_path: Path) -> None:
    message = tmp_path / "output/message"

    def fail() -> int:
        raise ValueError(1020 * "x" + "ééé")

    with pytest.raises(ValueError, match="xxx"):
        program_of_a_job.told(fail, message)
    said = message.read_bytes()
    assert said.decode().startswith("ValueError: xxx")
    assert len(said) <= 1024
    assert program_of_a_job.told(lambda: 0, tmp_path / "none") == 0
    assert not (tmp_path / "none").exists()


def test_both_programs_of_processing_jobs_tell_of_a_failure_in_the_same_words() -> None:
    """Each is one file in its container, so each has a copy."""
    assert inspect.getsource(check.told) == inspect.getsource(candidates.told)
