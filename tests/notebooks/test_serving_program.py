"""The serving program, called with single requests, without the HTTP around it."""

from __future__ import annotations

import functools
import io
import json
import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.checkout import ROOT

SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
FEATURES = "sepal_length, sepal_width, petal_length, petal_width"


@pytest.fixture
def app(program: Any, trained: Path) -> Any:
    """The application with a trained model."""
    return program("app").Application(trained, workers=2)


def request(server: Any, method: str, path: str, headers: Any = None, body: bytes = b"") -> Any:
    return server.Request(server.Head(method, path, headers or {}, True, len(body)), body)


def ask(app: Any, program: Any, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
    """Return status and body as the server would send them."""
    server = program("server")
    lower = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    try:
        [response] = app([request(server, method, path, lower, body)])
    except server.RefusedError as refused:
        response = refused.response()
    return response.status, response.body.decode()


@pytest.fixture
def call(app: Any, program: Any) -> Any:
    """Call `POST /invocations`: a JSON document, or bytes of another media type."""

    def call(
        body: Any, kind: str = "application/json", *, accept: str = "", attributes: str = ""
    ) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"content_type": kind, "accept": accept}
        headers["x_amzn_sagemaker_custom_attributes"] = attributes
        status, text = ask(app, program, "POST", "/invocations", content, **headers)
        return status, json.loads(text) if text.startswith("{") else text

    return call


def npy(array: Any, *, pickled: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickled)
    return file.getvalue()


def test_ping_and_execution_parameters(app: Any, program: Any) -> None:
    assert ask(app, program, "GET", "/ping") == (200, '{"status":"ready"}')
    status, text = ask(app, program, "GET", "/execution-parameters")
    assert (status, json.loads(text)) == (
        200,
        {"MaxConcurrentTransforms": 2, "BatchStrategy": "MULTI_RECORD", "MaxPayloadInMB": 6},
    )


def test_other_paths_and_methods_are_refused(app: Any, program: Any) -> None:
    assert ask(app, program, "GET", "/")[0] == 404
    for method, path in (("GET", "/invocations"), ("POST", "/ping"), ("TRACE", "/ping")):
        server = program("server")
        with pytest.raises(server.RefusedError) as refused:
            app([request(server, method, path)])
        assert refused.value.status == 405
        assert refused.value.headers.startswith("Allow: ")


def test_a_directory_without_a_model_or_with_a_changed_one_is_not_loaded(
    program: Any, trained: Path, tmp_path: Path
) -> None:
    with pytest.raises(FileNotFoundError, match=r"model\.json"):
        program("app").Application(tmp_path)
    for path in trained.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with (tmp_path / "random_forest.onnx").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(RuntimeError, match=r"random_forest\.onnx has the digest .* training recorded"):
        program("app").Application(tmp_path)


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
def test_custom_attributes_choose_the_algorithm(call: Any, attributes: str, algorithm: str) -> None:
    status, answer = call({"instances": [SETOSA]}, attributes=attributes)
    assert status == 200
    assert answer["algorithm"] == algorithm
    assert answer["predictions"] == ["setosa"]
    assert sum(answer["probabilities"][0]) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "attributes",
    ["algorithm = random_forest", "Algorithm=random_forest", "trace=1; algorithm=random_forest"],
)
def test_spaces_and_case_do_not_change_who_answers(call: Any, attributes: str) -> None:
    assert call({"instances": [SETOSA]}, attributes=attributes)[1]["algorithm"] == "random_forest"


@pytest.mark.parametrize(
    "attributes",
    [
        "random_forest",
        "algorithm: random_forest",
        '{"algorithm": "random_forest"}',
        "algo=random_forest",
        "algorithms=logistic",
        "model=random_forest",
        "algorithms=forest",
        "algorithm=",
        "algorithm=logistic,algorithm=random_forest",
        "trace=1&algorithm=random_forest",
        "trace=1 algorithm=random_forest",
        "trace=1|algorithm: random_forest",
        "trace=1, random forest",
        "RandomForest",
        "model=random-forest",
        "kind=Random_Forest",
    ],
)
def test_what_looks_like_a_choice_and_is_none_is_refused(call: Any, attributes: str) -> None:
    status, answer = call({"instances": [SETOSA]}, attributes=attributes)
    assert status == 400
    assert "algorithm" in answer["error"]


@pytest.mark.parametrize("name", ["MODEL_SERVER_WORKERS", "SAGEMAKER_BIND_TO_PORT"])
@pytest.mark.parametrize("text", ["0", "-1", "abc", "1.5", "99999999999"])
def test_a_setting_that_is_not_a_usable_number_is_refused_by_name(
    program: Any, monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(SystemExit, match=f"{name} is '{text}': use a whole number from 1 to 65535"):
        program("server").setting(name, 8080, 65_535)
    monkeypatch.setenv(name, " 2 ")
    assert program("server").setting(name, 8080, 65_535) == 2


def test_an_unknown_algorithm_is_refused_with_those_that_are_known(call: Any) -> None:
    status, answer = call({"instances": [SETOSA]}, attributes="algorithm=crystal_ball")
    assert (status, answer["error"]) == (
        400,
        "unknown algorithm 'crystal_ball': use logistic or random_forest",
    )


def test_json_csv_and_npy_give_the_same_answer(call: Any) -> None:
    rows = [SETOSA, VIRGINICA]
    text = "\r\n".join(",".join(map(str, row)) for row in rows).encode()
    as_json = call({"instances": rows}, "application/json; charset=utf-8")
    assert as_json[0] == 200
    assert as_json[1]["predictions"] == ["setosa", "virginica"]
    assert call(text, "text/csv") == as_json
    assert call(b"\xef\xbb\xbf" + text + b"\n", "text/csv") == as_json
    assert call(text.replace(b"5.1", b'"5.1"'), "text/csv") == as_json
    assert call(npy(np.array(rows)), "application/x-npy") == as_json
    assert call(npy(np.asfortranarray(rows)), "application/x-npy") == as_json


def test_csv_lines_in_are_csv_lines_out(call: Any) -> None:
    status, text = call(b"5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n", "text/csv", accept="text/csv")
    assert status == 200
    assert text.endswith("\n")
    cells = [line.split(",") for line in text.splitlines()]
    assert [line[0] for line in cells] == ["setosa", "virginica"]
    assert [sum(map(float, line[1:])) for line in cells] == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("text/*", "csv"),
        ("text/csv;q=0.5, application/json;q=0.4", "csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "json"),
        ("text/html", "refused"),
        ("application/json;q=0", "refused"),
        ("text/csv;q=many", "refused"),
    ],
)
def test_accept_decides_how_it_answers(call: Any, accept: str, kind: str) -> None:
    status, answer = call({"instances": [SETOSA]}, accept=accept)
    assert status == (406 if kind == "refused" else 200)
    assert isinstance(answer, str) == (kind == "csv")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not valid application/json"),
        (b'{"instances": [[1, 2', "not valid application/json"),
        (b"\xff\xfe", "not valid application/json"),
        ('{"instances": [[1, 2, 3, 4]]}'.encode("utf-16"), "not valid application/json"),
        (b"[" * 100_000, "not valid application/json"),
        (b'{"instances": [[1, 2, 3, 4]], "x": ' + b"[" * 100_000, "not valid application/json"),
        (b"[[5.1, 3.5, 1.4, 0.2]]", 'send {"instances": '),
        (b'{"rows": []}', 'send {"instances": '),
        (b'{"instances": [[1, 2, 3, 4]], "algorithm": "random_forest"}', "choose it in CustomAttributes"),
        (b'{"instances": []}', "at least one row"),
        (b'{"instances": 1}', 'send {"instances": '),
        (b'{"instances": [[]]}', f"row 0 has 0 values: each row needs 4 numbers ({FEATURES})"),
        (
            b'{"instances": [[1, 2, 3, 4], [1, 2, 3]]}',
            f"row 1 has 3 values: each row needs 4 numbers ({FEATURES})",
        ),
        (b'{"instances": [1, 2, 3, 4]}', f"row 0 is not a list: each row needs 4 numbers ({FEATURES})"),
        (b'{"instances": [[1, 2, 3, "4"]]}', 'row 0, petal_width: "4" is not a number'),
        (b'{"instances": [[1, 2, 3, null]]}', "row 0, petal_width: null is not a number"),
        (b'{"instances": [[1, 2, 3, true]]}', "row 0, petal_width: true is not a number"),
        (b'{"instances": [[1, 2, [3], 4]]}', "row 0, petal_length: [3] is not a number"),
        (b'{"instances": [[1, 2, 3, 4], [1, NaN, 3, 4]]}', "row 1, sepal_width: NaN is not a number"),
        (b'{"instances": [[1, 2, 3, -Infinity]]}', "row 0, petal_width: -Infinity is not a number"),
        (b'{"instances": [[1, 2, 3, -1e31]]}', "row 0, petal_width: -1e+31 is not a number"),
        (b'{"instances": [[1, 2, 3, 1e400]]}', "row 0, petal_width: Infinity is not a number"),
        (b'{"instances": [[1, 2, 3, 1' + b"0" * 400 + b"]]}", "row 0, petal_width: 1000"),
    ],
)
def test_a_wrong_json_body_is_refused_with_row_and_feature(call: Any, body: bytes, said: str) -> None:
    status, answer = call(body)
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"sepal_length,sepal_width,petal_length,petal_width\n", "row 0, sepal_length: 'sepal_length'"),
        (b"1,2,3\n", "row 0 has 3"),
        (b"1,2,3,4\n1,2,3,4,5", "row 1 has 5"),
        (b"1,2,3,4\n1,,3,4", "row 1, sepal_width: '' is not a number"),
        (b"1,2,3,4\n\n1,2,3,nan\n", "row 1, petal_width: nan"),
        (b"1,2,3,inf", "row 0, petal_width: inf"),
        (b'1,2,3,"4"\n1,2,3,"x"', "row 1, petal_width: 'x' is not a number"),
        (b"1,2,3,1_0", "row 0, petal_width: '1_0' is not a number"),
        (b"\xff", "not valid text/csv"),
        (b"\n\n", "at least one row"),
    ],
)
def test_a_wrong_csv_body_is_refused_with_row_and_feature(call: Any, body: bytes, said: str) -> None:
    status, answer = call(body, "text/csv")
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"no array", "not valid application/x-npy"),
        (npy(np.array([[1, 2, None, 4]]), pickled=True), "Object arrays cannot be loaded"),
        (npy(np.array([1.0, 2, 3, 4])), "not 1-dimensional float64"),
        (npy(np.array([["a"] * 4])), "not 2-dimensional <U1"),
        (npy(np.ones((1, 4), dtype=bool)), "not 2-dimensional bool"),
        (npy(np.ones((2, 3))), "row 0 has 3"),
        (npy(np.ones((0, 4))), "at least one row"),
        (npy(np.array([[1, 2, 3, 4], [1, np.nan, 3, 4]])), "row 1, sepal_width: nan"),
        (npy(np.ones((9, 4))).replace(b"(9, 4)", b"(99999999999999, 4)"), "not valid application/x-npy"),
        (npy(np.ones((9, 4)))[:-8], "not valid application/x-npy"),
        (npy(np.ones((9, 4))) + b"1", "more data than the header declares"),
    ],
)
def test_a_wrong_npy_body_is_refused_and_runs_nothing(call: Any, body: bytes, said: str) -> None:
    status, answer = call(body, "application/x-npy")
    assert status == 400
    assert said in answer["error"]


@pytest.mark.parametrize("kind", ["text/html", ""])
def test_another_media_type_is_refused_with_those_that_can_be_read(call: Any, kind: str) -> None:
    status, answer = call({"instances": [SETOSA]}, kind)
    assert status == 415
    assert "application/json, text/csv or application/x-npy" in answer["error"]


@pytest.fixture
def worker(program: Any, app: Any) -> Iterator[Any]:
    """One of the server's workers, which does not listen."""
    with socket.socket() as listener:
        yield program("server").Worker(listener, app, memoryview(bytearray(4)).cast("I"), 0)


def test_requests_that_arrive_together_are_answered_as_if_each_came_alone(
    program: Any, worker: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = program("server")

    def invocation(body: Any, kind: str = "application/json", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        headers["content_type"] = kind
        named = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
        return request(server, "POST", "/invocations", named, content)

    forest = {"x_amzn_sagemaker_custom_attributes": "algorithm=random_forest"}
    requests = [
        invocation({"instances": [SETOSA]}),
        invocation({"instances": [VIRGINICA, SETOSA]}, **forest),
        request(server, "GET", "/ping"),
        invocation(b"6.3,3.3,6.0,2.5\n", "text/csv", accept="text/csv"),
        invocation(npy(np.array([VIRGINICA], np.float32)), "application/x-npy", **forest),
        invocation({"instances": [VIRGINICA]}),
        request(server, "GET", "/execution-parameters"),
    ]
    alone = [response for one in requests for response in worker.respond([one])]
    assert {response.status for response in alone} == {200}
    asked: list[int] = []

    def recorded(predict: Callable[[Any], Any], rows: Any) -> Any:
        asked.append(len(rows))
        return predict(rows)

    for algorithm, predict in worker.answer.algorithms.items():
        monkeypatch.setitem(worker.answer.algorithms, algorithm, functools.partial(recorded, predict))
    assert worker.respond(requests) == alone
    assert sorted(asked) == [3, 3], "each algorithm is asked once, for all rows"


def test_a_wrong_request_does_not_harm_those_that_arrive_with_it(program: Any, worker: Any) -> None:
    server = program("server")
    kind = {b"content-type": b"application/json"}
    bodies = [b'{"instances": [[5.1, 3.5, 1.4, %s]]}' % last for last in (b"0.2", b"null", b"1e31", b"0.3")]
    requests = [request(server, "POST", "/invocations", kind, body) for body in bodies]
    responses = worker.respond([*requests, request(server, "GET", "/nowhere")])
    assert [response.status for response in responses] == [200, 400, 400, 200, 404]
    assert b"row 0, petal_width: 1e+31 is not a number" in responses[2].body


def test_a_fault_of_the_program_is_logged_and_not_told(
    program: Any, worker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(rows: Any) -> Any:
        raise ZeroDivisionError(f"{len(rows)} rows")

    worker.answer.algorithms = {"logistic": fault}
    server = program("server")
    asked = request(server, "POST", "/invocations", {b"content-type": b"text/csv"}, b"1,2,3,4")
    with caplog.at_level(logging.ERROR):
        responses = worker.respond([asked, request(server, "GET", "/ping"), asked])
    assert [response.status for response in responses] == [500, 200, 500]
    assert b"ZeroDivision" not in responses[0].body
    assert "ZeroDivisionError: 1 rows" in caplog.text


def test_it_predicts_the_data_set(call: Any, trained: Path) -> None:
    from lab_helpers import examples

    evaluation = json.loads((trained.parent / "output/data/evaluation.json").read_text())
    known = examples.read(ROOT / "notebooks/data/iris.csv", evaluation)
    for algorithm in ("logistic", "random_forest"):
        answer = call({"instances": known.rows}, attributes=f"algorithm={algorithm}")[1]
        assert known.score(answer["predictions"]) > 0.95
