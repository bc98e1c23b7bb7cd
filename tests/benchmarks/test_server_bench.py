"""The server benchmark compares the same work, measures no wrong answers, and leaves nothing behind."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import docker
import pytest

from benchmarks.figures import Figure, write
from benchmarks.server import images, measure, models, part, running
from benchmarks.server.load import Load, LoadError, beside, parse
from benchmarks.server.peers import ALGORITHMS, OURS, PEERS, SOURCE
from local_account.engine.base_image import BASE_IMAGE

PEER_FOLDERS = sorted(path for path in (images.HERE / "peers").iterdir() if path.is_dir())
IRIS = ["setosa", "versicolor"]


def result(name: str, per_second: float, batches: float) -> measure.Result:
    single, batch = (measure.Rounds(rate, 0.5, 1.0, 0.1, 0) for rate in (per_second, batches))
    one = measure.Measured(single, batch, {100: Load(100, 1.0, 0.5, 1.0, 0, 0, 0)})
    return measure.Result(PEERS[name], 0.1, 50, 500, dict.fromkeys(ALGORITHMS, one))


def test_every_peer_has_its_image_and_each_image_pins_its_packages() -> None:
    assert {peer.folder for peer in PEERS.values()} - {""} == {path.name for path in PEER_FOLDERS}
    for folder in PEER_FOLDERS:
        lines = re.sub(r"\n\s*#[^\n]*", "", (folder / "Dockerfile").read_text()).replace("\\\n", " ")
        commands = [
            command.split() for line in re.findall(r"RUN (.*)", lines) for command in line.split("&&")
        ]
        packages = [word for command in commands if command[0] == "pip" for word in command[2:]]
        named = [word for word in packages if re.match(r'"?[a-z]', word)]
        assert named
        assert [word for word in named if not re.search("==|<", word)] == []


def test_fit_splits_the_data_as_the_training_job_does() -> None:
    def constants(source: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for node in ast.parse(source).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple):
                names = [name.id for name in node.targets[0].elts if isinstance(name, ast.Name)]
                if "SPLIT_SEED" in names:
                    found |= dict(zip(names, ast.literal_eval(node.value), strict=True))
        return found

    ours = constants((images.NOTEBOOKS / "base_image/training.py").read_text())
    assert ours == constants((images.HERE / "fit/fit.py").read_text()) != {}


def test_the_measured_image_holds_what_a_learner_builds(tmp_path: Path) -> None:
    for number in ("01", "02"):
        images.write_sources(next(images.NOTEBOOKS.glob(f"{number}_*.ipynb")), tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert found >= {
        "base_image/app.py",
        "base_image/server.py",
        "model_image/Dockerfile",
        "try_out/model.py",
    }
    server = images.NOTEBOOKS / "base_image/server.py"
    assert (tmp_path / "base_image/server.py").read_bytes() == server.read_bytes()


def test_an_image_is_built_again_when_anything_that_goes_into_it_changes(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM a")
    before = images.digest(tmp_path, {"NUMPY": "1"})
    assert images.digest(tmp_path, {"NUMPY": "1"}) == before
    assert images.digest(tmp_path, {"NUMPY": "2"}) != before
    (tmp_path / "app.py").write_text("")
    assert images.digest(tmp_path, {"NUMPY": "1"}) != before


def test_errors_of_every_kind_are_counted_and_do_not_count_as_answers() -> None:
    line = {"requests": 100, "microseconds": 2_000_000, "p50": 500, "p99": 1500}
    found = parse("Running 2s test\n" + json.dumps({**line, "status": 10, "timeout": 2, "socket": 3}))
    assert (found.per_second, found.p99_ms, found.errors) == (45.0, 1.5, 15)
    with pytest.raises(LoadError, match="unable to connect"):
        parse("unable to connect to 127.0.0.1:8080 Connection refused")


class Answering:
    """A server with given answers."""

    def __init__(self, labels: list[str], probabilities: list[list[float]]) -> None:
        self.labels, self.probabilities = labels, probabilities

    def invoke(self, body: Any, attributes: str) -> Any:
        count = len(body["instances"])
        return {"predictions": self.labels[:count], "probabilities": self.probabilities[:count]}


@pytest.mark.parametrize(
    ("labels", "probabilities", "fault"),
    [
        (IRIS, [[1, 0], [0.2, 0.8]], None),
        (["setosa"] * 2, [[1, 0], [0.2, 0.8]], "label setosa in row 1"),
        (["setosa"], [[1, 0], [0.2, 0.8]], "1 labels"),
        (IRIS, [[1, 0], [0.2001, 0.7999]], "wrong probabilities in row 1"),
    ],
)
def test_a_server_with_wrong_predictions_is_not_measured(
    labels: list[str], probabilities: list[list[float]], fault: str | None
) -> None:
    expected = models.Expected(IRIS, [[1, 0], [0.2, 0.8]])
    found = models.Models(Path(), Path(), [[1.0], [2.0]], dict.fromkeys(ALGORITHMS, expected), Path())
    server: Any = Answering(labels, probabilities)
    if fault is None:
        measure.check(server, OURS, found)
    else:
        with pytest.raises(running.ServerError, match=fault):
            measure.check(server, OURS, found)


def test_ratios_are_judged_against_their_targets(tmp_path: Path) -> None:
    ratios = part.ratios(
        [result("ours", 30_000, 900), result(SOURCE.name, 5_000, 1), result("gunicorn_gthread", 1, 200)]
    )
    kept = {figure.name: (figure.value, figure.kept) for figure in ratios}
    assert kept == {
        "server.logistic_to_source_ratio": (6, True),
        "server.random_forest_to_source_ratio": (6, False),
        "server.logistic_batch_to_gthread_ratio": (4.5, False),
        "server.random_forest_batch_to_gthread_ratio": (4.5, False),
    }
    assert part.ratios([result(SOURCE.name, 5_000, 1)]) == []
    write(tmp_path / "bench.json", ratios)
    entry = json.loads((tmp_path / "bench.json").read_text())["figures"]["server.logistic_to_source_ratio"]
    assert (entry["kept"], entry["at_least"], "detail" in entry) == (True, 6, False)


def test_an_upper_and_a_lower_limit_must_both_be_kept() -> None:
    def kept(value: float) -> bool | None:
        return Figure("a", value, "", "", limit=3, at_least=2).kept

    assert [kept(1), kept(2), kept(3), kept(4)] == [False, True, True, False]


def test_unknown_peers_are_named() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--only", "server", "--peers", "ours,nginx"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "no such peer: nginx" in done.stderr


SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def log_message(self, *_): pass
    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
    def do_GET(self): self.answer(b"")
    def do_POST(self):
        rows = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["instances"]
        self.answer(json.dumps({"predictions": ["setosa"] * len(rows)}).encode())
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""


@pytest.fixture
def engine() -> docker.DockerClient:
    return docker.DockerClient(base_url=os.environ["DOCKER_HOST"])


@pytest.mark.docker
def test_load_runs_beside_the_server_and_cpu_time_is_the_servers_own(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    found = models.Models(tmp_path, tmp_path, [[5.1, 3.5, 1.4, 0.2]], {}, tmp_path)
    wrk = images.Images(engine, print).wrk()
    with running.serving(engine, BASE_IMAGE, ["python3", "-c", SERVER], tmp_path) as server:
        assert 0 < server.seconds_to_ready < 30
        assert OURS.labels(server.invoke(OURS.request([[1.0], [2.0]]), "")) == ["setosa"] * 2
        before = server.usage()
        with beside(server, wrk, found.bodies(OURS)) as generator:
            measured = generator.run("single", "algorithm=logistic", connections=10, seconds=1)
            refused = generator.run("batch", "algorithm=logistic", connections=2, seconds=1)
            beside_it = generator.container.id
        after = server.usage()
    assert measured.requests > 20
    assert measured.errors == refused.errors == 0
    assert 0 < measured.p50_ms <= measured.p99_ms
    assert 0 < after.cpu_seconds - before.cpu_seconds < 2 * (os.cpu_count() or 1) + 2
    assert 1 < after.resident_megabytes < 200
    for identity in (server.identity, beside_it):
        with pytest.raises(docker.errors.NotFound):
            engine.containers.get(str(identity))


@pytest.mark.docker
def test_an_interrupted_measurement_leaves_no_container(engine: docker.DockerClient, tmp_path: Path) -> None:
    identity = ""
    with (
        pytest.raises(KeyboardInterrupt),
        running.serving(engine, BASE_IMAGE, ["python3", "-c", SERVER], tmp_path) as server,
    ):
        identity = server.identity
        raise KeyboardInterrupt
    with pytest.raises(docker.errors.NotFound):
        engine.containers.get(identity)


@pytest.mark.docker
def test_a_server_that_exits_is_not_waited_for_and_its_log_is_shown(
    engine: docker.DockerClient, tmp_path: Path
) -> None:
    failing = ["python3", "-c", "raise SystemExit('no model here')"]
    with (
        pytest.raises(running.ServerError, match="no model here"),
        running.serving(engine, BASE_IMAGE, failing, tmp_path),
    ):
        pass
