"""The models in a directory: verified against what training recorded, loaded, and ready to predict."""

import hashlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from rows import JSON, Column, RowReader, as_table
from server import RefusedError

# One label per row (of a regressor: a number), and one probability per row and class, if there are any.
Prediction = tuple[np.ndarray, np.ndarray | None]
Predict = Callable[
    [np.ndarray], Prediction
]  # takes one row per instance: float64, or objects if there is text
MANY = 100  # rows from which sorting them pays off


def digest(content: bytes) -> str:
    """Return the SHA-256 of `content` as `sha256:…`."""
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Predictor:
    """The models that `training.py` left in a directory, as listed in its `model.json`.

    Raises FileNotFoundError if there is no model, RuntimeError if a file is not the one that training wrote.
    """

    def __init__(self, directory: Path) -> None:
        about = json.loads((directory / "model.json").read_text(encoding="utf-8"))
        names, kinds, example = about["features"], about["kinds"], about["example"]
        if not len(names) == len(kinds) == len(example):
            raise RuntimeError(
                f"model.json has {len(names)} features, {len(kinds)} kinds, {len(example)} examples: it "
                "was changed; fetch model.tar.gz from the training job again"
            )
        self.columns = [Column.of_kind(name, kind) for name, kind in zip(names, kinds, strict=True)]
        self.algorithms: dict[str, Predict] = {}
        for algorithm, file in about["algorithms"].items():
            content = (directory / file["name"]).read_bytes()
            if digest(content) != file["digest"]:
                raise RuntimeError(
                    f"{file['name']} has the digest {digest(content)}; training recorded {file['digest']}. "
                    "It was changed or damaged: fetch model.tar.gz from the training job again"
                )
            self.algorithms[algorithm] = LOADERS[about["runtime"]](content)
            # Proof that it answers: a row of the data, because zeros may be no row at all.
            self.algorithms[algorithm](as_table([example], self.columns))


def load_onnx(content: bytes) -> Predict:
    """Load a model into ONNX Runtime: the file describes a computation and cannot run code."""
    import onnxruntime  # noqa: PLC0415 (slow to import, so only when needed)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a worker per vCPU uses them all
    # Memory that a large request needed goes back to the system afterwards.
    options.enable_cpu_mem_arena = options.enable_mem_pattern = False
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    given = session.get_inputs()[0]
    number = {"tensor(double)": np.float64, "tensor(float)": np.float32}[given.type]

    def predict(rows: np.ndarray) -> Prediction:
        labels, *scores = session.run(None, {given.name: rows.astype(number, copy=False)})
        return labels.ravel(), scores[0] if scores else None  # a regressor's numbers are a column

    return in_order(predict) if b"TreeEnsemble" in content else predict


def in_order(predict: Predict) -> Predict:
    """Sort many rows before trees see them: a third less time, sorting included.

    At every branch of a tree the processor guesses which way the row will go, and a wrong guess costs more
    than the comparison itself. Neighboring rows take nearly the same path.
    """

    def predict_sorted(rows: np.ndarray) -> Prediction:
        if len(rows) < MANY:
            return predict(rows)
        order = np.lexsort(rows.T)
        labels, probabilities = predict(rows[order])
        back = np.argsort(order)
        return labels[back], None if probabilities is None else probabilities[back]

    return predict_sorted


def load_scikit_learn(content: bytes) -> Predict:
    """Load a pickled estimator. This can run code, so the caller has to verify the digest first."""
    import joblib  # noqa: PLC0415

    estimator = joblib.load(io.BytesIO(content))

    def predict(rows: np.ndarray) -> Prediction:
        try:
            return predictions(estimator, rows)
        except ValueError as error:  # scikit-learn's word for rows that an estimator cannot predict
            row, why = first_refused(estimator, rows)
            if row is None:
                raise
            raise RefusedError(400, f"row {row}: the model cannot predict it: {why}") from error

    return predict


def predictions(estimator: Any, rows: np.ndarray) -> Prediction:
    """Predict with scikit-learn itself; raises ValueError if there is no number for a row.

    It gets a copy each time: one with `copy=False` changes its rows, and would be asked about others then.
    """
    labels = np.asarray(estimator.predict(rows.copy())).reshape(len(rows))
    shares = np.asarray(estimator.predict_proba(rows.copy())) if hasattr(estimator, "predict_proba") else None
    for numbers, what in ((labels, "prediction"), (shares, "probability")):
        if numbers is not None and numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
            raise ValueError(f"its {what} is not a number")
    return labels, shares


def first_refused(estimator: Any, rows: np.ndarray) -> tuple[int | None, str]:
    """Return the first row that an estimator refuses, and its reason; None if it refuses none alone."""
    first, last, why = 0, len(rows), ""
    while last > first:  # halve: a request may have 100,000 rows
        middle = (first + last + 1) // 2
        try:
            predictions(estimator, rows[first:middle])
        except ValueError as error:
            why = str(error).partition("\n")[0]
            if middle == first + 1:
                return first, why
            last = middle
        else:
            first = middle
    return None, why


def rehearsed(directory: Path, body: bytes) -> dict[str, Prediction]:
    """Load the models of a directory as a server does, and answer a request of JSON with each of them.

    Raises RuntimeError with the reason, which another process can pass on, if one of them cannot.
    """
    try:
        predictor = Predictor(directory)
        reader = RowReader(predictor.columns)
        rows = reader.join([reader.read(body, JSON)])
        return {algorithm: predict(rows) for algorithm, predict in predictor.algorithms.items()}
    except Exception as error:
        raise RuntimeError(f"{type(error).__name__}: {error}") from None


LOADERS = {"onnx": load_onnx, "scikit-learn": load_scikit_learn}
