"""Which estimators of scikit-learn serve with which runtime: `python -m benchmarks.estimators`.

Every classifier and regressor that needs no arguments, and some pipelines, is fitted to the flowers and
written as training writes it. The result is docs/estimators.md, with the reason of each refusal. This takes
some minutes, so no test does it: run it after a change of the proof or of the libraries.
"""

from __future__ import annotations

import csv
import importlib
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/estimators.md"
SECONDS = 90
"""For one estimator and one runtime; some never end on other data than they were made for."""
LIBRARIES = ("scikit-learn", "skl2onnx", "onnx", "onnxruntime", "protobuf")


class Row(NamedTuple):
    """What became of one estimator; an empty reason means that it is written."""

    name: str
    onnx: str
    scikit_learn: str


def candidates() -> Iterator[tuple[str, Any, bool]]:
    """Yield a name, an estimator and whether it predicts numbers."""
    from sklearn.utils import all_estimators  # noqa: PLC0415

    for kind in ("classifier", "regressor"):
        for name, make in all_estimators(type_filter=kind):
            try:
                yield name, make(), kind == "regressor"
            except TypeError:  # it is made of other estimators: see the pipelines
                continue
    for source in PIPELINES:
        names: dict[str, Any] = {"np": np}
        for module in MODULES:
            names |= vars(importlib.import_module(f"sklearn.{module}"))
        yield source, eval(source, names), False  # noqa: S307 (the sources are below)


MODULES = (
    "decomposition",
    "ensemble",
    "feature_selection",
    "linear_model",
    "multiclass",
    "neighbors",
    "pipeline",
    "preprocessing",
    "svm",
    "tree",
)
_LOGISTIC = "LogisticRegression(max_iter=1000)"
PIPELINES = (
    *(
        f"make_pipeline({step}, {_LOGISTIC})"
        for step in (
            "StandardScaler()",
            "MinMaxScaler()",
            "MaxAbsScaler()",
            "RobustScaler()",
            "Normalizer()",
            "Binarizer()",
            "PolynomialFeatures(2)",
            "SplineTransformer()",
            "QuantileTransformer(n_quantiles=50)",
            "PowerTransformer()",
            "PowerTransformer('box-cox')",
            "FunctionTransformer(np.log1p)",
            "KBinsDiscretizer(5)",
            "KBinsDiscretizer(5, encode='ordinal', strategy='uniform')",
            "OneHotEncoder(handle_unknown='ignore')",
            "OneHotEncoder()",
            "OrdinalEncoder()",
            "PCA(2)",
            "TruncatedSVD(2)",
            "SelectKBest(k=2)",
        )
    ),
    "make_pipeline(StandardScaler(), RandomForestClassifier(20, random_state=0))",
    "make_pipeline(StandardScaler(), SVC())",
    "make_pipeline(StandardScaler(), KNeighborsClassifier())",
    f"OneVsRestClassifier({_LOGISTIC})",
    f"OneVsOneClassifier({_LOGISTIC})",
    f"VotingClassifier([('a', {_LOGISTIC}), ('b', DecisionTreeClassifier(random_state=0))])",
    f"VotingClassifier([('a', {_LOGISTIC}), ('b', GradientBoostingClassifier())], voting='soft')",
    f"StackingClassifier([('a', {_LOGISTIC}), ('b', DecisionTreeClassifier(random_state=0))])",
)


def outcome(write: Callable[[], object]) -> str:
    """Return why writing failed, in one line; empty if it did not."""

    def late(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError(f"it takes more than {SECONDS} seconds")

    signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        write()
    except Exception as error:
        return " ".join(str(error).split()) or type(error).__name__
    finally:
        signal.alarm(0)
    return ""


def tried() -> Iterator[Row]:
    """Yield what becomes of each candidate."""
    sys.path.insert(0, str(ROOT / "notebooks/base_image"))
    proof: Any = importlib.import_module("proof")
    with (ROOT / "notebooks/data/iris.csv").open(encoding="utf-8") as file:
        lines = list(csv.reader(file))[1:]
    rows, labels = np.array([line[:4] for line in lines], np.float64), np.array([line[4] for line in lines])
    for name, estimator, regression in candidates():
        given, truth = (rows[:, :3], rows[:, 3]) if regression else (rows, labels)
        if failed := outcome(lambda: estimator.fit(given, truth)):  # noqa: B023 (called at once)
            yield Row(name, f"cannot be fitted to the flowers: {failed}", "")
            continue
        found = [outcome(lambda: write(name, estimator, given)) for write in (proof.to_onnx, proof.to_pickle)]  # noqa: B023
        yield Row(name, *(one.removeprefix(f"ONNX cannot reproduce {name} (") for one in found))


def page(rows: list[Row]) -> str:
    """Return the page."""
    fitted = [row for row in rows if not row.onnx.startswith("cannot be fitted")]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in LIBRARIES)
    serves = sum(not row.onnx for row in fitted)
    lines = [
        "# Estimators",
        "",
        "<!-- Generated by `python -m benchmarks.estimators`; do not edit. -->",
        "",
        "What becomes of scikit-learn's estimators in the base image, with",
        f"{versions}. Each was fitted to the",
        "flowers of the lesson, and written as training writes it: see the [model server](model-server.md).",
        f"Of {len(fitted)} that can be fitted, ONNX serves {serves}, and "
        f"{sum(not row.scikit_learn for row in fitted)} serve with",
        '`RUNTIME = "scikit-learn"`. Other data can give another result: what counts is what training says.',
        "",
        "| estimator | ONNX | `scikit-learn` | reason |",
        "|---|---|---|---|",
    ]
    for row in rows:
        if row not in fitted:
            lines.append(f"| `{row.name}` | | | {cell(row.onnx)} |")
            continue
        reasons = [cell(one.partition("): ")[0]) for one in (row.onnx, row.scikit_learn) if one]
        marks = ["no" if one else "yes" for one in (row.onnx, row.scikit_learn)]
        lines.append(f"| `{row.name}` | {' | '.join(marks)} | {'; '.join(reasons)} |")
    return "\n".join(lines) + "\n"


def cell(text: str) -> str:
    """Return a text as it can stand in a table."""
    return text.replace("|", "\\|").replace("<", "&lt;")[:300]


def main() -> None:
    """Try all of them and write the page."""
    warnings.simplefilter("ignore")
    rows = []
    for row in tried():
        rows.append(row)
        print(f"{row.name}: {row.onnx or 'ONNX'}", flush=True)
    PAGE.write_text(page(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
