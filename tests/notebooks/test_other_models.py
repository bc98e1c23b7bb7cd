"""Models that are not the lesson's: regressors, text and missing values, steps that refuse some rows."""

from __future__ import annotations

import csv
import http.client
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn

from tests.notebooks import sources
from tests.waiting import eventually

pytestmark = pytest.mark.slow
MODEL = """
from dataclasses import dataclass

from sklearn.base import *
from sklearn.cluster import *
from sklearn.compose import *
from sklearn.decomposition import *
from sklearn.ensemble import *
from sklearn.impute import *
from sklearn.linear_model import *
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import *
from sklearn.multioutput import *
from sklearn.neighbors import *
from sklearn.pipeline import *
from sklearn.preprocessing import *
from sklearn.svm import *
from sklearn.tree import *
import numpy as np
import sklearn

FEATURES, TARGET = {features}, "{target}"
{runtime}


@dataclass
class Hyperparameters:
    pass


def estimators(_):
    return {{"one": {estimator}}}
"""
IRIS = ("sepal_length", "sepal_width", "petal_length", "petal_width")
SCIKIT_LEARN = 'RUNTIME = "scikit-learn"'
Train = Callable[..., str]


@pytest.fixture
def train(program: Any, opt_ml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Train:
    """Train an estimator; returns why that failed, or an empty string."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def train(
        estimator: str, runtime: str = "", features: Any = IRIS, target: str = "species", data: str = ""
    ) -> str:
        sys.modules.pop("model", None)
        source = MODEL.format(estimator=estimator, runtime=runtime, features=features, target=target)
        (tmp_path / "model.py").write_text(source)
        if data:
            (opt_ml / "input/data/training/iris.csv").write_text(data)
        if program("training").main() == 0:
            return ""
        assert not list((opt_ml / "model").iterdir())
        return (opt_ml / "output/failure").read_text().splitlines()[0]

    return train


@pytest.fixture
def ask(program: Any, opt_ml: Path) -> Callable[..., tuple[int, Any]]:
    """Ask what has been trained, and return the status and the answer."""

    def ask(
        body: Any, kind: str = "application/json", accept: str = "", attributes: str = ""
    ) -> tuple[int, Any]:
        server, application = program("server"), program("app").Application(opt_ml / "model")
        content = body.encode() if isinstance(body, str) else json.dumps({"instances": body}).encode()
        headers = {
            b"content-type": kind.encode(),
            b"accept": accept.encode(),
            b"x-amzn-sagemaker-custom-attributes": attributes.encode(),
        }
        head = server.Head("POST", "/invocations", headers, True, len(content))
        try:
            [response] = application([server.Request(head, content)])
        except server.RefusedError as refused:
            response = refused.response()
        text = response.body.decode()
        return response.status, json.loads(text) if text.startswith("{") else text

    return ask


@pytest.mark.parametrize("runtime", ["", SCIKIT_LEARN])
@pytest.mark.parametrize(
    "estimator", ["LinearRegression()", "RandomForestRegressor(5, random_state=0)", "Ridge()"]
)
def test_a_regressor_trains_and_serves_numbers(
    train: Train, ask: Any, opt_ml: Path, runtime: str, estimator: str
) -> None:
    assert train(estimator, runtime, features=IRIS[:3], target="petal_width") == ""
    found = json.loads((opt_ml / "output/data/evaluation.json").read_text())
    assert (found["task"], found["classes"], found["rows"]["test"]) == ("regression", [], 30)
    assert 0.8 < found["algorithms"]["one"]["r2"] < 1
    assert found["algorithms"]["one"]["mean_absolute_error"] < 0.5
    status, answer = ask([[5.1, 3.5, 1.4], [6.3, 3.3, 6.0]])
    assert (status, set(answer)) == (200, {"algorithm", "predictions"})
    assert [round(one) for one in answer["predictions"]] == [0, 2]
    assert float(ask("5.1,3.5,1.4", "text/csv", "text/csv")[1]) == pytest.approx(answer["predictions"][0])


def test_a_model_predicts_either_numbers_or_classes(train: Train) -> None:
    assert "mixes regressors (two) and classifiers" in train('LogisticRegression(), "two": Ridge()')


@pytest.mark.parametrize(
    "estimator",
    [
        "make_pipeline(PowerTransformer('box-cox'), LogisticRegression())",
        "make_pipeline(FunctionTransformer(np.log), LogisticRegression())",
        "RadiusNeighborsClassifier(3.0)",
    ],
)
def test_a_row_that_scikit_learn_refuses_is_answered_with_its_reason_and_the_endpoint_starts(
    train: Train, ask: Any, estimator: str
) -> None:
    said = train(estimator)
    assert said.startswith("RuntimeError: ONNX cannot reproduce one (scikit-learn refuses some rows")
    assert SCIKIT_LEARN in said
    assert train(estimator, SCIKIT_LEARN) == ""
    assert ask([[5.1, 3.5, 1.4, 0.2]])[0] == 200
    status, answer = ask([[5.1, 3.5, 1.4, 0.2], [5.1, 3.5, 1.4, 0.2], [-999, -999, -999, -999]])
    assert status == 400
    assert answer["error"].startswith("row 2: the model cannot predict it: ")


@pytest.mark.parametrize("encoder", ["OneHotEncoder()", "OrdinalEncoder()"])
def test_an_encoder_of_codes_serves_them_and_refuses_others(train: Train, ask: Any, encoder: str) -> None:
    data = "code,kind\n" + "".join(f"{1 + n % 5},{'xy'[n % 5 > 2]}\n" for n in range(60))
    given = {"features": ("code",), "target": "kind", "data": data}
    estimator = f"make_pipeline({encoder}, LogisticRegression())"
    assert "Found unknown categories" in train(estimator, **given)
    assert train(estimator, SCIKIT_LEARN, **given) == ""
    assert ask([[1], [5]])[1]["predictions"] == ["x", "y"]
    assert "row 1: the model cannot predict it: Found unknown" in ask([[1], [6]])[1]["error"]


def test_a_model_that_refuses_the_data_that_it_is_measured_with_is_not_released(train: Train) -> None:
    said = train("make_pipeline(OneHotEncoder(), LogisticRegression())", SCIKIT_LEARN)
    assert "one cannot predict all rows of the data" in said
    assert "handle_unknown" in said


@pytest.mark.parametrize(
    "estimator",
    [
        'make_pipeline(KBinsDiscretizer(5, encode="ordinal", strategy="uniform"), LogisticRegression())',
        "OneVsRestClassifier(LogisticRegression())",
        "KNeighborsClassifier()",
    ],
)
def test_what_would_be_served_otherwise_at_an_edge_far_out_or_on_a_tie_is_refused(
    train: Train, estimator: str
) -> None:
    said = train(estimator)
    assert said.startswith("RuntimeError: ONNX cannot reproduce one (")
    assert SCIKIT_LEARN in said


def test_text_and_missing_values_are_served_where_they_are_declared(train: Train, ask: Any) -> None:
    random = np.random.default_rng(0)
    lines = []
    for _ in range(60):
        size, color = random.normal(), random.choice(["red", "blue"])
        lines.append(f"{size if random.random() < 0.8 else ''},{color},{'x' if color == 'red' else 'y'}")
    data = "size,color,kind\n" + "\n".join(lines) + "\n"
    estimator = (
        "make_pipeline(make_column_transformer((SimpleImputer(), [0]), (OneHotEncoder(), [1])), "
        "LogisticRegression())"
    )
    features = "{'size': float | None, 'color': str}"
    given = {"features": features, "target": "kind", "data": data}
    assert "color is text, and ONNX serves numbers only" in train(estimator, **given)
    assert train(estimator, SCIKIT_LEARN, **given) == ""
    assert ask([[0.5, "red"], [None, "blue"]])[1]["predictions"] == ["x", "y"]
    assert ask("0.5,red\n,blue\n", "text/csv", "text/csv")[1].startswith("x,")
    for body, said in (
        ([[0.5, "green"]], "row 0: the model cannot predict it: Found unknown categories"),
        ([[0.5, 3]], "row 0, color: 3 is not text"),
        ([["big", "red"]], 'row 0, size: "big" is not a number or nothing'),
    ):
        status, answer = ask(body)
        assert (status, answer["error"][: len(said)]) == (400, said)


def test_held_out_rows_keep_text_missing_values_and_every_digit(train: Train, opt_ml: Path) -> None:
    random = np.random.default_rng(1)
    texts, sizes = ["a,b", 'say "x"', ""], random.normal(size=60)
    lines = [
        [repr(size) if i % 4 else "", texts[i % 3], repr(size * 3)] for i, size in enumerate(sizes.tolist())
    ]
    file = io.StringIO()
    csv.writer(file).writerows([["size", "words", "weight"], *lines])
    features = "{'size': float | None, 'words': str | None}"
    estimator = "make_pipeline(make_column_transformer((SimpleImputer(), [0])), Ridge())"
    assert train(estimator, SCIKIT_LEARN, features=features, target="weight", data=file.getvalue()) == ""
    written = (opt_ml / "output/data/held_out.csv").read_text().splitlines()
    header, *rows = csv.reader(written)
    assert header == ["size", "words", "weight"]
    assert len(rows) == 12
    assert all(row in lines for row in rows)
    predictions = (opt_ml / "output/data/held_out_predictions.csv").read_text().splitlines()
    assert predictions[0] == "one"
    assert all(str(float(line)) == line for line in predictions[1:])


def test_missing_numbers_are_served_by_onnx_if_they_are_declared(train: Train, ask: Any) -> None:
    data = "size,kind\n" + "1,x\n,x\n5,y\n6,y\n" * 10
    given = {"features": "{'size': float | None}", "target": "kind", "data": data}
    assert train("make_pipeline(SimpleImputer(), LogisticRegression())", **given) == ""
    assert ask([[None], [9]])[1]["predictions"] == ["x", "y"]
    assert ask("1\n", "text/csv")[1]["predictions"] == ["x"]


@pytest.mark.parametrize("runtime", ["", SCIKIT_LEARN])
@pytest.mark.parametrize(
    ("estimator", "said"),
    [
        ("None", "ValueError: one of estimators() in model.py is None, not an estimator"),
        ("LogisticRegression", "ValueError: one of estimators() in model.py is <class"),
        ("StandardScaler()", "RuntimeError: one cannot predict: let it end in a classifier"),
        ("make_pipeline(StandardScaler(), PCA(2))", "RuntimeError: one cannot predict"),
        ("GridSearchCV(LogisticRegression(), {'C': [1]}, refit=False)", "RuntimeError: one cannot predict"),
        ("KMeans(3, random_state=0)", "RuntimeError: one predicts 0, 1, 2, and the classes are setosa, ver"),
        ("OneClassSVM()", "RuntimeError: one predicts -1, 1, and the classes are setosa, versicolor"),
        ("LogisticRegression(C='x')", "RuntimeError: one cannot be fitted (The 'C' parameter of"),
        ("ClassifierChain(LogisticRegression())", "RuntimeError: one cannot be fitted (tuple index"),
        (
            "make_column_transformer((StandardScaler(), ['sepal_length']))",
            "RuntimeError: one cannot be fitted (Specifying the columns using strings",
        ),
    ],
)
def test_what_is_no_classifier_is_refused_in_words_whatever_serves(
    train: Train, estimator: str, said: str, runtime: str
) -> None:
    assert train(estimator, runtime).startswith(said)


def test_estimators_have_names(train: Train) -> None:
    assert "returns nothing by a name" in train('1}.keys() or {"two": Ridge()')


OWN = """
class Own({mixins}):
    def fit(self, rows, labels):
        self.model_ = {model}.fit(rows, labels)
        self.classes_ = getattr(self.model_, "classes_", None)
        return self

    def predict(self, rows):
        return self.model_.predict(rows)
"""
OWN_CLASSIFIER = OWN.format(mixins="ClassifierMixin, BaseEstimator", model="LogisticRegression(max_iter=500)")


def test_probabilities_in_another_order_than_the_classes_are_refused(train: Train, ask: Any) -> None:
    """Without this, each probability was served under the name of another class."""
    own = OWN_CLASSIFIER.replace(
        "        return self\n", "        self.classes_ = self.classes_[::-1]\n        return self\n"
    )
    own += "\n    def predict_proba(self, rows):\n        return self.model_.predict_proba(rows)[:, ::-1]\n"
    said = train("Own()", SCIKIT_LEARN + own)
    assert said.startswith("RuntimeError: one has the classes_ virginica, versicolor, setosa, and prob")
    in_order = own.replace("[:, ::-1]", ".tolist()").replace("[::-1]", "")
    assert train("Own()", SCIKIT_LEARN + in_order) == ""
    [shares] = ask([[5.1, 3.5, 1.4, 0.2]])[1]["probabilities"]
    assert shares[0] > 0.9


def test_a_regressor_of_ones_own_predicts_one_number_for_each_row(train: Train, ask: Any) -> None:
    own = OWN.format(mixins="RegressorMixin, BaseEstimator", model="LinearRegression()")
    given = {"features": IRIS[:3], "target": "petal_width"}
    two = own.replace("predict(rows)\n", "predict(rows)[:, np.newaxis].repeat(2, 1)\n")
    assert "one predicts an array of (20, 2) for 20 rows" in train("Own()", SCIKIT_LEARN + two, **given)
    unknown = own.replace("RegressorMixin, BaseEstimator", "BaseEstimator, RegressorMixin")
    assert "inherit from RegressorMixin first" in train("Own()", SCIKIT_LEARN + unknown, **given)
    column = own.replace("predict(rows)\n", "predict(rows)[:, np.newaxis]\n")
    assert train("Own()", SCIKIT_LEARN + column, **given) == ""
    assert [type(one) for one in ask([[5.1, 3.5, 1.4]])[1]["predictions"]] == [float]


@pytest.mark.parametrize(
    "own",
    [
        OWN_CLASSIFIER.replace(
            "        return self\n", "        SEEN.append(rows)\n        return self\n"
        ).replace("(rows)\n", "(rows * len(SEEN))\n")
        + "\n\nSEEN = []",
        "\nsklearn.set_config(transform_output='pandas')",
    ],
)
def test_a_server_has_nothing_that_training_has_set(train: Train, own: str) -> None:
    """The endpoint's container ended at its start: only the training process had what the model needed."""
    estimator = "make_pipeline(StandardScaler(), ColumnTransformer([('x', 'passthrough', ['x0'])]), SVC())"
    with sklearn.config_context():
        said = train("Own()" if "Own" in own else estimator, SCIKIT_LEARN + own)
    assert "nothing that training has set, such as sklearn.set_config or a global variable" in said or (
        "answers a request differently than before it was saved" in said
    )


@pytest.mark.parametrize("runtime", ["", SCIKIT_LEARN])
def test_an_estimator_that_changes_its_rows_changes_those_of_no_other(
    train: Train, ask: Any, opt_ml: Path, runtime: str
) -> None:
    """With `copy=False` the second was fitted to scaled rows, and the held-out rows were scaled, too."""
    scaled, plain = "make_pipeline(StandardScaler(copy=False), LogisticRegression())", "LogisticRegression()"
    assert train(plain, runtime) == ""
    before = {name: (opt_ml / "output/data" / name).read_bytes() for name in ("held_out.csv",)}
    alone = ask([[6.1, 2.9, 4.7, 1.4]])[1]["probabilities"]
    assert train(f'{scaled}, "two": {plain}', runtime) == ""
    assert (opt_ml / "output/data/held_out.csv").read_bytes() == before["held_out.csv"]
    assert ask([[6.1, 2.9, 4.7, 1.4]], attributes="algorithm=two")[1]["probabilities"] == alone
    assert train(scaled.replace("copy=False", ""), runtime) == ""
    copied = ask([[6.1, 2.9, 4.7, 1.4]])[1]["probabilities"]
    assert train(scaled, runtime) == ""
    assert ask([[6.1, 2.9, 4.7, 1.4]])[1]["probabilities"] == copied


def test_a_tree_that_splits_by_missing_values_is_served_by_scikit_learn(train: Train, ask: Any) -> None:
    """skl2onnx never ended: such a split has an infinite threshold."""
    data = "size,kind\n" + "1,x\n,y\n5,x\n6,x\n" * 10
    given = {"features": "{'size': float | None}", "target": "kind", "data": data}
    forest = "make_pipeline(StandardScaler(), RandomForestClassifier(5, random_state=0))"
    for estimator in ("DecisionTreeClassifier()", forest):
        said = train(estimator, **given)
        assert said.startswith("RuntimeError: ONNX cannot reproduce one (a tree splits by whether a value is")
    assert train(forest, SCIKIT_LEARN, **given) == ""
    assert ask([[None], [5]])[1]["predictions"] == ["y", "x"]


def test_a_worker_answers_with_an_estimator_that_computes_in_threads(
    train: Train, opt_ml: Path, exercises: Path
) -> None:
    """The supervisor had asked it once, and in the workers, OpenMP waited for threads that were gone."""
    assert train("HistGradientBoostingClassifier(max_iter=2)", SCIKIT_LEARN) == ""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    code = (
        "import sys, app, server, pathlib; server.serve("
        f"lambda: app.Application(pathlib.Path(sys.argv[1]), 2), port={port}, workers=2)"
    )
    path = os.pathsep.join(map(str, (exercises / "base_image", sources.PROGRAMS)))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "2"}
    command = [sys.executable, "-c", code, str(opt_ml / "model")]
    with subprocess.Popen(command, env=environment, start_new_session=True) as server:
        try:
            for size in (1, 5_000):  # the second is computed in a thread of its own
                body = json.dumps({"instances": [[5.1, 3.5, 1.4, 0.2]] * size})
                assert answered(port, body)["predictions"] == ["setosa"] * size
        finally:
            os.killpg(server.pid, signal.SIGKILL)


def answered(port: int, body: str) -> Any:
    """Return what a server answers, once it listens."""

    def ask() -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
        except ConnectionRefusedError:
            return None
        return json.loads(connection.getresponse().read())

    return eventually(ask)
