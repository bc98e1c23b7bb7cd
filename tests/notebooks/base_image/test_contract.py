"""The SageMaker contract: what a container has to do so that hosting and batch transform can use it.

Contract: SageMaker Developer Guide, "Use your own inference code with hosting services" and "Use your own
inference code with batch transform".
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from lab_helpers.containers import docker
from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import Container, serving, started
from tests.waiting import eventually

pytestmark = pytest.mark.docker
SETOSA, VIRGINICA = [5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5]
ONE_ROW = wire.request({"instances": [SETOSA]})
MANY_ROWS = wire.request({"instances": [SETOSA, VIRGINICA] * 20_000})


@pytest.fixture(scope="module", autouse=True)
def stopped_with_a_stalled_client(image: str, trained: Path) -> Iterator[Future[tuple[float, int]]]:
    """Seconds that `docker stop` took with half a request under way, and the exit code; in the background."""

    def stop() -> tuple[float, int]:
        with serving(image, trained / "model") as container, container.connect() as stalled:
            stalled.send(ONE_ROW[:-10])
            time.sleep(0.1)
            began = time.monotonic()
            container.stop().wait()
            return time.monotonic() - began, container.exit_code()

    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(stop)


def test_ping_is_200_and_says_so_in_json(server: Container) -> None:
    answer = server.ask(wire.request(path="/ping"))
    assert (answer.status, answer.json()) == (200, {"status": "ready"})
    assert server.ask(wire.request(path="/ping?from=health-check")).status == 200


def test_nothing_but_200_or_not_yet_before_the_model_is_loaded(image: str, trained: Path) -> None:
    seen = []
    with started(image, trained / "model") as container:
        began = time.monotonic()
        while (status := container.ping()) != 200:
            seen.append(status)
            assert time.monotonic() - began < 120, container.log()
        assert container.ask(ONE_ROW).status == 200
    assert set(seen) <= {0, 503}


@pytest.mark.parametrize("damage", ["no model.json", "no model", "cut off", "other features"])
def test_ping_is_never_200_without_a_model_that_answers(
    image: str, trained: Path, tmp_path: Path, damage: str
) -> None:
    for path in (trained / "model").iterdir():
        content = path.read_bytes()
        if path.name == "model.json":
            if damage == "no model.json":
                continue
            if damage == "other features":
                about = json.loads(content)
                about["features"] = about["features"][:3]
                content = json.dumps(about).encode()
        elif damage == "no model":
            continue
        elif damage == "cut off":
            content = content[: len(content) // 2]
        (tmp_path / path.name).write_bytes(content)
    with started(image, tmp_path) as container:
        end = time.monotonic() + 5
        seen = set()
        while container.running() and time.monotonic() < end:
            seen.add(container.ping())
        assert seen <= {0, 503}
        log = container.log()
        assert not container.running(), f"it neither serves nor ends:\n{log}"
        assert container.exit_code() != 0
        expected = {"no model.json": "model.json", "no model": ".onnx", "cut off": ".onnx"}
        assert expected.get(damage, "feature") in log
        assert "Fatal Python" not in log


def test_the_port_is_sagemakers_choice_and_nothing_but_memory_need_be_writable(
    image: str, trained: Path
) -> None:
    options = ("--read-only", "--cap-drop", "NET_RAW", "--security-opt", "no-new-privileges")
    with serving(
        image, trained / "model", *options, environment=["SAGEMAKER_BIND_TO_PORT=8099"], port=8099
    ) as container:
        assert container.ask(ONE_ROW).status == 200


def test_any_user_may_run_it(image: str, trained: Path) -> None:
    with serving(image, trained / "model", "--user", "12345:12345") as container:
        assert container.ask(ONE_ROW).status == 200


def test_no_process_of_the_server_is_root(server: Container) -> None:
    users = {process.user for process in server.processes()}
    assert 0 not in users


def test_the_entry_point_is_in_exec_form(image: str) -> None:
    config = json.loads(docker("image", "inspect", image))[0]["Config"]
    assert config["Entrypoint"] == ["python", "/opt/program/app.py"]
    assert not config["Cmd"]


def test_an_unknown_command_is_refused_with_the_known_ones(image: str) -> None:
    said = docker("run", "--rm", image, "dance", check=False)
    assert "dance" in said
    assert "serve" in said
    assert "train" in said


def test_the_server_does_not_write_the_model(image: str, server: Container, trained: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (trained / "model").iterdir()}
    server.ask(ONE_ROW)
    assert before == {path: path.stat().st_mtime_ns for path in (trained / "model").iterdir()}


def test_batch_transform_learns_how_to_send(server: Container) -> None:
    answer = server.ask(wire.request(path="/execution-parameters"))
    assert answer.status == 200
    parameters = answer.json()
    assert set(parameters) == {"MaxConcurrentTransforms", "BatchStrategy", "MaxPayloadInMB"}
    assert parameters["BatchStrategy"] == "MULTI_RECORD"
    assert isinstance(parameters["MaxConcurrentTransforms"], int)
    assert 1 <= parameters["MaxPayloadInMB"] <= 6  # a larger payload would be refused with 413


def test_csv_lines_in_are_lines_out(server: Container) -> None:
    for end in ("", "\n", "\r\n"):
        body = ("\n".join(",".join(map(str, row)) for row in [SETOSA, VIRGINICA, SETOSA]) + end).encode()
        answer = server.ask(wire.request(body, kind="text/csv", headers={"Accept": "text/csv"}))
        assert answer.status == 200
        assert answer.headers["content-type"].startswith("text/csv")
        lines = answer.body.decode().splitlines()
        assert [line.split(",")[0] for line in lines] == ["setosa", "virginica", "setosa"]


def test_one_record_of_batch_transform_is_one_line(server: Container) -> None:
    # SplitType=Line, BatchStrategy=SingleRecord: a line without or with its end; AssembleWith=Line joins.
    for body in (b"5.1,3.5,1.4,0.2", b"5.1,3.5,1.4,0.2\n"):
        answer = server.ask(wire.request(body, kind="text/csv", headers={"Accept": "text/csv"}))
        assert len(answer.body.decode().splitlines()) == 1


def test_csv_of_spreadsheets_is_understood(server: Container) -> None:
    for body in (
        b"5.1, 3.5, 1.4, 0.2\r\n",
        b'"5.1","3.5","1.4","0.2"\n',
        b"5.1,3.5,1.4,0.2\n\n",
        b"51e-1,3.5,+1.4,.2",
    ):
        answer = server.ask(wire.request(body, kind="text/csv; charset=utf-8"))
        assert (answer.status, answer.json()["predictions"]) == (200, ["setosa"]), body


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("APPLICATION/JSON; charset=utf-8", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
        ("text/csv", "text/csv"),
        ("text/csv, application/json;q=0.5", "text/csv"),
        ("text/html", None),
        ("application/x-npy", None),
        ("image/*", None),
        ("nonsense", None),
    ],
)
def test_accept_chooses_the_answers_type(server: Container, accept: str | None, kind: str | None) -> None:
    headers = {} if accept is None else {"Accept": accept}
    answer = server.ask(wire.request({"instances": [SETOSA]}, headers=headers))
    if kind is None:
        assert answer.status == 406
        assert "application/json" in answer.error
        assert "text/csv" in answer.error
    else:
        assert answer.status == 200
        assert answer.headers["content-type"].startswith(kind)


@pytest.mark.parametrize(
    ("attributes", "algorithm"),
    [
        (None, "logistic"),
        ("", "logistic"),
        ("algorithm=logistic", "logistic"),
        ("algorithm=random_forest", "random_forest"),
        ("trace=1, algorithm=random_forest", "random_forest"),
        ("c000b4f9-df62-4c85-a0bf-7c525f9104a4", "logistic"),
        (",,;==,\t%00&", "logistic"),
        ("x" * 1024, "logistic"),
        ("naïve=\xff", "logistic"),
    ],
)
def test_custom_attributes_choose_the_algorithm(
    server: Container, attributes: str | None, algorithm: str
) -> None:
    headers = {} if attributes is None else {"X-Amzn-SageMaker-Custom-Attributes": attributes}
    answer = server.ask(wire.request({"instances": [SETOSA, VIRGINICA]}, headers=headers))
    assert answer.status == 200
    assert answer.json()["algorithm"] == algorithm
    assert answer.json()["predictions"] == ["setosa", "virginica"]


@pytest.mark.parametrize(
    "wanted", ["crystal_ball", "", "LOGISTIC", "logistic.onnx", "../../etc/passwd", "\xff"]
)
def test_an_unknown_algorithm_is_refused_with_the_known_ones(server: Container, wanted: str) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={wanted}"}
    answer = server.ask(wire.request({"instances": [SETOSA]}, headers=headers))
    assert answer.status == 400
    for name in ("unknown algorithm", "logistic", "random_forest"):
        assert name in answer.error


def test_sigterm_ends_an_idle_server_at_once_although_connections_are_open(image: str, trained: Path) -> None:
    with serving(image, trained / "model") as container, container.connect() as idle, container.connect():
        assert idle.ask(ONE_ROW).status == 200
        time.sleep(1)  # a worker that accepts the other connection during the stop would wait for it
        began = time.monotonic()
        assert container.stop().wait() == 0
        assert time.monotonic() - began < 20  # waiting for the connections takes longer
        assert container.exit_code() == 0
        assert idle.is_closed(within=1)


def test_sigterm_lets_requests_under_way_finish(image: str, trained: Path) -> None:
    attributes = {"X-Amzn-SageMaker-Custom-Attributes": "algorithm=random_forest"}
    body = json.dumps({"instances": [SETOSA, VIRGINICA] * 20_000}).encode()
    with (
        serving(image, trained / "model") as container,
        container.connect() as computing,
        container.connect() as sending,
        container.connect(receive_buffer=4096) as reading,
    ):
        reading.send(MANY_ROWS)
        sending.send(ONE_ROW[:-10])
        computing.send(wire.request(body, headers=attributes))
        time.sleep(0.3)  # every request has arrived, none can be answered yet
        stopping = container.stop()
        time.sleep(0.7)
        assert container.running()
        sending.send(ONE_ROW[-10:])
        assert sending.receive().json()["predictions"] == ["setosa"]
        assert len(computing.receive().json()["predictions"]) == 40_000
        time.sleep(0.5)
        assert len(reading.receive().json()["predictions"]) == 40_000
        for connection in (computing, sending, reading):
            connection.close()
        assert stopping.wait() == 0
        assert container.exit_code() == 0


def test_sigterm_does_not_wait_for_ever_for_a_client_that_stalls(
    stopped_with_a_stalled_client: Future[tuple[float, int]],
) -> None:
    seconds, exit_code = stopped_with_a_stalled_client.result()
    assert seconds < 28  # SageMaker kills after 30 seconds
    assert exit_code == 0


def test_it_is_ready_soon(image: str, trained: Path) -> None:
    # SageMaker waits eight minutes. Here: not much longer than a container takes on this machine, now, to
    # load the library that runs the models (about a second where nothing else happens).
    began = time.monotonic()
    docker("run", "--rm", "--entrypoint", "python", image, "-c", "import onnxruntime")
    bare = time.monotonic() - began
    began = time.monotonic()
    with started(image, trained / "model") as container:
        eventually(lambda: container.ping() == 200, 60, container.log)
        assert time.monotonic() - began < 3 + 3 * bare
