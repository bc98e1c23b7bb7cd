"""The training program: what SageMaker hands in, what it finds afterwards, and why training failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

HEADER = "sepal_length,sepal_width,petal_length,petal_width,species\n"


def set_hyperparameters(opt_ml: Path, values: Any) -> None:
    (opt_ml / "input/config/hyperparameters.json").write_text(json.dumps(values))


def set_data(opt_ml: Path, text: str) -> None:
    (opt_ml / "input/data/training/iris.csv").write_text(text)


def failure(opt_ml: Path, program: Any) -> str:
    """Train, expect it to fail, and return the first line of the failure file."""
    assert program("training").main() == 1
    assert not (opt_ml / "output/data/evaluation.json").exists()
    text = (opt_ml / "output/failure").read_text()
    assert "Traceback" in text
    return text.splitlines()[0]


def test_it_leaves_models_evaluation_and_metrics(
    program: Any, opt_ml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_hyperparameters(opt_ml, {"C": "0.5", "n_estimators": "10"})
    assert program("training").main() == 0
    assert sorted(path.name for path in (opt_ml / "model").iterdir()) == [
        "logistic.onnx",
        "model.json",
        "random_forest.onnx",
    ]
    found = json.loads((opt_ml / "output/data/evaluation.json").read_text())
    assert found["schema"] == 1
    assert list(found["algorithms"]) == ["logistic", "random_forest"]
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    assert found["rows"] == {"training": 120, "test": 30}
    assert found["hyperparameters"] == {
        "C": 0.5,
        "max_iter": 200,
        "n_estimators": 10,
        "random_state": 42,
    }
    assert all(digest.startswith("sha256:") for digest in found["digests"].values())
    for scores in found["algorithms"].values():
        assert scores["accuracy"] >= 0.9
        assert min(scores["recall"].values()) >= 0.85
        assert set(scores["precision"]) == set(scores["recall"]) == set(found["classes"])
        assert [sum(row) for row in scores["confusion_matrix"]] == [10, 10, 10]
        right = sum(scores["confusion_matrix"][i][i] for i in range(3))
        assert scores["accuracy"] == pytest.approx(right / 30)
    printed = capsys.readouterr().out.splitlines()
    assert f"logistic accuracy={found['algorithms']['logistic']['accuracy']:.4f}" in printed
    assert f"random_forest accuracy={found['algorithms']['random_forest']['accuracy']:.4f}" in printed
    assert not (opt_ml / "output/failure").exists()


def test_the_same_input_gives_the_same_model(program: Any, opt_ml: Path) -> None:
    training = program("training")
    assert training.main() == 0
    first = {path.name: path.read_bytes() for path in (opt_ml / "model").iterdir()}
    assert training.main() == 0
    assert {path.name: path.read_bytes() for path in (opt_ml / "model").iterdir()} == first


def test_training_without_hyperparameters_takes_the_defaults(program: Any, opt_ml: Path) -> None:
    (opt_ml / "input/config/hyperparameters.json").unlink()
    assert program("training").main() == 0
    found = json.loads((opt_ml / "output/data/evaluation.json").read_text())
    assert found["hyperparameters"]["n_estimators"] == 100


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            {"n_trees": "7"},
            "unknown hyperparameter n_trees: C, max_iter, n_estimators, random_state are known",
        ),
        ({"C": "much"}, "hyperparameter C: 'much' is not of type float"),
        ({"C": "-1"}, "hyperparameter C: -1.0 is not between"),
        ({"C": "nan"}, "hyperparameter C: nan is not between"),
        ({"max_iter": "1e3"}, "hyperparameter max_iter: '1e3' is not of type int"),
        ({"max_iter": "0"}, "hyperparameter max_iter: 0 is not between"),
        ({"n_estimators": "5000"}, "hyperparameter n_estimators: 5000 is not between"),
        ({"random_state": "-1"}, "hyperparameter random_state: -1 is not between"),
    ],
)
def test_wrong_hyperparameters_are_refused_by_name(
    program: Any, opt_ml: Path, values: dict[str, str], said: str
) -> None:
    set_hyperparameters(opt_ml, values)
    assert failure(opt_ml, program).startswith(f"ValueError: {said}")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "iris.csv has no column petal_length, petal_width"),
        ("sepal_length,species\n1,setosa\n", "iris.csv has no column petal_length"),
        (HEADER, "the training data is empty"),
        (HEADER + "1,2,3,x,setosa\n", "iris.csv, line 2: could not convert string to float: 'x'"),
        (HEADER + "1,2,3\n", "iris.csv, line 2:"),
        (HEADER + "1,2,3,nan,setosa\n", "the training data is empty or holds NaN"),
    ],
)
def test_wrong_data_is_refused_by_file_and_line(program: Any, opt_ml: Path, text: str, said: str) -> None:
    set_data(opt_ml, text)
    assert said in failure(opt_ml, program)


def test_an_empty_channel_is_refused(program: Any, opt_ml: Path) -> None:
    (opt_ml / "input/data/training/iris.csv").unlink()
    assert "holds no .csv file" in failure(opt_ml, program)


def test_the_base_image_alone_says_that_it_has_no_model(
    program: Any, opt_ml: Path, exercises: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    training = program("training")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(exercises / "model_image")])
    sys.modules.pop("model", None)
    assert training.main() == 1
    assert (opt_ml / "output/failure").read_text().startswith("RuntimeError: this image has no model.py")


def test_a_model_that_onnx_would_change_is_not_released(
    program: Any, opt_ml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    class Contrary(KNeighborsClassifier):  # type: ignore[misc]
        def predict(self, rows: Any) -> Any:
            return super().predict(rows)[::-1]

    training = program("training")
    monkeypatch.setattr(program("model"), "estimators", lambda _: {"contrary": Contrary()})
    monkeypatch.setattr(training.skl2onnx, "to_onnx", _as_neighbors)
    assert "other labels than scikit-learn" in failure(opt_ml, program)


def _as_neighbors(model: Any, *arguments: Any, **options: Any) -> Any:
    from skl2onnx.convert import to_onnx
    from sklearn.neighbors import KNeighborsClassifier

    plain = KNeighborsClassifier()
    plain.__dict__.update(model.__dict__)
    return to_onnx(plain, *arguments, **options)


def test_the_base_image_trains_another_estimator(
    program: Any, opt_ml: Path, exercises: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.syspath_prepend(str(exercises / "try_out"))
    sys.modules.pop("model", None)
    set_hyperparameters(opt_ml, {"max_depth": "2"})
    assert program("training").main() == 0
    application = program("app").Application()
    application.load(opt_ml / "model")
    assert list(application.predictor.sessions) == ["tree"]
