"""Train what `model.py` declares, measure it, and write models that are proven to predict the same.

Contract: SageMaker Developer Guide, "How Amazon SageMaker AI provides training information" and
"How Amazon SageMaker AI processes training output".
"""

import csv
import importlib
import io
import json
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol, get_type_hints

import joblib
import numpy as np
from sklearn.metrics import accuracy_score, confusion_matrix, precision_score, recall_score
from sklearn.model_selection import train_test_split

from predictor import Predict, Prediction, digest, load_onnx, load_scikit_learn, predictions
from rows import LARGEST

ROOT = Path("/opt/ml")
PROGRAM = Path(__file__).parent
PROBES, TOLERANCE = 1_000, 1e-5  # rows per kind of probe; how far probabilities may differ
ALONE = 20  # roughly how many rows are predicted one by one as well
INSTEAD = 'add RUNTIME = "scikit-learn" to model.py, and scikit-learn itself will serve the model'
TEST_SHARE, SPLIT_SEED = 0.2, 0  # the same test rows in every execution, so that releases are comparable


class Model(Protocol):
    """What `model.py` must declare."""

    FEATURES: tuple[str, ...]
    TARGET: str
    RUNTIME: str  # what serves: "onnx" by default, "scikit-learn" for what ONNX cannot express
    Hyperparameters: type[Any]  # a dataclass of int, float and str fields with defaults
    estimators: Callable[[Any], dict[str, Any]]  # scikit-learn classifiers by algorithm name


def hyperparameters(declared: type[Any], given: dict[str, str]) -> Any:
    """Convert SageMaker's strings to the declared types; ValueError names an unknown or malformed one."""
    types = get_type_hints(declared)
    if unknown := sorted(set(given) - set(types)):
        raise ValueError(f"unknown hyperparameter {', '.join(unknown)}: use {', '.join(types)}")
    values = {}
    for name, text in given.items():
        try:
            values[name] = types[name](text)
        except ValueError as error:
            kind = types[name].__name__
            raise ValueError(f"hyperparameter {name}: {text!r} is not a valid {kind}") from error
    return declared(**values)


def read_table(paths: list[Path], features: tuple[str, ...], target: str) -> tuple[np.ndarray, np.ndarray]:
    """Read CSV files with a header line into rows of features (float64) and one label per row.

    Raises ValueError, which names the file and the line, for anything that cannot be trained on.
    """
    if not paths:
        raise ValueError("the channel `training` has no .csv file: upload one to its S3 prefix")
    rows, labels = [], []
    for path in paths:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            if missing := {*features, target} - set(reader.fieldnames or ()):
                raise ValueError(f"{path.name} has no column {', '.join(sorted(missing))}")
            for line in reader:
                try:
                    rows.append([float(line[name]) for name in features])
                except (TypeError, ValueError) as error:
                    raise ValueError(f"{path.name}, line {reader.line_num}: {error}") from error
                labels.append(line[target])
    table = np.array(rows, dtype=np.float64)
    if not rows or not np.abs(table).max() <= LARGEST:
        raise ValueError(
            f"the training data is empty, or has NaN, infinite values or values beyond ±{LARGEST:g}"
        )
    return table, np.array(labels)


def probes(rows: np.ndarray) -> np.ndarray:
    """Return rows to compare predictions on: the data, random rows, and rows where trees may split.

    A tree compares a float32 with the midpoint between two values of the data. That midpoint and its
    neighboring float32 numbers are where a careless conversion goes wrong.
    """
    random = np.random.default_rng(0)
    low, high = rows.min(axis=0), rows.max(axis=0)
    anywhere = random.uniform(low - (high - low) / 2, high + (high - low) / 2, (PROBES, rows.shape[1]))
    pairs = random.integers(len(rows), size=(2, PROBES, rows.shape[1]))
    middles = np.take_along_axis(rows.astype(np.float32).astype(np.float64)[None], pairs, axis=1).mean(axis=0)
    near = middles.astype(np.float32)
    return np.vstack([rows, anywhere, middles, np.nextafter(near, -np.inf), np.nextafter(near, np.inf)])


def differences(predicted: Prediction, expected: Prediction) -> int:
    """Return in how many rows the label or a probability differs."""
    differs: np.ndarray = predicted[0] != expected[0]
    if predicted[1] is not None and expected[1] is not None:
        differs |= (np.abs(predicted[1] - expected[1]) > TOLERANCE).any(axis=1)
    return int(differs.sum())


def one_by_one(predict: Predict, rows: np.ndarray) -> Prediction:
    """Predict each row by itself, because the server may or may not combine the rows of several clients."""
    labels, probabilities = zip(*(predict(row[np.newaxis]) for row in rows), strict=True)
    return np.concatenate(labels), None if probabilities[0] is None else np.concatenate(probabilities)


def faulty(predict: Predict, rows: np.ndarray, expected: Prediction) -> int:
    """Return for how many rows the prediction is not the expected one, together or alone."""
    some = slice(None, None, max(1, len(rows) // ALONE))
    few = expected[0][some], None if expected[1] is None else expected[1][some]
    return differences(predict(rows), expected) + differences(one_by_one(predict, rows[some]), few)


def without_empty_votes(model: Any) -> Any:
    """Drop the zero votes in the leaves of trees: adding zeros takes a quarter of the time."""
    for node in model.graph.node:
        given = {one.name: one for one in node.attribute}
        if "class_weights" in given:
            names = ("class_treeids", "class_nodeids", "class_ids")
            columns = [*(given[name].ints for name in names), given["class_weights"].floats]
            votes = list(zip(*columns, strict=True))
            counted = {(tree, leaf) for tree, leaf, _, vote in votes if vote}
            kept = [vote for vote in votes if vote[3] or vote[:2] not in counted]
            if len({vote[2] for vote in kept}) < len({vote[2] for vote in votes}):
                continue  # a class with no votes at all is still a class
            for column, values in zip(columns, zip(*kept, strict=True), strict=True):
                del column[:]
                column.extend(values)
    return model


def in_one_order(model: Any) -> Any:
    """Sort what skl2onnx keeps in a set, so that the digest does not depend on Python's hash seed."""
    model.opset_import.sort(key=lambda one: one.domain)
    return model


def to_onnx(algorithm: str, estimator: Any, rows: np.ndarray) -> bytes:
    """Convert a fitted classifier to an ONNX model that predicts what scikit-learn predicts.

    scikit-learn computes in float64, but its trees compare float32. Both are tried, and the first conversion
    without a difference is returned. Raises RuntimeError if both differ.
    """
    import skl2onnx  # noqa: PLC0415 (takes a second to import, so only when needed)
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType  # noqa: PLC0415

    checked, faults = probes(rows), []
    expected = predictions(estimator, checked)
    options = {} if expected[1] is None else {"zipmap": False}
    for number in (DoubleTensorType, FloatTensorType):
        kind = [("rows", number([None, rows.shape[1]]))]
        try:
            model = skl2onnx.to_onnx(estimator, initial_types=kind, options=options)
            model = in_one_order(without_empty_votes(model))
            if expected[1] is None:
                del model.graph.output[1:]  # scores, which are not probabilities
            content: bytes = model.SerializeToString()
            count = faulty(load_onnx(content), checked, expected)
        except Exception as error:
            faults.append(str(error).partition("\n")[0])
            continue
        if not count:
            return content
        faults.append(f"the predictions differ in {count} of {len(checked)} rows")
    why = "; ".join(dict.fromkeys(faults))
    raise RuntimeError(f"ONNX cannot reproduce {algorithm} ({why}): {INSTEAD}")


def to_pickle(algorithm: str, estimator: Any, rows: np.ndarray) -> bytes:
    """Pickle a fitted classifier; raises RuntimeError if it predicts something else once it is loaded."""
    file = io.BytesIO()
    joblib.dump(estimator, file)
    if faulty(load_scikit_learn(file.getvalue()), rows, predictions(estimator, rows)):
        raise RuntimeError(
            f"{algorithm} predicts something else once it is saved and loaded, or for a row on its own: "
            "make its pickle complete, and let each prediction depend on its own row only"
        )
    return file.getvalue()


WRITERS = {"onnx": (to_onnx, "onnx"), "scikit-learn": (to_pickle, "joblib")}


def measure(truth: np.ndarray, predicted: np.ndarray, classes: list[str]) -> dict[str, Any]:
    """Return the accuracy, recall and precision per class, and the confusion matrix (rows: truth)."""
    shared: dict[str, Any] = {"labels": classes, "average": None, "zero_division": 0}
    return {
        "accuracy": float(accuracy_score(truth, predicted)),
        "recall": dict(zip(classes, recall_score(truth, predicted, **shared).tolist(), strict=True)),
        "precision": dict(zip(classes, precision_score(truth, predicted, **shared).tolist(), strict=True)),
        "confusion_matrix": confusion_matrix(truth, predicted, labels=classes).tolist(),
    }


def train(model: Model) -> None:
    """Fit every algorithm of `model`, print its metrics, then write the models and their evaluation.

    Nothing is written until every algorithm is trained and proven. Raises what `model`, its data and its
    hyperparameters raise; ValueError and RuntimeError say what to change.
    """
    config = ROOT / "input/config/hyperparameters.json"
    given = json.loads(config.read_text(encoding="utf-8")) if config.is_file() else {}
    chosen = hyperparameters(model.Hyperparameters, given)
    data = sorted((ROOT / "input/data/training").glob("*.csv"))
    rows, labels = read_table(data, model.FEATURES, model.TARGET)
    classes = sorted(set(labels.tolist()))
    fit_rows, test_rows, fit_labels, test_labels = train_test_split(
        rows, labels, test_size=TEST_SHARE, random_state=SPLIT_SEED, stratify=labels
    )
    runtime = getattr(model, "RUNTIME", "onnx")
    if runtime not in WRITERS:
        raise ValueError(f"RUNTIME is {runtime!r} in model.py: use {' or '.join(WRITERS)}")
    encode, ending = WRITERS[runtime]
    measured, contents = {}, {}
    for algorithm, estimator in model.estimators(chosen).items():
        estimator.fit(fit_rows, fit_labels)
        contents[f"{algorithm}.{ending}"] = encode(algorithm, estimator, rows)
        measured[algorithm] = measure(test_labels, estimator.predict(test_rows), classes)
        print(f"{algorithm} accuracy={measured[algorithm]['accuracy']:.4f}")
        print(f"{algorithm} lowest_recall={min(measured[algorithm]['recall'].values()):.4f}")
    files = {name.rpartition(".")[0]: {"name": name, "digest": digest(contents[name])} for name in contents}
    about = {"runtime": runtime, "features": model.FEATURES, "classes": classes, "algorithms": files}
    contents["model.json"] = as_json(about)
    evaluation = {
        "schema": 1,
        "algorithms": measured,
        "classes": classes,
        "rows": {"training": len(fit_rows), "test": len(test_rows)},
        "digests": {
            "data": digest(b"".join(path.read_bytes() for path in data)),
            "code": digest(b"".join(path.read_bytes() for path in sorted(PROGRAM.glob("*.py")))),
            "model": digest(contents["model.json"]),  # it contains the digests of the others
        },
        "hyperparameters": asdict(chosen),
    }
    contents["evaluation.json"] = as_json(evaluation)
    save(ROOT / "output/data/evaluation.json", contents["evaluation.json"])
    for name, content in contents.items():
        save(ROOT / "model" / name, content)


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
