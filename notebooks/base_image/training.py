"""Train what `model.py` declares, measure it, and write models that are proven to predict the same.

Contract: SageMaker Developer Guide, "How Amazon SageMaker AI provides training information" and
"How Amazon SageMaker AI processes training output".
"""

import csv
import importlib
import io
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import joblib
import numpy as np
import orjson
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    mean_absolute_error,
    precision_score,
    r2_score,
    recall_score,
    root_mean_squared_error,
)
from sklearn.model_selection import train_test_split

import inputs
from predictor import Prediction, digest, predictions, rehearsed
from proof import WRITERS, check_answers, differs, reason, regresses
from rows import CSV, ENCODERS, JSON, Column

ROOT = Path("/opt/ml")
PROGRAM = Path(__file__).parent
TEST_SHARE, SPLIT_SEED = 0.2, 0  # the same test rows in every execution, so that releases are comparable
ASKED = 20  # roughly how many rows of the data the models answer as they will when they serve
HELD_OUT_ROWS, HELD_OUT_BYTES = 2_000, 1_000_000  # of held_out.csv: functions with little memory read it


class Model(Protocol):
    """What `model.py` must declare."""

    FEATURES: tuple[str, ...] | Mapping[str, Any]  # numbers; or with the type of each column
    TARGET: str
    CLASSES: tuple[str, ...]  # optional: the only labels there are, such as two that differ only in case
    RUNTIME: str  # what serves: "onnx" by default, "scikit-learn" for what ONNX cannot express
    Hyperparameters: type[Any]  # a dataclass, see `inputs.hyperparameters`
    estimators: Callable[[Any], dict[str, Any]]  # classifiers or regressors by algorithm name


def measure(truth: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return the accuracy, recall and precision per class, and the confusion matrix (rows: truth)."""
    shared: dict[str, Any] = {"labels": classes, "average": None, "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "recall": dict(zip(classes, recall_score(truth, predicted, **shared).tolist(), strict=True)),
        "precision": dict(zip(classes, precision_score(truth, predicted, **shared).tolist(), strict=True)),
        "confusion_matrix": confusion_matrix(truth, predicted, labels=classes).tolist(),
    }


def measure_numbers(truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    """Return how far a regressor's numbers are from the truth; both errors have the target's unit."""
    return {
        "r2": float(r2_score(truth, predicted)),
        "mean_absolute_error": float(mean_absolute_error(truth, predicted)),
        "root_mean_squared_error": float(root_mean_squared_error(truth, predicted)),
    }


def as_sent(row: np.ndarray) -> list[Any]:
    """Return a row as a client sends it: null where a number is missing."""
    return [None if isinstance(cell, float) and math.isnan(cell) else cell for cell in row.tolist()]


def rehearse(contents: dict[str, bytes], estimators: dict[str, Any], rows: Any, runtime: str) -> None:
    """Serve the models as the container will: load them, read a request, answer it in each format.

    Raises RuntimeError if a model does not load or does not answer as scikit-learn does. An endpoint that
    never starts would say so only after the model has been approved.
    """
    some = rows[:: max(1, len(rows) // ASKED)]  # of every class: data is often sorted
    body = orjson.dumps({"instances": [as_sent(row) for row in some]})
    with tempfile.TemporaryDirectory() as directory:
        for name, content in contents.items():
            (Path(directory) / name).write_bytes(content)
        try:
            answers = answered(Path(directory), body, runtime)
            for algorithm, (labels, shares) in answers.items():
                for kind in (JSON, CSV):
                    ENCODERS[kind](algorithm, labels.tolist(), shares)
        except Exception as error:
            raise RuntimeError(
                f"what was trained cannot serve: {reason(error)}. A server loads the saved estimator and "
                "runs nothing else of model.py: let it depend on nothing that training has set, such as "
                "sklearn.set_config or a global variable"
            ) from error
    for algorithm, estimator in estimators.items():
        if differs(answers[algorithm], predictions(estimator, some)).any():
            raise RuntimeError(
                f"{algorithm} was trained, but answers a request differently than before it was saved: "
                "let its predictions depend on nothing but the row"
            )


def answered(directory: Path, body: bytes, runtime: str) -> dict[str, Prediction]:
    """Return what the models answer; Python objects in a new process, which has nothing of this one."""
    if runtime == "onnx":
        return rehearsed(directory, body)
    answers, path = directory / "answers", os.pathsep.join(filter(None, sys.path))
    code = "import joblib, pathlib, predictor, sys; model, answers = map(pathlib.Path, sys.argv[1:]); "
    code += "joblib.dump(predictor.rehearsed(model, sys.stdin.buffer.read()), answers)"
    command = [sys.executable, "-c", code, str(directory), str(answers)]
    environment = {**os.environ, "PYTHONPATH": path}
    ended = subprocess.run(command, input=body, capture_output=True, check=False, env=environment)
    if ended.returncode:
        raise RuntimeError(ended.stderr.decode(errors="replace").strip().rpartition("\n")[2])
    loaded: dict[str, Prediction] = joblib.load(answers)
    return loaded


def fit(algorithm: str, estimator: Any, rows: np.ndarray, truth: np.ndarray, classes: list[str]) -> None:
    """Fit an estimator to a copy of the data, because some change it; raises RuntimeError with the reason."""
    try:
        estimator.fit(rows.copy(), truth.copy())
    except Exception as error:
        raise RuntimeError(
            f"{algorithm} cannot be fitted ({reason(error)}): change it in model.py. Its rows are a NumPy "
            "array, whose columns are FEATURES by their number, and there is one target; text needs an "
            "encoder, and missing values an imputer"
        ) from error
    check_answers(algorithm, estimator, rows[:ASKED], classes)


def score(algorithm: str, truth: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return the metrics of a classifier, or without classes of a regressor; print them for SageMaker."""
    found = measure(truth, predicted, classes) if classes else measure_numbers(truth, predicted)
    shown = found
    if classes:
        shown = {"accuracy": found["accuracy"], "lowest_recall": min(found["recall"].values())}
    for name, value in shown.items():
        print(f"{algorithm} {name}={value:.4f}")
    return found


def held_out(
    names: list[str], rows: np.ndarray, truth: np.ndarray, predicted: dict[str, np.ndarray]
) -> tuple[dict[str, bytes], int]:
    """Return the test rows with their labels, the predictions of each algorithm, and how many rows they are.

    Whoever judges the model later asks an endpoint about the same rows. Beyond HELD_OUT_ROWS or
    HELD_OUT_BYTES they are a sample, always the same of the same data.
    """
    lines = [as_csv([*as_sent(row), label]) for row, label in zip(rows, truth.tolist(), strict=True)]
    drawn = np.random.default_rng(SPLIT_SEED).permutation(len(lines))[:HELD_OUT_ROWS].tolist()
    total = np.cumsum([len(lines[i]) for i in drawn])
    kept = sorted(drawn[: int(np.searchsorted(total, HELD_OUT_BYTES, side="right"))])
    answers = list(zip(*(labels[kept].tolist() for labels in predicted.values()), strict=True))
    files = {
        "held_out.csv": as_csv(names) + b"".join(lines[i] for i in kept),
        "held_out_predictions.csv": b"".join(map(as_csv, [list(predicted), *answers])),
    }
    return files, len(kept)


def as_csv(cells: Sequence[Any]) -> bytes:
    """Return a line of CSV; a number is written so that reading it gives the same number."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()


def train(model: Model) -> None:
    """Fit every algorithm of `model`, print its metrics, then write the models and their evaluation.

    Nothing is written until every algorithm is trained and proven. Raises what `model`, its data and its
    hyperparameters raise; ValueError and RuntimeError say what to change.
    """
    config = ROOT / "input/config/hyperparameters.json"
    given = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    chosen = inputs.hyperparameters(model.Hyperparameters, given)
    runtime = getattr(model, "RUNTIME", "onnx")
    if runtime not in WRITERS:
        raise ValueError(f"RUNTIME is {runtime!r} in model.py: use {' or '.join(WRITERS)}")
    encode, ending = WRITERS[runtime]
    columns, estimators = inputs.columns(model.FEATURES), model.estimators(chosen)
    regression = regresses(estimators)
    data = inputs.files(ROOT / "input/data/training")
    table = inputs.read_table(data, columns, model.TARGET)
    if regression:
        truth = inputs.quantities(table, model.TARGET)
    else:
        truth = inputs.labels(table, model.TARGET, getattr(model, "CLASSES", ()))
    classes = [] if regression else sorted(set(truth.tolist()))
    fit_rows, test_rows, fit_truth, test_truth = train_test_split(
        table.rows,
        truth,
        test_size=TEST_SHARE,
        random_state=SPLIT_SEED,
        stratify=None if regression else truth,
    )
    measured, predicted, contents = {}, {}, {}
    for algorithm, estimator in estimators.items():
        fit(algorithm, estimator, fit_rows, fit_truth, classes)
        contents[f"{algorithm}.{ending}"] = encode(algorithm, estimator, table.rows, columns)
        predicted[algorithm] = np.asarray(estimator.predict(test_rows.copy())).ravel()
        measured[algorithm] = score(algorithm, test_truth, predicted[algorithm], classes)
    contents["model.json"] = about(runtime, columns, classes, contents, table.rows[0])
    rehearse(contents, estimators, table.rows, runtime)
    names = [*(column.name for column in columns), model.TARGET]
    output, count = held_out(names, test_rows, test_truth, predicted)
    evaluation = {
        "schema": 1,
        "task": "regression" if regression else "classification",
        "algorithms": measured,
        "classes": classes,
        "target": model.TARGET,
        "features": {column.name: column.kind for column in columns},
        "rows": {"training": len(fit_rows), "test": len(test_rows), "held_out": count},
        "digests": {
            "data": digest(b"".join(path.read_bytes() for path in data)),
            "code": digest(b"".join(path.read_bytes() for path in sorted(PROGRAM.glob("*.py")))),
            "model": digest(contents["model.json"]),  # it contains the digests of the others
            "held_out": digest(output["held_out.csv"]),
        },
        "hyperparameters": asdict(chosen),
    }
    contents["evaluation.json"] = output["evaluation.json"] = as_json(evaluation)
    for name, content in output.items():
        save(ROOT / "output/data" / name, content)
    for name, content in contents.items():
        save(ROOT / "model" / name, content)


def about(
    runtime: str, columns: list[Column], classes: list[str], contents: dict[str, bytes], example: np.ndarray
) -> bytes:
    """Return `model.json`: what the server has to know, and the digests of the models in `contents`."""
    files = {name.rpartition(".")[0]: {"name": name, "digest": digest(contents[name])} for name in contents}
    return as_json(
        {
            "runtime": runtime,
            "features": [column.name for column in columns],
            "kinds": [column.kind for column in columns],
            "classes": classes,
            "algorithms": files,
            "example": as_sent(example),
        }
    )


def as_json(document: dict[str, Any]) -> bytes:
    """Encode a document so that people and programs can read it."""
    return json.dumps(document, indent=1).encode()


def save(path: Path, content: bytes) -> None:
    """Write a file, and create its folder if it does not exist."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def main() -> int:
    """Train; on failure, leave the reason where SageMaker looks for it and return exit code 1."""
    # Process 1 ignores SIGTERM by default, and StopTrainingJob would wait until SageMaker kills it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        try:
            model: Any = importlib.import_module("model")
        except ModuleNotFoundError as error:
            if error.name != "model":
                raise
            raise RuntimeError("this image has no model.py: build a model image on top of it") from error
        train(model)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}\n\n{traceback.format_exc()}"
        save(ROOT / "output/failure", reason.encode())
        print(reason, file=sys.stderr)
        return 1
    return 0
