"""Models that are not the lesson's: regressors, text and missing values, steps that refuse some rows."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.slow
MODEL = """
from dataclasses import dataclass

from sklearn.compose import *
from sklearn.ensemble import *
from sklearn.impute import *
from sklearn.linear_model import *
from sklearn.multiclass import *
from sklearn.neighbors import *
from sklearn.pipeline import *
from sklearn.preprocessing import *
import numpy as np

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

    def ask(body: Any, kind: str = "application/json", accept: str = "") -> tuple[int, Any]:
        server, application = program("server"), program("app").Application(opt_ml / "model")
        content = body.encode() if isinstance(body, str) else json.dumps({"instances": body}).encode()
        headers = {b"content-type": kind.encode(), b"accept": accept.encode()}
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
