"""An estimator that ONNX cannot express trains and serves in the same base image, by one line in model.py.

Its model file carries Python objects, which could run code when they are loaded: so it is loaded only when
its digest is the one that the training step recorded.
"""

from __future__ import annotations

import json
import pickle
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from lab_helpers import containers
from lab_helpers.exercises import cells
from tests.checkout import ROOT
from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import DATA, Container, run_python, serving, started

pytestmark = pytest.mark.docker
LINE = 'RUNTIME = "scikit-learn"'
MODEL = f'''
"""Iris by the ratios of a flower's measures, which a transformer of our own computes."""

from dataclasses import dataclass

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

FEATURES = ("sepal_length", "sepal_width", "petal_length", "petal_width")
TARGET = "species"
{LINE}


@dataclass(frozen=True)
class Hyperparameters:
    C: float = 1.0


class Ratios(TransformerMixin, BaseEstimator):
    def fit(self, rows, labels=None):
        self.columns_ = rows.shape[1]
        return self

    def transform(self, rows):
        return np.column_stack([rows, rows[:, 0] / (np.abs(rows[:, 1]) + 1), np.sqrt(np.abs(rows[:, 2]))])


def estimators(chosen):
    return {{
        "ratios": make_pipeline(Ratios(), LogisticRegression(C=chosen.C, max_iter=500)),
        "bayes": make_pipeline(Ratios(), GaussianNB()),
    }}
'''
ROWS = [[5.1, 3.5, 1.4, 0.2], [6.3, 3.3, 6.0, 2.5], [5.9, 3.0, 4.2, 1.5]]


@pytest.fixture(scope="module")
def own_image(written: Path, base_image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("own")
    shutil.copy(written / "model_image/Dockerfile", folder)
    (folder / "model.py").write_text(MODEL, encoding="utf-8")
    tag = base_image.replace("base", "own")
    containers.build(folder, tag, build_args={"BASE_IMAGE": base_image})
    yield tag
    containers.docker("rmi", "--no-prune", tag, check=False)


@pytest.fixture(scope="module")
def own_trained(own_image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = containers.prepare(tmp_path_factory.mktemp("own_ml"), data=[DATA], hyperparameters={"C": "2.0"})
    assert "ratios accuracy=" in containers.train(own_image, root).output
    return root / "model"


@pytest.fixture(scope="module")
def own_server(own_image: str, own_trained: Path) -> Iterator[Container]:
    with serving(own_image, own_trained, "--read-only") as container:
        yield container


def test_notebook_or_docs_name_the_line(written: Path) -> None:
    from tests.notebooks import sources

    told = (ROOT / "docs/model-server.md").read_text() + "".join(
        cell["source"] for notebook in sources.NOTEBOOKS for cell in cells(notebook)
    )
    assert LINE in told


def test_it_predicts_what_scikit_learn_predicts(
    own_image: str, own_trained: Path, own_server: Container
) -> None:
    # The reference is fitted again by scikit-learn in the image, on the rows that the training step fits on.
    code = """
import json, sys
sys.path.insert(0, "/opt/program")
import model, training
kept, make = {}, model.estimators
model.estimators = lambda chosen: kept.update(make(chosen)) or kept
assert training.main() == 0
rows = json.loads(sys.argv[1])
import numpy as np
array = np.array(rows, np.float32)
found = {name: [e.predict(array).tolist(), e.predict_proba(array).tolist()] for name, e in kept.items()}
print("ANSWER" + json.dumps(found))
"""
    root = containers.prepare(
        own_trained.parent.parent / "own_again", data=[DATA], hyperparameters={"C": "2.0"}
    )
    said = run_python(own_image, code, json.dumps(ROWS), mounts=[(root, "/opt/ml")])
    expected = json.loads(said.partition("ANSWER")[2])
    for algorithm in ("ratios", "bayes"):
        headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={algorithm}"}
        answer = own_server.ask(wire.request({"instances": ROWS}, headers=headers)).json()
        labels, probabilities = expected[algorithm]
        assert (answer["algorithm"], answer["predictions"]) == (algorithm, labels)
        assert np.allclose(answer["probabilities"], probabilities, atol=1e-5)


def test_bad_input_and_other_types_are_treated_alike(own_server: Container) -> None:
    assert own_server.ask(wire.request(path="/ping")).status == 200
    assert "petal_length" in own_server.ask(wire.request({"instances": [[1, 2, "x", 4]]})).error
    answer = own_server.ask(wire.request(b"5.1,3.5,1.4,0.2", kind="text/csv", headers={"Accept": "text/csv"}))
    assert answer.body.decode().split(",")[0].strip() == "setosa"
    extreme = own_server.ask(wire.request({"instances": [[3.4e38, -3.4e38, 3.4e38, 3.4e38]]}))
    assert extreme.status in {200, 400}, extreme


class Bomb:
    """Loading it would write to the log."""

    def __reduce__(self) -> tuple[object, ...]:
        return print, ("exploded",)


def never_serves(image: str, model: Path) -> str:
    """Start a server that must refuse its model; return its log."""
    with started(image, model) as container:
        end = time.monotonic() + 15
        while container.running() and time.monotonic() < end:
            assert container.ping() in {0, 503}
            time.sleep(0.02)
        log = container.log()
        assert not container.running(), log
        assert container.exit_code() != 0
        return log


def test_a_model_file_that_was_changed_is_not_loaded(
    own_image: str, own_trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(own_trained, tmp_path / "model")
    name, *_ = [path.name for path in sorted((tmp_path / "model").iterdir()) if path.suffix != ".json"]
    changed = tmp_path / "model" / name
    for content in (pickle.dumps(Bomb()), changed.read_bytes() + b" ", changed.read_bytes()[:-1]):
        changed.write_bytes(content)
        log = never_serves(own_image, tmp_path / "model")
        assert name in log
        assert "digest" in log.lower() or "sha-256" in log.lower()
        assert "exploded" not in log
        shutil.copy(own_trained / name, changed)
    with serving(own_image, tmp_path / "model") as container:
        assert container.ping() == 200


def test_a_model_without_a_recorded_digest_is_not_loaded(
    own_image: str, own_trained: Path, tmp_path: Path
) -> None:
    import re

    shutil.copytree(own_trained, tmp_path / "model")
    about = tmp_path / "model/model.json"
    stripped = re.sub(r"[0-9a-f]{64}", "", about.read_text())
    assert stripped != about.read_text()
    about.write_text(stripped)
    assert "digest" in never_serves(own_image, tmp_path / "model").lower()


def test_an_onnx_model_that_was_changed_is_not_loaded_either(
    image: str, trained: Path, tmp_path: Path
) -> None:
    shutil.copytree(trained / "model", tmp_path / "model")
    file = tmp_path / "model/logistic.onnx"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    log = never_serves(image, tmp_path / "model")
    assert "logistic.onnx" in log
    assert "digest" in log.lower()


def test_an_estimator_that_onnx_cannot_express_is_refused_with_the_line_that_helps(
    base_image: str, own_image: str, tmp_path: Path
) -> None:
    model = tmp_path / "model.py"
    model.write_text(MODEL.replace(LINE, ""), encoding="utf-8")
    root = containers.prepare(tmp_path / "ml", data=[DATA], hyperparameters={})
    run = containers.train(own_image, root, files={model: "/opt/program/model.py"}, check=False)
    assert run.exit_code == 1
    reason = (root / "output/failure").read_text().splitlines()[0]
    assert LINE in reason
    assert "ratios" in reason
    assert not list((root / "model").glob("*.onnx"))
