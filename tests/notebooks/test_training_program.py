"""The training program: what SageMaker provides, what it finds afterwards, and why training failed."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.conftest import DATA

pytestmark = pytest.mark.slow

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


def table(opt_ml: Path, program: Any) -> Any:
    """Return the data set as training reads it."""
    inputs, model = program("inputs"), program("model")
    files = inputs.files(opt_ml / "input/data/training")
    return inputs.read_table(files, inputs.columns(model.FEATURES), model.TARGET)


def test_it_leaves_models_evaluation_and_metrics(
    program: Any, opt_ml: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    set_hyperparameters(opt_ml, {"C": "0.5", "n_estimators": "10"})
    assert program("training").main() == 0
    assert sorted(path.name for path in (opt_ml / "model").iterdir()) == [
        "evaluation.json",
        "logistic.onnx",
        "model.json",
        "random_forest.onnx",
    ]
    found = json.loads((opt_ml / "output/data/evaluation.json").read_text())
    assert found["schema"] == 1
    assert list(found["algorithms"]) == ["logistic", "random_forest"]
    assert found["classes"] == ["setosa", "versicolor", "virginica"]
    assert found["rows"] == {"training": 120, "test": 30, "held_out": 30}
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


def held_out(opt_ml: Path) -> tuple[list[list[str]], list[list[str]]]:
    """Return held_out.csv and held_out_predictions.csv, with their headers."""
    return tuple(  # type: ignore[return-value]
        list(csv.reader((opt_ml / "output/data" / name).read_text().splitlines()))
        for name in ("held_out.csv", "held_out_predictions.csv")
    )


def test_the_test_rows_lie_beside_the_evaluation_with_labels_and_predictions(
    program: Any, opt_ml: Path
) -> None:
    assert program("training").main() == 0
    (header, *rows), (algorithms, *answers) = held_out(opt_ml)
    found = json.loads((opt_ml / "output/data/evaluation.json").read_text())
    assert header == [*found["features"], found["target"]]
    assert algorithms == list(found["algorithms"])
    assert sha256((opt_ml / "output/data/held_out.csv").read_bytes()) == found["digests"]["held_out"]
    data = (opt_ml / "input/data/training/iris.csv").read_text().splitlines()[1:]
    known = [(*map(float, line.split(",")[:4]), line.split(",")[4]) for line in data]
    assert all((*map(float, row[:4]), row[4]) in known for row in rows)
    for column, name in enumerate(algorithms):
        counted = [[0] * 3 for _ in range(3)]
        for row, answer in zip(rows, answers, strict=True):
            counted[found["classes"].index(row[4])][found["classes"].index(answer[column])] += 1
        assert counted == found["algorithms"][name]["confusion_matrix"]


@pytest.mark.parametrize(("limit", "value"), [("HELD_OUT_ROWS", 20), ("HELD_OUT_BYTES", 20 * 30)])
def test_many_test_rows_are_a_sample_and_the_evaluation_says_so(
    program: Any, opt_ml: Path, monkeypatch: pytest.MonkeyPatch, limit: str, value: int
) -> None:
    training = program("training")
    assert training.main() == 0
    (_, *everything), (_, *all_answers) = held_out(opt_ml)
    monkeypatch.setattr(training, limit, value)
    for _ in range(2):
        assert training.main() == 0
        (_, *rows), (_, *answers) = held_out(opt_ml)
        found = json.loads((opt_ml / "output/data/evaluation.json").read_text())["rows"]
        assert 15 <= len(rows) == len(answers) == found["held_out"] < found["test"] == 30
        pairs = list(zip(everything, all_answers, strict=True))
        assert all(pair in pairs for pair in zip(rows, answers, strict=True))
        assert len({row[4] for row in rows}) == 3


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
            "unknown hyperparameter n_trees: use C, max_iter, n_estimators, random_state",
        ),
        ({"C": "much"}, "hyperparameter C: 'much' is not a valid float"),
        ({"C": "-1"}, "hyperparameter C: -1.0 is not between"),
        ({"C": "nan"}, "hyperparameter C: 'nan' is not a valid float: use a finite number"),
        ({"max_iter": "1e3"}, "hyperparameter max_iter: '1e3' is not a valid int"),
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
        (HEADER + "1,2,3,x,setosa\n", "iris.csv, line 2, petal_width: 'x' is not a number"),
        (HEADER + "1,2,3\n", "iris.csv, line 2: 3 values, but the header has 5 columns"),
        (HEADER + "1,2,3,,setosa\n", "iris.csv, line 2, petal_width is empty"),
        (HEADER + "1,2,3,nan,setosa\n", "iris.csv, line 2, petal_width: nan is NaN"),
    ],
)
def test_wrong_data_is_refused_by_file_and_line(program: Any, opt_ml: Path, text: str, said: str) -> None:
    set_data(opt_ml, text)
    assert said in failure(opt_ml, program)


def test_an_empty_channel_is_refused(program: Any, opt_ml: Path) -> None:
    (opt_ml / "input/data/training/iris.csv").unlink()
    assert "has no .csv file" in failure(opt_ml, program)


def test_the_base_image_alone_says_that_it_has_no_model(
    program: Any, opt_ml: Path, exercises: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    training = program("training")
    monkeypatch.setattr(sys, "path", [p for p in sys.path if p != str(exercises / "model_image")])
    sys.modules.pop("model", None)
    assert training.main() == 1
    assert (opt_ml / "output/failure").read_text().startswith("RuntimeError: this image has no model.py")


def test_digests_lead_from_the_evaluation_to_the_models(program: Any, opt_ml: Path) -> None:
    assert program("training").main() == 0
    evaluation = (opt_ml / "output/data/evaluation.json").read_bytes()
    assert (opt_ml / "model/evaluation.json").read_bytes() == evaluation
    about = (opt_ml / "model/model.json").read_bytes()
    assert json.loads(evaluation)["digests"]["model"] == sha256(about)
    for algorithm, file in json.loads(about)["algorithms"].items():
        assert file["name"] == f"{algorithm}.onnx"
        assert file["digest"] == sha256((opt_ml / "model" / file["name"]).read_bytes())


def sha256(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()


def test_labels_equal_those_of_scikit_learn_even_beside_the_thresholds_of_trees(
    program: Any, opt_ml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    model, training = program("model"), program("training")
    estimators = model.estimators(model.Hyperparameters())
    monkeypatch.setattr(model, "estimators", lambda _: estimators)
    assert training.main() == 0
    data = table(opt_ml, program).rows
    random = np.random.default_rng(1)
    anywhere = random.uniform(data.min(axis=0) - 2, data.max(axis=0) + 2, (10_000, 4))
    trees = [tree.tree_ for tree in estimators["random_forest"].estimators_]
    beside = np.empty_like(anywhere)
    for feature in range(4):
        thresholds = np.concatenate([tree.threshold[tree.feature == feature] for tree in trees])
        steps = random.integers(-2, 3, len(anywhere))
        chosen = random.choice(thresholds, len(anywhere))
        beside[:, feature] = np.where(steps == 0, chosen, chosen + steps * np.spacing(np.float32(chosen)) / 2)
    loaded = program("predictor").Predictor(opt_ml / "model")
    for algorithm, estimator in estimators.items():
        for rows in (data, anywhere, beside):
            labels, probabilities = loaded.algorithms[algorithm](rows)
            assert (labels == estimator.predict(rows)).all()
            assert np.abs(probabilities - estimator.predict_proba(rows)).max() < 1e-5


def test_trees_that_vote_equally_are_served_and_data_keeps_its_labels(program: Any) -> None:
    """Two labels in five are wrong: a few made-up rows have two classes that are equally likely."""
    import numpy as np
    from sklearn.ensemble import RandomForestClassifier

    proof = program("proof")
    with DATA.open(newline="") as file:
        _, *lines = list(csv.reader(file))
    rows = np.array([[float(cell) for cell in line[:4]] for line in lines])
    labels, chance = np.array([line[4] for line in lines]), np.random.default_rng(4)
    wrong = chance.random(len(labels)) < 0.4
    labels[wrong] = chance.choice(np.unique(labels), wrong.sum())
    forest = RandomForestClassifier(100, random_state=42).fit(rows, labels)

    served = program("predictor").load_onnx(proof.to_onnx("forest", forest, rows))
    checked, (expected, shares) = proof.expectations("forest", forest, rows)
    given, given_shares = served(checked)
    second, first = np.sort(shares[given != expected], axis=1)[:, -2:].T
    assert len(first), "this forest was chosen because it has such rows"
    assert (first - second < 1e-9).all()
    assert np.abs(given_shares - shares).max() < 1e-5
    assert (given[: len(rows)] == expected[: len(rows)]).all()


def test_a_label_of_the_data_counts_even_where_two_classes_are_equally_likely(program: Any) -> None:
    import numpy as np

    proof, rows = program("proof"), np.zeros((3, 1))
    expected = np.array(["a"] * 3), np.full((3, 2), 0.5)

    def serve(some: Any) -> Any:
        return np.array(["b"] * len(some)), np.full((len(some), 2), 0.5)

    assert proof.faulty(serve, rows, expected, real=3) == 6  # together, and alone
    assert proof.faulty(serve, rows, expected, real=0) == 0
    unequal = np.array(["a"] * 3), np.array([[0.5001, 0.4999]] * 3)
    assert proof.faulty(serve, rows, unequal, real=0) == 6


def test_a_model_that_onnx_would_change_is_not_released(
    program: Any, opt_ml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sklearn.neighbors import KNeighborsClassifier

    class Contrary(KNeighborsClassifier):  # type: ignore[misc]
        def predict(self, rows: Any) -> Any:
            return super().predict(rows)[::-1]

    monkeypatch.setattr(program("model"), "estimators", lambda _: {"contrary": Contrary()})
    monkeypatch.setattr("skl2onnx.to_onnx", _as_neighbors)
    assert re.search(r"contrary \(the predictions differ in \d+ of \d+ rows", failure(opt_ml, program))
    assert not list((opt_ml / "model").iterdir())


@pytest.mark.parametrize("runtime", ["onnx", "scikit-learn"])
def test_a_model_whose_rows_depend_on_those_beside_them_is_refused(
    program: Any, opt_ml: Path, own_model: Callable[[str], None], runtime: str
) -> None:
    """The server asks a model once for the rows of several clients."""
    ratios = "rows[:, 0] / (rows[:, 1] + 1), rows[:, 2] / (rows[:, 3] + 1)"
    assert ratios in OWN_MODEL
    source = OWN_MODEL.replace(
        ratios, "rows[:, 0] - rows[:, 0].mean(), 10 * (rows[:, 2] > rows[:, 2].mean())"
    )
    own_model(source.replace('"scikit-learn"', f'"{runtime}"'))
    assert "ratios" in failure(opt_ml, program)
    assert not list((opt_ml / "model").iterdir())


@pytest.mark.parametrize("classes", [2, 3])
def test_a_forest_predicts_the_same_without_the_zeros_in_its_leaves(program: Any, classes: int) -> None:
    import onnx
    from sklearn.datasets import load_iris
    from sklearn.ensemble import RandomForestClassifier

    proof, data = program("proof"), load_iris()
    known = data.target < classes
    rows, labels = data.data[known], data.target_names[data.target[known]].astype(str)
    forest = RandomForestClassifier(16, random_state=0).fit(rows, labels)  # 1/16 is exact as a float32
    content = proof.to_onnx("forest", forest, rows)
    expected = proof.predictions(forest, proof.probes(rows))
    assert proof.faulty(proof.load_onnx(content), proof.probes(rows), expected) == 0
    [trees] = [node for node in onnx.load_from_string(content).graph.node if "Tree" in node.op_type]
    votes = next(one.floats for one in trees.attribute if one.name == "class_weights")
    assert all(votes) or classes == 2  # then a leaf has one vote, which may be zero


def test_the_digest_does_not_depend_on_the_hash_seed(
    program: Any, opt_ml: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """skl2onnx iterates over a set of strings, so about one process in eight has them in the other order."""
    import skl2onnx

    model, proof, data = program("model"), program("proof"), table(opt_ml, program)
    rows, labels = data.rows, data.target
    for algorithm, estimator in model.estimators(model.Hyperparameters(n_estimators=3)).items():
        estimator.fit(rows, labels)
        usual = proof.to_onnx(algorithm, estimator, rows)
        with monkeypatch.context() as turned:
            turned.setattr(skl2onnx, "to_onnx", partial(_with_imports_reversed, skl2onnx.to_onnx))
            assert proof.to_onnx(algorithm, estimator, rows) == usual


def _with_imports_reversed(to_onnx: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    model = to_onnx(*arguments, **options)
    imports = list(model.opset_import)
    assert len(imports) > 1
    del model.opset_import[:]
    model.opset_import.extend(reversed(imports))
    return model


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
    assert list(program("app").Application(opt_ml / "model").algorithms) == ["tree"]


OWN_MODEL = """
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
TARGET = "species"
RUNTIME = "scikit-learn"


@dataclass(frozen=True)
class Hyperparameters:
    pass


class Ratios(TransformerMixin, BaseEstimator):
    def fit(self, rows: Any, labels: Any = None) -> "Ratios":
        return self

    def transform(self, rows: np.ndarray) -> np.ndarray:
        return np.column_stack([rows, rows[:, 0] / (rows[:, 1] + 1), rows[:, 2] / (rows[:, 3] + 1)])


def estimators(_: Hyperparameters) -> dict[str, Any]:
    return {"ratios": make_pipeline(Ratios(), LogisticRegression(max_iter=1000)), "margin": LinearSVC()}
"""


@pytest.fixture
def own_model(
    program: Any, opt_ml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Write a model.py that is found before the iris model's."""
    import sys

    monkeypatch.syspath_prepend(str(tmp_path))

    def write(source: str) -> None:
        (tmp_path / "model.py").write_text(source)
        sys.modules.pop("model", None)

    return write


def test_what_onnx_cannot_express_is_served_by_scikit_learn_after_one_line(
    program: Any, opt_ml: Path, own_model: Callable[[str], None]
) -> None:
    own_model(OWN_MODEL)
    assert program("training").main() == 0
    server, application = program("server"), program("app").Application(opt_ml / "model")
    for algorithm, fields in (("ratios", 3), ("margin", 2)):  # a margin is no probability
        headers = {
            b"content-type": b"text/csv",
            b"x-amzn-sagemaker-custom-attributes": f"algorithm={algorithm}".encode(),
        }
        head = server.Head("POST", "/invocations", headers, True, 15)
        [response] = application([server.Request(head, b"5.1,3.5,1.4,0.2")])
        answer = json.loads(response.body)
        assert answer["predictions"] == ["setosa"]
        assert len(answer) == fields


def test_a_pickle_that_training_did_not_write_is_not_loaded(
    program: Any, opt_ml: Path, own_model: Callable[[str], None]
) -> None:
    import pickle

    own_model(OWN_MODEL)
    assert program("training").main() == 0
    (opt_ml / "model/ratios.joblib").write_bytes(pickle.dumps(print))
    with pytest.raises(RuntimeError, match=r"ratios\.joblib has the digest sha256:.* changed or damaged"):
        program("app").Application(opt_ml / "model")


@pytest.mark.parametrize("line", ["", 'RUNTIME = "fortran"'])
def test_without_that_line_training_says_which_one_is_missing(
    program: Any, opt_ml: Path, own_model: Callable[[str], None], line: str
) -> None:
    own_model(OWN_MODEL.replace('RUNTIME = "scikit-learn"', line))
    reason = failure(opt_ml, program)
    assert "scikit-learn" in reason
    if not line:
        assert reason.startswith("RuntimeError: ONNX cannot reproduce ratios")
        assert 'add RUNTIME = "scikit-learn" to model.py' in reason
    assert not list((opt_ml / "model").iterdir())
