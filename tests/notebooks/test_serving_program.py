"""The serving program, called as any WSGI server calls it (PEP 3333)."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
import sources

SETOSA = [5.1, 3.5, 1.4, 0.2]


@pytest.fixture
def app(program: Any, trained: Path) -> Any:
    """The application with a trained model."""
    application = program("app").Application()
    application.load(trained)
    return application


def call(
    application: Any,
    *,
    method: str = "POST",
    path: str = "/invocations",
    body: bytes | object = b"",
    kind: str = "application/json",
    attributes: str = "",
) -> tuple[int, dict[str, Any]]:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    seen: dict[str, Any] = {}

    def start_response(status: str, headers: list[tuple[str, str]]) -> None:
        seen["status"], seen["headers"] = int(status[:3]), dict(headers)

    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(content)),
        "HTTP_X_AMZN_SAGEMAKER_CUSTOM_ATTRIBUTES": attributes,
        "wsgi.input": io.BytesIO(content),
    }
    answer = b"".join(application(environ, start_response))
    assert seen["headers"]["Content-Type"] == "application/json"
    assert int(seen["headers"]["Content-Length"]) == len(answer)
    return seen["status"], json.loads(answer)


def test_ping_answers_200_only_when_the_model_is_loaded(program: Any, app: Any) -> None:
    empty = program("app").Application()
    assert call(empty, method="GET", path="/ping") == (503, {"error": "no model is loaded"})
    assert call(empty, body={"instances": [SETOSA]})[0] == 503
    assert call(app, method="GET", path="/ping") == (200, {"status": "ready"})


def test_loading_a_directory_without_a_model_fails(program: Any, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        program("app").Application().load(tmp_path)


@pytest.mark.parametrize(
    ("attributes", "algorithm"),
    [
        ("", "logistic"),
        ("algorithm=logistic", "logistic"),
        ("algorithm=random_forest", "random_forest"),
        ("trace=1, algorithm=random_forest", "random_forest"),
        ("c000b4f9-df62-4c85-a0bf-7c525f9104a4", "logistic"),
    ],
)
def test_custom_attributes_choose_the_algorithm(app: Any, attributes: str, algorithm: str) -> None:
    status, answer = call(app, body={"instances": [SETOSA]}, attributes=attributes)
    assert status == 200
    assert answer["algorithm"] == algorithm
    assert answer["predictions"] == ["setosa"]
    assert sum(answer["probabilities"][0]) == pytest.approx(1, abs=1e-4)


def test_csv_and_json_give_the_same_answer(app: Any) -> None:
    rows = [SETOSA, [6.3, 3.3, 6.0, 2.5]]
    text = "\r\n".join(",".join(map(str, row)) for row in rows).encode()
    as_json = call(app, body={"instances": rows}, kind="application/json; charset=utf-8")
    assert as_json[0] == 200
    assert call(app, body=text, kind="text/csv") == as_json
    assert as_json[1]["predictions"] == ["setosa", "virginica"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not application/json"),
        (b'{"instances": [[1, 2', "not application/json"),
        (b"\xff\xfe", "not application/json"),
        (b"[" * 100_000, "not application/json"),
        (b"[[5.1, 3.5, 1.4, 0.2]]", "send {"),
        (b'{"rows": []}', "send {"),
        (b'{"instances": []}', "send {"),
        (b'{"instances": 1}', "send {"),
        (b'{"instances": [[1, 2, 3, 4], [1, 2, 3]]}', "row 1: send 4 numbers: sepal_length"),
        (b'{"instances": [1, 2, 3, 4]}', "row 0: send 4 numbers"),
        (b'{"instances": [[1, 2, 3, "4"]]}', "row 0: every value must be a number"),
        (b'{"instances": [[1, 2, 3, null]]}', "row 0: every value must be a number"),
        (b'{"instances": [[1, 2, 3, true]]}', "row 0: every value must be a number"),
        (b'{"instances": [[1, 2, 3, 4], [1, 2, 3, NaN]]}', "row 1: NaN"),
        (b'{"instances": [[1, 2, 3, 1e39]]}', "row 0: NaN and infinite"),
        (b'{"instances": [[1, 2, 3, 1' + b"0" * 400 + b"]]}", "too large"),
    ],
)
def test_a_wrong_body_is_refused_with_what_is_wrong(app: Any, body: bytes, said: str) -> None:
    status, answer = call(app, body=body)
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"sepal_length,sepal_width,petal_length,petal_width\n", "sepal_length"),
        (b"1,2,3\n", "row 0: send 4 numbers"),
        (b"1,2,3,nan\n", "row 0: NaN"),
        (b"\n\n", "send {"),
    ],
)
def test_wrong_csv_is_refused_with_what_is_wrong(app: Any, body: bytes, said: str) -> None:
    status, answer = call(app, body=body, kind="text/csv")
    assert status == 400
    assert said in answer["error"]


def test_other_faults_have_their_own_status(program: Any, app: Any) -> None:
    rows = {"instances": [SETOSA]}
    assert call(app, body=rows, kind="text/html")[0] == 415
    assert call(app, body=rows, kind="")[0] == 415
    assert call(app, method="GET")[0] == 405
    assert call(app, path="/ping")[0] == 405
    assert call(app, method="GET", path="/")[0] == 404
    status, answer = call(app, body=rows, attributes="algorithm=crystal_ball")
    assert status == 400
    assert "unknown algorithm 'crystal_ball': use logistic or random_forest" in answer["error"]
    assert call(app, body=b" " * (program("app").MAX_BODY + 1))[0] == 413


def test_a_fault_of_the_server_is_logged_and_not_told(app: Any, caplog: pytest.LogCaptureFixture) -> None:
    app.predictor.sessions = {"logistic": None}
    assert call(app, body={"instances": [SETOSA]}) == (
        500,
        {"error": "the prediction failed; see the log"},
    )
    assert "AttributeError" in caplog.text


def test_it_predicts_what_scikit_learn_predicts(program: Any, app: Any) -> None:
    from lab_helpers import endpoints

    rows, species = endpoints.read_examples(sources.ROOT / "notebooks/data/iris.csv")
    for algorithm in ("logistic", "random_forest"):
        answer = call(app, body={"instances": rows}, attributes=f"algorithm={algorithm}")[1]
        assert endpoints.accuracy(answer["predictions"], species) > 0.95
