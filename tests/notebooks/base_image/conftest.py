"""The real container: images of what the notebooks write, a model trained in one, one server for all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab_helpers import containers
from tests.notebooks import sources

# The learners' sources are taken from the notebooks in one place.
from tests.notebooks.base_image import model_container
from tests.waiting import eventually

# Tags of this run only: another run at the same time removes its own when it ends.
BASE, MODEL = f"workshop-test-base:serving-{os.getpid()}", f"workshop-test-model:serving-{os.getpid()}"


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exercises' directory: base_image/, model_image/ as the notebooks write them."""
    return sources.materialise(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="session")
def base_image(written: Path) -> Iterator[str]:
    containers.build(written / "base_image", BASE)
    yield BASE
    containers.docker("rmi", "--no-prune", BASE, check=False)


@pytest.fixture(scope="session")
def image(written: Path, base_image: str) -> Iterator[str]:
    containers.build(written / "model_image", MODEL, build_args={"BASE_IMAGE": base_image})
    yield MODEL
    containers.docker("rmi", "--no-prune", MODEL, check=False)


@pytest.fixture(scope="session")
def trained(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt/ml after a training job with default hyperparameters."""
    root = containers.prepare(tmp_path_factory.mktemp("ml"), data=[model_container.DATA], hyperparameters={})
    containers.train(image, root)
    return root


@pytest.fixture(scope="session")
def shared_server(image: str, trained: Path) -> Iterator[model_container.Container]:
    """One server for all tests, as SageMaker starts it and stricter: nothing but its memory is writable."""
    with model_container.serving(image, trained / "model", "--read-only", "--memory", "1g") as container:
        yield container


@pytest.fixture
def server(shared_server: model_container.Container) -> Iterator[model_container.Container]:
    """The shared server; each test leaves it answering."""
    yield shared_server
    eventually(
        lambda: shared_server.ping() == 200, 10, lambda: f"/ping is not 200:\n{shared_server.log()[-2000:]}"
    )
