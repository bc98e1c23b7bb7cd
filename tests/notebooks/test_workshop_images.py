"""Both images, built from what the notebooks write: trained and served as SageMaker does it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers import containers
from lab_helpers.exercises import cells
from tests.checkout import ROOT
from tests.notebooks import sources

pytestmark = pytest.mark.docker
DATA = ROOT / "notebooks/data/iris.csv"
BASE, MODEL = "workshop-test-base:images", "workshop-test-model:images"


@pytest.fixture(scope="module")
def image(exercises: Path) -> Iterator[str]:
    containers.build(exercises / "base_image", BASE)
    containers.build(exercises / "model_image", MODEL, build_args={"BASE_IMAGE": BASE})
    yield MODEL
    containers.docker("rmi", "--no-prune", MODEL, BASE, check=False)


@pytest.fixture(scope="module")
def trained_ml(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = containers.prepare(tmp_path_factory.mktemp("ml"), data=[DATA], hyperparameters={"C": "1.0"})
    assert "random_forest accuracy=" in containers.train(image, root).output
    return root


def megabytes(image: str, *patterns: str) -> float:
    """Return the size of what lies under these names among an image's Python packages."""
    where = 'cd "$(python -c "import numpy; print(numpy.__path__[0])")/.."'
    command = f"{where} && du -sbc {' '.join(patterns)} | tail -1"
    said = containers.docker("run", "--rm", "--entrypoint", "sh", image, "-c", command)
    return int(said.split()[0]) / 1e6


def test_the_libraries_are_as_large_as_the_lesson_says(image: str) -> None:
    [text] = [one["source"] for one in cells(sources.NOTEBOOKS[1]) if one["id"] == "01-about-dockerfile"]
    said = re.search(
        r"about (\d+) MB, including (\d+) for SciPy, NumPy and scikit-learn \((\d+) of that is OpenBLAS.*?\),"
        r" (\d+) for ONNX and its runtime, and (\d+) for the server",
        " ".join(text.split()),
    )
    assert said
    sizes = [
        int(containers.docker("image", "inspect", "--format", "{{.Size}}", one)) / 1e6
        for one in (BASE, containers.BASE_IMAGE)
    ]
    measured = [
        sizes[0] - sizes[1],
        megabytes(image, "numpy*", "scipy*", "sklearn", "scikit_learn*"),
        megabytes(image, "*.libs/libscipy_openblas*"),
        megabytes(image, "onnx*", "skl2onnx*"),
        megabytes(image, "uvloop*", "httptools*", "msgspec*", "orjson*"),
    ]
    assert [float(one) for one in said.groups()] == pytest.approx(measured, rel=0.1)


def test_the_container_is_ready_soon_and_serves_both_algorithms(image: str, trained_ml: Path) -> None:
    began = time.monotonic()
    containers.docker("run", "--rm", "--entrypoint", "python", image, "-c", "import onnxruntime")
    bare = time.monotonic() - began
    with containers.serve(image, trained_ml) as server:
        assert server.seconds_to_ready < 2 + 3 * bare  # a busy machine is slow at both
        assert server.ping() == 200
        for algorithm in ("logistic", "random_forest"):
            answer = server.invoke({"instances": [[5.1, 3.5, 1.4, 0.2]]}, attributes=f"algorithm={algorithm}")
            assert (answer.status, answer.body["predictions"]) == (200, ["setosa"])
        assert server.invoke(b"{").status == 400
        assert server.invoke(b" " * 7_000_000).status == 413
        container = server.container
    assert container not in containers.docker("ps", "--all", "--quiet", "--no-trunc")


def test_a_server_whose_process_was_killed_is_removed_by_the_next(
    image: str, trained_ml: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = (
        "import os, signal, sys; from pathlib import Path; from lab_helpers import containers\n"
        f"with containers.serve({image!r}, Path({str(trained_ml)!r})) as server:\n"
        "    print(server.container, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment
    )
    left = killed.stdout.strip()
    assert left in containers.docker("ps", "--quiet", "--no-trunc")
    with containers.serve(image, trained_ml) as server:
        running = containers.docker("ps", "--quiet", "--no-trunc")
        assert left not in running
        assert server.container in running


def test_a_container_without_a_model_does_not_serve_and_says_why(image: str) -> None:
    with pytest.raises(containers.ContainerError, match=r"model\.json"), containers.serve(image):
        pass


def test_a_failed_training_leaves_its_reason(image: str, tmp_path: Path) -> None:
    root = containers.prepare(tmp_path / "ml", data=[DATA], hyperparameters={"n_trees": "1"})
    run = containers.train(image, root, check=False)
    assert run.exit_code == 1
    assert (root / "output/failure").read_text().startswith("ValueError: unknown hyperparameter n_trees")
    with pytest.raises(containers.ContainerError, match="unknown hyperparameter n_trees"):
        containers.train(image, root)


def test_sigterm_lets_requests_under_way_finish(image: str, trained_ml: Path) -> None:
    rows = [[5.1, 3.5, 1.4, 0.2]] * 60_000
    with containers.serve(image, trained_ml) as server:
        answers: list[int] = []

        def ask() -> None:
            answers.append(server.invoke({"instances": rows}, attributes="algorithm=random_forest").status)

        asking = threading.Thread(target=ask)
        asking.start()
        time.sleep(0.15)
        subprocess.run(["docker", "stop", "--time", "25", server.container], check=True, capture_output=True)
        asking.join()
        assert answers == [200]
        state = containers.docker("inspect", "--format", "{{.State.ExitCode}}", server.container)
        assert state.strip() == "0"


def test_a_dockerfile_that_does_not_build_is_named_with_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(
        "FROM public.ecr.aws/docker/library/python:3.12-slim\nRUN echo broken-step && false\n"
    )
    with pytest.raises(containers.ContainerError, match="broken-step"):
        containers.build(tmp_path, "workshop-test-broken")
