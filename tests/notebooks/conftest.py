from __future__ import annotations

import importlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.checkout import ROOT
from tests.notebooks import sources

DATA = ROOT / "notebooks/data/iris.csv"


@pytest.fixture(scope="session")
def exercises(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exercises' directory after every `%%writefile` cell has run."""
    return sources.materialise(tmp_path_factory.mktemp("exercises"))


@pytest.fixture
def program(exercises: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Import the programs of the image as the container does, and unload them afterwards.

    Those that are files are imported from where they lie; `app` and `model` are written by the notebooks.
    """
    names = ("app", "inputs", "rows", "predictor", "proof", "server", "training", "model")
    for folder in (exercises / "base_image", exercises / "model_image", sources.PROGRAMS):
        monkeypatch.syspath_prepend(str(folder))
    for name in names:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def load(name: str) -> ModuleType:
        return importlib.import_module(name)

    yield load
    for name in names:
        sys.modules.pop(name, None)


@pytest.fixture(scope="session")
def trained(exercises: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model directory, made by running the training program once."""
    from lab_helpers import containers

    root = containers.prepare(tmp_path_factory.mktemp("trained"), data=[DATA], hyperparameters={})
    code = "import model, pathlib, sys, training as t; t.ROOT = pathlib.Path(sys.argv[1]); t.train(model)"
    path = os.pathsep.join(str(exercises / folder) for folder in ("base_image", "model_image"))
    subprocess.run(
        [sys.executable, "-c", code, str(root)], env={**os.environ, "PYTHONPATH": path}, check=True
    )
    return root / "model"


@pytest.fixture
def opt_ml(tmp_path: Path, program: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory laid out like /opt/ml, with the data set in the channel, for the training program."""
    from lab_helpers import containers

    root = containers.prepare(tmp_path / "ml", data=[DATA], hyperparameters={})
    monkeypatch.setattr(program("training"), "ROOT", root)
    return root
