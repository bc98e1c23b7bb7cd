"""Whatever a client sends in a body is answered: a prediction, or 4xx with what is wrong and where."""

from __future__ import annotations

import io
import json
import pickle
import struct
from collections.abc import Iterator

import numpy as np
import pytest

from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import Container

pytestmark = pytest.mark.docker
GOOD = [5.1, 3.5, 1.4, 0.2]
FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
LIMIT = 6_291_456
LISTING = "import os; print(*os.listdir('/dev/shm'))"


def refused(server: Container, body: bytes, kind: str | None = "application/json", status: int = 400) -> str:
    """Send a body that must be refused; return the reason. The connection must still work."""
    with server.connect() as connection:
        answer = connection.ask(wire.request(body, kind=kind))
        assert answer.status == status, (answer.status, answer.body[:300])
        assert connection.ask(wire.request({"instances": [GOOD]})).status == 200
        return answer.error


@pytest.fixture(scope="module", autouse=True)
def nothing_crashes_and_nothing_sent_is_run(shared_server: Container) -> Iterator[None]:
    """During the whole module, the processes stay the same, and no pickle or header leaves a file."""
    before = shared_server.identities()
    yield
    assert shared_server.identities() == before
    assert not {"unpickled", "evaluated"} & set(shared_server.execute(LISTING).split())


def rows(*cells: str) -> bytes:
    """Two rows as JSON text, of which the second has these cells: JSON that no Python object gives."""
    return f'{{"instances": [[1, 2, 3, 4], [{", ".join(cells)}]]}}'.encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"instances": [[1, 2',
        b'{"instances": [[1,2,3,4]]} trailing',
        b'{"instances": [[1,2,3,4],]}',
        b"{'instances': [[1,2,3,4]]}",
        b'{"instances": [[01, 2, 3, 4]]}',
        b'{"instances": [[.5, 2, 3, 4]]}',
        b'{"instances": [[0x10, 2, 3, 4]]}',
        b"\x00",
        b"\xff\xfe",
        '{"instances": [[1,2,3,4]]}'.encode("utf-16"),
        '{"instances": [[1,2,3,4]]}'.encode("utf-32-le"),
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b'{"instances": [[1,2,3,"\\ud800\\u"]]}',
    ],
    ids=lambda body: repr(body[:28]),
)
def test_what_is_not_json_is_called_so(server: Container, body: bytes) -> None:
    said = refused(server, body)
    assert "JSON" in said or "json" in said
    assert len(said) <= 500


@pytest.mark.parametrize(
    "body",
    [
        b"[[5.1, 3.5, 1.4, 0.2]]",
        b'{"rows": []}',
        b'{"instances": 1}',
        b"null",
        b"1",
        b'"x"',
        *[b"{}", b'{"instances": null}', b'{"instances": {"0": [1, 2, 3, 4]}}', b'{"instances": "1,2,3,4"}'],
    ],
    ids=repr,
)
def test_the_shape_of_the_document_is_named(server: Container, body: bytes) -> None:
    assert "instances" in refused(server, body)


def test_no_rows_are_refused(server: Container) -> None:
    assert "row" in refused(server, b'{"instances": []}')


@pytest.mark.parametrize(
    ("row", "second"),
    [
        ("[]", 1),
        ("[1, 2, 3]", 1),
        ("[1, 2, 3, 4, 5]", 1),
        ("null", 1),
        ("7", 1),
        ('"abcd"', 1),
        ('{"a": 1}', 1),
        *[("[[1, 2, 3, 4]]", 1), ("[1, 2, 3, 4], [1]", 2), ("true", 1)],
    ],
)
def test_a_row_of_another_shape_is_named(server: Container, row: str, second: int) -> None:
    said = refused(server, f'{{"instances": [[1, 2, 3, 4], {row}]}}'.encode())
    assert f"row {second}" in said
    assert all(name in said for name in FEATURES)


@pytest.mark.parametrize("column", range(4))
@pytest.mark.parametrize(
    "cell",
    [
        "null",
        "true",
        '"4"',
        '"petal"',
        "[1]",
        "{}",
        "[]",
        '{"a": 1}',
        "1e39",
        "-1e39",
        "3.5e38",
        "1" + "0" * 60,
    ],
)
def test_a_cell_that_is_no_number_is_named_by_row_and_column(
    server: Container, column: int, cell: str
) -> None:
    cells = ["1", "2", "3", "4"]
    cells[column] = cell
    said = refused(server, rows(*cells))
    assert "row 1" in said
    assert FEATURES[column] in said


@pytest.mark.parametrize("cell", ["NaN", "Infinity", "-Infinity", "1e400", "-1e400", "1" + "0" * 400])
def test_numbers_that_are_none_are_refused(server: Container, cell: str) -> None:
    # JSON has no such tokens and no limit of magnitude, so the whole document may be refused.
    assert refused(server, rows("1", "2", cell, "4"))


def test_the_first_bad_row_of_many_is_named(server: Container) -> None:
    for position in (0, 1, 4_999, 9_999):
        many = [GOOD] * 10_000
        many[position] = [1, 2, 3]
        said = refused(server, json.dumps({"instances": many}).encode())
        assert f"row {position} " in said.replace(":", " ")
        many[position] = [1, 2, 1e39, 4]
        said = refused(server, json.dumps({"instances": many}).encode())
        assert f"row {position}" in said
        assert "petal_length" in said


@pytest.mark.parametrize(
    "body",
    [
        b'{"instances": [[5.1, 3.5, 1.4, 0.2]], "signature_name": "predict", "more": {"deep": [[]]}}',
        b'\n\t {"instances":[[5.1,3.5,1.4,0.2]]}\r\n ',
        b'{"instances": [[5.1, 3.5, 1.4, 2e-1]]}',
        b'{"instances": [[5.1, 3.5, 1.4, 1e-400]]}',
        b'{"instances": [[5, 3, 1, 0]]}',
        b'{"\\u0069nstances": [[5, 3, 1, -0]]}',
        b'{"instances": [[5.1' + b"0" * 5000 + b", 3.5, 1.4, 0.2]]}",
    ],
    ids=lambda body: repr(body[:48]),
)
def test_unusual_but_valid_json_is_answered(server: Container, body: bytes) -> None:
    answer = server.ask(wire.request(body))
    assert (answer.status, answer.json()["predictions"]) == (200, ["setosa"])


def test_extreme_numbers_are_answered_with_probabilities(server: Container) -> None:
    for value in (1e30, -1e30, 1e-45, 5e-324, 2**53 + 1, -(2**63), 2**64):
        for row in ([value] * 4, [value, 0, -value, 0]):
            for algorithm in ("logistic", "random_forest"):
                headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={algorithm}"}
                answer = server.ask(wire.request({"instances": [GOOD, row]}, headers=headers))
                assert answer.status == 200, (value, algorithm, answer.body)
                assert all(0 <= share <= 1.000001 for share in answer.json()["probabilities"][1]), answer.body


@pytest.mark.parametrize("value", [1.0000000000000002e30, -1.1e30, 3.4028234e38, 1.7e308])
def test_numbers_with_which_a_model_could_overflow_are_refused(server: Container, value: float) -> None:
    for body, kind in (
        (json.dumps({"instances": [GOOD, [1, value, 3, 4]]}).encode(), "application/json"),
        (f"1,2,3,4\n1,{value},3,4".encode(), "text/csv"),
        (npy(np.array([GOOD, [1, value, 3, 4]])), "application/x-npy"),
    ):
        said = refused(server, body, kind)
        assert "row 1" in said
        assert "sepal_width" in said


def test_what_parsers_may_refuse_does_no_harm(server: Container) -> None:
    # RFC 8259, 4: what two members of the same name mean is up to the parser.
    assert server.ask(wire.request(b'{"instances": [["bad"]], "instances": [[1,2,3,4]]}')).status in {
        200,
        400,
    }
    # RFC 8259, 8.1: a parser may ignore it, or treat it as an error.
    assert server.ask(wire.request(b'\xef\xbb\xbf{"instances": [[1,2,3,4]]}')).status in {200, 400}
    assert server.ask(wire.request(b"\xef\xbb\xbf1,2,3,4\n", kind="text/csv")).status in {200, 400}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"sepal_length,sepal_width,petal_length,petal_width\n5.1,3.5,1.4,0.2\n", ("row 0", "sepal_length")),
        (b"1,2,3\n", ("row 0", *FEATURES)),
        (b"1,2,3,4\n1,2,3,4,5\n", ("row 1", *FEATURES)),
        (b"1,2,3,4\n1,2,,4\n", ("row 1", "petal_length")),
        (b"1,2,3,4\n1,2,3,nan\n", ("row 1", "petal_width")),
        (b"1,2,3,4\n1,-inf,3,4\n", ("row 1", "sepal_width")),
        (b"1,2,3,4\n1,1e400,3,4\n", ("row 1", "sepal_width")),
        (b"1,2,3,4\n1,1e39,3,4\n", ("row 1", "sepal_width")),
        (b"1,2,3,4\n1,2,3,four\n", ("row 1", "petal_width")),
        (b"1,2,3,4\n1,2,3,0x4\n", ("row 1", "petal_width")),
        (b"1;2;3;4\n", ("row 0",)),
        (b"1 2 3 4\n", ("row 0",)),
        (b"1,2,3,\x00\n", ("row 0",)),
        (b"", ()),
        (b"\n\r\n\n", ()),
        (b"\xff\xfe1,2,3,4", ()),
        (b"\x00" * 1000, ()),
        ("1,2,3,4\n".encode("utf-16"), ()),
        (b'"1,2,3,4', ()),
        (b'"' * 1001, ()),
        (b"1" * 200_000, ()),
        (b"," * 200_000, ()),
    ],
    ids=lambda value: repr(value[:24]) if isinstance(value, bytes) else "",
)
def test_wrong_csv_is_refused_with_what_is_wrong(
    server: Container, body: bytes, said: tuple[str, ...]
) -> None:
    told = refused(server, body, "text/csv")
    assert all(word in told for word in said), told
    assert len(told) <= 500


def npy(array: np.ndarray, **options: bool) -> bytes:
    file = io.BytesIO()
    np.save(file, array, **options)
    return file.getvalue()


def npy_with(header: str, data: bytes = bytes(32), *, version: bytes = b"\x01\x00") -> bytes:
    """An NPY file with any header text (NumPy, "NPY format"); version 1.0 has a two-byte length."""
    text = header.encode("latin-1")
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + data


TWO_ROWS = np.array([GOOD, [6.3, 3.3, 6.0, 2.5]])


@pytest.mark.parametrize(
    "array",
    [
        TWO_ROWS,
        TWO_ROWS.astype(np.float32),
        TWO_ROWS.astype(np.float16),
        TWO_ROWS.astype(">f8"),
        np.asfortranarray(TWO_ROWS.astype(np.float32)),
        np.asfortranarray(TWO_ROWS),
        (TWO_ROWS + 0.5).astype(np.int64),
        (TWO_ROWS + 0.5).astype(np.uint8),
    ],
    ids=lambda array: f"{array.dtype.str}{'F' if array.flags.f_contiguous else ''}",
)
def test_npy_of_any_number_type_and_order_is_answered(server: Container, array: np.ndarray) -> None:
    answer = server.ask(wire.request(npy(array), kind="application/x-npy"))
    assert (answer.status, answer.json()["predictions"]) == (200, ["setosa", "virginica"])


class Bomb:
    """Unpickling it would leave a file behind."""

    def __reduce__(self) -> tuple[object, ...]:
        import os

        return os.mkdir, ("/dev/shm/unpickled",)


HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%d, 4), }\n"


WRONG_NPY = {
    "empty": b"",
    "magic only": b"\x93NUMPY",
    "no length": b"\x93NUMPY\x01\x00",
    "other magic": b"NUMPY" * 50,
    "cut off": npy(TWO_ROWS)[:-1],
    "cut off in the header": npy(TWO_ROWS)[:60],
    "more behind": npy(TWO_ROWS) + b"more",
    "pickled object": npy(np.array([Bomb()], dtype=object), allow_pickle=True),
    "pickled rows": npy(np.array([[GOOD]], dtype=object), allow_pickle=True),
    "bare pickle": pickle.dumps(Bomb()),
    "three columns": npy(TWO_ROWS[:, :3]),
    "one dimension": npy(TWO_ROWS[0]),
    "three dimensions": npy(TWO_ROWS[None]),
    "no rows": npy(np.zeros((0, 4), np.float32)),
    "no columns": npy(np.zeros((4, 0), np.float32)),
    "a scalar": npy(np.array(1.0)),
    "text": npy(np.array([["1", "2", "3", "4"]])),
    "bytes": npy(np.array([[b"1", b"2", b"3", b"4"]])),
    "booleans": npy(np.ones((2, 4), bool)),
    "complex": npy(np.ones((2, 4), np.complex64)),
    "dates": npy(np.zeros((2, 4), "datetime64[s]")),
    "durations": npy(np.zeros((2, 4), "timedelta64[s]")),
    "structures": npy(np.zeros(2, [("a", "f4"), ("b", "f4")])),
    "void": npy(np.zeros((2, 4), "V4")),
    "ten rows declared": npy_with(HUGE % 10),
    "10^9 rows declared": npy_with(HUGE % 10**9),
    "10^18 rows declared": npy_with(HUGE % 10**18),
    "2^63 rows declared": npy_with(HUGE % 2**63),
    "-1 rows declared": npy_with(HUGE % -1),
    "a shape of booleans": npy_with(
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 4), }\n", bytes(16)
    ),
    "a shape that is no tuple": npy_with("{'descr': '<f4', 'fortran_order': False, 'shape': 8, }\n"),
    "no order": npy_with("{'descr': '<f4', 'shape': (2, 4), }\n"),
    "objects declared": npy_with("{'descr': '|O', 'fortran_order': False, 'shape': (2, 4), }\n"),
    "unknown type": npy_with("{'descr': '<f999999999', 'fortran_order': False, 'shape': (2, 4), }\n"),
    "code for a header": npy_with("__import__('os').mkdir('/dev/shm/evaluated')\n"),
    "brackets": npy_with("[" * 60_000),
    "parentheses": npy_with("(" * 9_000 + ")" * 9_000),
    "minus signs": npy_with("-" * 9_000 + "1"),
    "deep type": npy_with(
        "{'descr': " + "[" * 1_500 + "]" * 1_500 + ", 'fortran_order': False, 'shape': (2, 4)}"
    ),
    "long number": npy_with("1" * 5_000 + "\n"),
    "zeros": npy_with("\x00" * 100),
    "version 9": npy_with(HUGE % 2, version=b"\x09\x00"),
    "header of 4 GB": b"\x93NUMPY\x02\x00\xff\xff\xff\xff{'descr'",
    "header that is not UTF-8": b"\x93NUMPY\x03\x00\x04\x00\x00\x00\xff\xff\xff\xff",
}


@pytest.mark.parametrize("fault", WRONG_NPY)
def test_wrong_npy_is_refused(server: Container, fault: str) -> None:
    assert len(refused(server, WRONG_NPY[fault], "application/x-npy")) <= 500


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e39])
def test_npy_without_numbers_is_refused_by_row_and_column(server: Container, bad: float) -> None:
    array = np.array([GOOD] * 3)
    array[2, 1] = bad
    told = refused(server, npy(array), "application/x-npy")
    assert "row 2" in told
    assert "sepal_width" in told


@pytest.mark.parametrize(
    "kind",
    [
        *[
            "text/html",
            "application/xml",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=x",
        ],
        "application/octet-stream",
        "json",
        "",
        "application/jsonx",
        "text/csv2",
        "*/*",
        "application/x-python-pickle",
    ],
)
def test_other_content_types_are_415_and_the_known_ones_are_named(server: Container, kind: str) -> None:
    told = refused(server, b'{"instances": [[1,2,3,4]]}', kind, 415)
    for known in ("application/json", "text/csv", "application/x-npy"):
        assert known in told


def test_a_body_without_a_content_type_is_415(server: Container) -> None:
    assert "application/json" in refused(server, b'{"instances": [[1,2,3,4]]}', None, 415)


@pytest.mark.parametrize(
    "kind", ["Application/JSON", "application/json;charset=UTF-8", " application/json ; x=y"]
)
def test_content_types_are_compared_as_http_says(server: Container, kind: str) -> None:
    assert server.ask(wire.request(b'{"instances": [[1,2,3,4]]}', kind=kind)).status == 200


def test_six_megabytes_are_answered_and_a_byte_more_is_413(server: Container) -> None:
    largest = b'{"instances": [[5.1,3.5,1.4,0.2]]}'.ljust(LIMIT)
    assert server.ask(wire.request(largest)).status == 200
    # A client that sends everything before it reads must be able to read the answer.
    for size in (LIMIT + 1, LIMIT * 2, LIMIT * 5):
        answer = server.ask(wire.request(largest.ljust(size)))
        assert answer.status == 413
        assert str(LIMIT) in answer.error.replace(",", "")


def test_six_megabytes_of_rows_are_answered(server: Container) -> None:
    row = b"[5.1,3.5,1.4,0.2],"
    count = (LIMIT - 40) // len(row)
    body = b'{"instances": [' + (row * count)[:-1] + b"]}"
    for algorithm in ("logistic", "random_forest"):
        headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={algorithm}"}
        answer = server.ask(wire.request(body, headers=headers))
        assert answer.status == 200
        assert len(answer.json()["predictions"]) == count


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 404),
        ("GET", "/nothing", 404),
        ("POST", "/", 404),
        ("GET", "/invocations/", 404),
        ("GET", "/PING", 404),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/%70ing%00", 404),
        ("GET", "/" + "x" * 4000, 404),
        ("GET", "/invocations", 405),
        ("PUT", "/invocations", 405),
        ("PATCH", "/invocations", 405),
        ("DELETE", "/invocations", 405),
        ("OPTIONS", "/invocations", 405),
        ("POST", "/ping", 405),
        ("DELETE", "/ping", 405),
        ("OPTIONS", "/ping", 405),
        ("POST", "/execution-parameters", 405),
    ],
)
def test_other_methods_and_paths(server: Container, method: str, path: str, status: int) -> None:
    with server.connect() as connection:
        content = None if method == "GET" else b'{"instances": [[1,2,3,4]]}'
        answer = connection.ask(wire.request(content, method=method, path=path))
        assert answer.status == status
        assert answer.error
        if status == 405:
            assert answer.headers["allow"].startswith("POST" if path == "/invocations" else "GET")
        assert connection.ask(wire.request({"instances": [GOOD]})).status == 200
