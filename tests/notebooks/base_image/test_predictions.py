"""What the container answers is what scikit-learn predicts, and training it again gives the same model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from lab_helpers import containers
from tests.notebooks.base_image import wire
from tests.notebooks.base_image.model_container import DATA, Container, run_python

pytestmark = pytest.mark.docker
ALGORITHMS = ("logistic", "random_forest")

# Trains as `train` does, and asks the fitted estimators themselves, by the container's own scikit-learn.
REFERENCE = """
import csv, sys
import numpy as np
sys.path.insert(0, "/opt/program")
import model, training

fitted = {}
make = model.estimators
def keep(chosen):
    fitted.update(make(chosen))
    return fitted
model.estimators = keep
assert training.main() == 0

chance = np.random.default_rng(0)
with open("/opt/ml/input/data/training/iris.csv") as file:
    lines = list(csv.DictReader(file))
table = np.array([[float(line[name]) for name in model.FEATURES] for line in lines], np.float32)
low, high = table.min(axis=0) - 1, table.max(axis=0) + 1
rows = {
    "whole data set": table,
    "random": chance.uniform(low, high, (10_000, 4)).astype(np.float32),
    "far away": chance.normal(0, 1e4, (2_000, 4)).astype(np.float32),
    "doubles": chance.uniform(low, high, (10_000, 4)),
}
near = []
for tree in fitted["random_forest"].estimators_:
    for feature, threshold in zip(tree.tree_.feature, tree.tree_.threshold):
        if feature >= 0:
            row = table[chance.integers(len(table))].copy()
            single = np.float32(threshold)
            below, above = (np.nextafter(single, np.float32(end)) for end in (-9, 99))
            for row[feature] in (single, below, above):
                near.append(row.copy())
rows["at the thresholds"] = np.array(near, np.float32)
found = {}
for name, part in rows.items():
    found[name] = part
    for algorithm, estimator in fitted.items():
        found[f"{name}/{algorithm}/labels"] = estimator.predict(part).astype(str)
        found[f"{name}/{algorithm}/probabilities"] = estimator.predict_proba(part)
np.savez("/opt/ml/output/data/reference.npz", **found)
"""


def digests(model: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(model.iterdir())}


@pytest.fixture(scope="module")
def retrained(image: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """/opt/ml of a second training with the same input, and scikit-learn's own predictions."""
    root = containers.prepare(tmp_path_factory.mktemp("again"), data=[DATA], hyperparameters={})
    run_python(image, REFERENCE, mounts=[(root, "/opt/ml")])
    return root


def test_the_same_data_and_hyperparameters_give_the_same_model(trained: Path, retrained: Path) -> None:
    first = digests(trained / "model")
    assert {"model.json", "logistic.onnx", "random_forest.onnx"} <= set(first)
    assert digests(retrained / "model") == first


def ask(server: Container, rows: np.ndarray, algorithm: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return labels and probabilities, asked 2,500 rows at a time."""
    import io

    labels: list[str] = []
    probabilities: list[list[float]] = []
    with server.connect() as connection:
        for start in range(0, len(rows), 2_500):
            part = rows[start : start + 2_500]
            if kind == "application/x-npy":
                file = io.BytesIO()
                np.save(file, part)
                body = file.getvalue()
            elif kind == "text/csv":
                body = "\n".join(",".join(map(repr, row)) for row in part.tolist()).encode()
            else:
                body = json.dumps({"instances": part.tolist()}).encode()
            headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={algorithm}"}
            answer = connection.ask(wire.request(body, kind=kind, headers=headers)).json()
            assert answer["algorithm"] == algorithm
            labels += answer["predictions"]
            probabilities += answer["probabilities"]
    return np.array(labels), np.array(probabilities)


@pytest.mark.parametrize("kind", ["application/json", "text/csv", "application/x-npy"])
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_labels_equal_scikit_learns_and_probabilities_almost(
    shared_server: Container, retrained: Path, algorithm: str, kind: str
) -> None:
    with np.load(retrained / "output/data/reference.npz") as reference:
        for name in ("whole data set", "random", "far away", "doubles", "at the thresholds"):
            labels, probabilities = ask(shared_server, reference[name], algorithm, kind)
            wrong = np.flatnonzero(labels != reference[f"{name}/{algorithm}/labels"])
            assert not len(wrong), (
                f"{name}: {len(wrong)} of {len(labels)}, first {reference[name][wrong[0]].tolist()}"
            )
            differences = np.abs(probabilities - reference[f"{name}/{algorithm}/probabilities"])
            assert differences.max() < 1e-5, name


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_row_alone_is_answered_as_in_a_batch(
    shared_server: Container, retrained: Path, algorithm: str
) -> None:
    headers = {"X-Amzn-SageMaker-Custom-Attributes": f"algorithm={algorithm}"}
    with np.load(retrained / "output/data/reference.npz") as reference, shared_server.connect() as connection:
        rows, labels = reference["whole data set"], reference[f"whole data set/{algorithm}/labels"]
        for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
            for headers_now in ({**headers}, {**headers, "Accept": "text/csv"}):
                answer = connection.ask(wire.request({"instances": [row]}, headers=headers_now))
                if "Accept" in headers_now:
                    assert answer.body.decode().split(",")[0].strip() == label
                else:
                    assert answer.json()["predictions"] == [label]


def test_the_evaluation_lies_beside_the_model_and_names_its_digests(trained: Path) -> None:
    evaluation = json.loads((trained / "model/evaluation.json").read_text())
    assert evaluation == json.loads((trained / "output/data/evaluation.json").read_text())
    for algorithm in ALGORITHMS:
        found = evaluation["algorithms"][algorithm]
        assert {"accuracy", "precision", "recall", "confusion_matrix"} <= set(found)
        assert sum(map(sum, found["confusion_matrix"])) == evaluation["rows"]["test"]
    content = DATA.read_bytes()
    assert evaluation["digests"]["data"] == "sha256:" + hashlib.sha256(content).hexdigest()
    assert evaluation["digests"]["code"].startswith("sha256:")
    recorded = json.dumps([evaluation, json.loads((trained / "model/model.json").read_text())])
    for name, digest in digests(trained / "model").items():
        if name.endswith(".onnx"):
            assert digest in recorded, f"the digest of {name} is recorded nowhere"
