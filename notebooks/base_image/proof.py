"""From a fitted estimator to the bytes that serve, proven to predict what scikit-learn predicts."""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import joblib
import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin, is_regressor

from predictor import Predict, Prediction, load_onnx, load_scikit_learn, predictions
from rows import LARGEST, Column

PROBES, TOLERANCE = 1_000, 1e-5  # rows per kind of probe; how far probabilities may differ
PAIRS, HALVINGS = 400, 80  # between how many pairs of rows a jump is sought, and how closely
FAR = (1e2, 1e4, 1e8, 1e15, LARGEST)  # values that a client can send, and no data has
ALONE = 20  # roughly how many rows are predicted one by one as well
INSTEAD = 'add RUNTIME = "scikit-learn" to model.py, and scikit-learn itself will serve the model'
Encode = Callable[[str, Any, np.ndarray, Sequence[Column]], bytes]


def probes(rows: np.ndarray) -> np.ndarray:
    """Return rows to compare predictions on, made from the data without knowing the estimator.

    They are the data, random rows, mixtures of the data's values (ties are likely), rows far from the data,
    and rows where trees may split: a tree compares a float32 with the midpoint between two values of the
    data, and that midpoint and its neighboring float32 numbers are where a careless conversion goes wrong.
    """
    random, width = np.random.default_rng(0), rows.shape[1]
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    anywhere = random.uniform(low - (high - low) / 2, high + (high - low) / 2, (PROBES, width))
    pairs = random.integers(len(rows), size=(2, PROBES, width))
    mixed = np.take_along_axis(rows[None], pairs, axis=1)
    middles = mixed.astype(np.float32).astype(np.float64).mean(axis=0)
    near = middles.astype(np.float32)
    beside = [np.nextafter(near, -np.inf), np.nextafter(near, np.inf)]
    halfway = rows[random.integers(len(rows), size=(2, PROBES))].mean(axis=0)
    far = random.choice([-1.0, 0.0, 1.0], (PROBES, width)) * random.choice(FAR, (PROBES, 1))
    return np.vstack([rows, anywhere, mixed[0], middles, *beside, halfway, far])


def jumps(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """Return rows on both sides of places where an estimator's scores jump, as close as float64 can be.

    Such places are what its steps have learned: a bin's edge, a tree's threshold, the line between two
    neighbors. They are found by halving the way between two rows whose scores differ.
    """
    random, width = np.random.default_rng(1), rows.shape[1]
    known = rows[~np.isnan(rows).any(axis=1)]
    low, high = np.nanmin(rows, axis=0), np.nanmax(rows, axis=0)
    here = known[random.integers(len(known), size=PAIRS)] if len(known) else np.tile(low, (PAIRS, 1))
    there = random.uniform(low - (high - low) / 2, high + (high - low) / 2, (PAIRS, width))
    along = random.integers(width, size=PAIRS)[:, None] == np.arange(width)
    along[::4] = True  # one pair in four differs in all features, the others in one
    there = np.where(along, there, here)
    at_here, at_there = scores(estimator, here), scores(estimator, there)
    for _ in range(HALVINGS):
        middle = here + (there - here) / 2
        at_middle = scores(estimator, middle)
        beyond = apart(at_middle, at_there) > apart(at_here, at_middle)
        here, there = np.where(beyond[:, None], middle, here), np.where(beyond[:, None], there, middle)
        at_here = np.where(beyond[:, None], at_middle, at_here)
        at_there = np.where(beyond[:, None], at_there, at_middle)
        if np.array_equal(middle, there) or np.array_equal(middle, here):
            break
    jump = apart(at_here, at_there) > TOLERANCE
    return np.vstack([here[jump], there[jump]])


def scores(estimator: Any, rows: np.ndarray) -> np.ndarray:
    """Return numbers that are smooth where an estimator is: one row each."""
    for name in ("predict_proba", "decision_function"):
        if hasattr(estimator, name):
            return np.asarray(getattr(estimator, name)(rows.copy()), np.float64).reshape(len(rows), -1)
    labels = np.asarray(estimator.predict(rows.copy()))
    if labels.dtype.kind not in "fiu":
        labels = np.searchsorted(estimator.classes_, labels)
    return labels.astype(np.float64).reshape(len(rows), -1)


def apart(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Return how far scores are apart, row by row, relative to what is larger than 1."""
    size = np.maximum(1, np.maximum(np.abs(one), np.abs(other)))
    distance: np.ndarray = (np.abs(one - other) / size).max(axis=1)
    return distance


def differs(predicted: Prediction, expected: Prediction) -> np.ndarray:
    """Return for each row whether the label, the number or a probability differs."""
    (labels, shares), (right, right_shares) = predicted, expected
    if right.dtype.kind == "f":
        return ~(apart(labels.astype(np.float64)[:, None], right[:, None]) <= TOLERANCE)
    wrong: np.ndarray = labels != right
    if shares is not None and right_shares is not None:
        wrong |= ~(np.abs(shares - right_shares) <= TOLERANCE).all(axis=1)  # true for what is not a number
    return wrong


def one_by_one(predict: Predict, rows: np.ndarray) -> Prediction:
    """Predict each row by itself, because the server may or may not combine the rows of several clients."""
    labels, probabilities = zip(*(predict(row[np.newaxis]) for row in rows), strict=True)
    return np.concatenate(labels), None if probabilities[0] is None else np.concatenate(probabilities)


def undecided(predicted: Prediction, expected: Prediction) -> np.ndarray:
    """Return for each row whether two classes are equally likely, and each of them was predicted once.

    Trees often vote so where labels mean little, and a rounding error of 1e-17 decides: no label is the right
    one, as long as the probabilities agree.
    """
    (labels, shares), (right, right_shares) = predicted, expected
    if shares is None or right_shares is None or right_shares.shape[1] < 2:
        return np.zeros(len(right), bool)
    second, first = np.sort(right_shares, axis=1)[:, -2:].T
    agree = (np.abs(shares - right_shares) <= TOLERANCE).all(axis=1)
    undecided: np.ndarray = (labels != right) & agree & (first - second <= TOLERANCE)
    return undecided


def faulty(predict: Predict, rows: np.ndarray, expected: Prediction, real: int = 0) -> int:
    """Return for how many rows the prediction is not the expected one, together or alone.

    The first `real` rows are data, whose labels training has noted: each of them counts. Of the others, those
    that nobody can decide do not.
    """
    some = slice(None, None, max(1, len(rows) // ALONE))
    few = expected[0][some], None if expected[1] is None else expected[1][some]
    place, found = np.arange(len(rows)), 0
    for predicted, right, at in (
        (predict(rows), expected, place),
        (one_by_one(predict, rows[some]), few, place[some]),
    ):
        found += int((differs(predicted, right) & ~(undecided(predicted, right) & (at >= real))).sum())
    return found


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


def reason(error: BaseException) -> str:
    """Return in one line what went wrong; a library's own error often hides the one that caused it."""
    root = error
    while (cause := root.__cause__ or root.__context__) is not None:
        root = cause
    lines = [" ".join(str(one).split())[:200] or type(one).__name__ for one in (error, root)]
    return lines[0] if lines[1] in lines[0] else f"{lines[0]}, because of {type(root).__name__}: {lines[1]}"


def expectations(algorithm: str, estimator: Any, rows: np.ndarray) -> tuple[np.ndarray, Prediction]:
    """Return the probes and scikit-learn's predictions; raises RuntimeError if it cannot predict them all.

    A client may send any number. ONNX would answer where scikit-learn refuses, and nobody could say what.
    """
    checked = probes(rows)
    try:
        with np.errstate(all="ignore"):
            checked = np.vstack([checked, jumps(estimator, rows)])
            return checked, predictions(estimator, checked)
    except Exception as error:
        raise RuntimeError(
            f"ONNX cannot reproduce {algorithm} (scikit-learn refuses some rows of numbers that a client may "
            f"send: {reason(error)}): let it take every number, such as with handle_unknown or by clipping, "
            f"or {INSTEAD} and refuse such rows"
        ) from error


def to_onnx(algorithm: str, estimator: Any, rows: np.ndarray, columns: Sequence[Column] = ()) -> bytes:
    """Convert a fitted estimator to an ONNX model that predicts what scikit-learn predicts.

    scikit-learn computes in float64, but its trees compare float32. Both are tried, and the first conversion
    without a difference is returned. Raises RuntimeError if both differ.
    """
    import skl2onnx  # noqa: PLC0415 (takes a second to import, so only when needed)
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType  # noqa: PLC0415

    if text := [column.name for column in columns if column.text]:
        raise RuntimeError(f"{', '.join(text)} is text, and ONNX serves numbers only: {INSTEAD}")
    if any(np.isinf(tree.threshold).any() for tree in trees(estimator)):  # skl2onnx would never end
        raise RuntimeError(
            f"ONNX cannot reproduce {algorithm} (a tree splits by whether a value is missing): {INSTEAD}"
        )
    checked, expected = expectations(algorithm, estimator, rows)
    faults = []
    options = {} if expected[1] is None else {"zipmap": False}
    for number in (DoubleTensorType, FloatTensorType):
        kind = [("rows", number([None, rows.shape[1]]))]
        try:
            model = skl2onnx.to_onnx(estimator, initial_types=kind, options=options)
            model = in_one_order(without_empty_votes(model))
            if expected[1] is None:
                del model.graph.output[1:]  # scores, which are not probabilities
            content: bytes = model.SerializeToString()
            count = faulty(load_onnx(content), checked, expected, len(rows))
        except Exception as error:
            faults.append(reason(error))
            continue
        if not count:
            return content
        faults.append(f"the predictions differ in {count} of {len(checked)} rows")
    why = "; ".join(dict.fromkeys(faults))
    raise RuntimeError(f"ONNX cannot reproduce {algorithm} ({why}): {INSTEAD}")


def to_pickle(algorithm: str, estimator: Any, rows: np.ndarray, _: Sequence[Column] = ()) -> bytes:
    """Pickle a fitted estimator; raises RuntimeError if it cannot be, or predicts something else then."""
    file = io.BytesIO()
    try:
        expected = predictions(estimator, rows)
    except ValueError as error:
        raise RuntimeError(
            f"{algorithm} cannot predict all rows of the data, of which it has seen four fifths "
            f"({reason(error)}): let it take what it has not seen, such as with handle_unknown"
        ) from error
    try:
        joblib.dump(estimator, file)
        count = faulty(load_scikit_learn(file.getvalue()), rows, expected, len(rows))
    except Exception as error:
        raise RuntimeError(
            f"{algorithm} cannot be saved, loaded and asked again ({reason(error)}): define its classes and "
            "functions at the top of model.py, without lambdas"
        ) from error
    if count:
        raise RuntimeError(
            f"{algorithm} predicts something else once it is saved and loaded, or for a row on its own: "
            "make its pickle complete, and let each prediction depend on its own row only"
        )
    return file.getvalue()


def trees(part: Any) -> Iterator[Any]:
    """Yield the trees that an estimator has learned, however deep they are in it."""
    if hasattr(part, "tree_"):
        yield part.tree_
    elif isinstance(part, Mapping | BaseEstimator):
        for one in (part if isinstance(part, Mapping) else vars(part)).values():
            yield from trees(one)
    elif isinstance(part, list | tuple) or (isinstance(part, np.ndarray) and part.dtype == object):
        for one in part:
            yield from trees(one)


def regresses(algorithms: Any) -> bool:
    """Return whether the estimators are regressors; raises ValueError for what cannot be told."""
    if not isinstance(algorithms, Mapping) or not algorithms:
        raise ValueError(
            "estimators() of model.py returns nothing by a name: return at least one estimator, such as "
            '{"logistic": LogisticRegression()}'
        )
    kinds = {}
    for name, estimator in algorithms.items():
        if isinstance(estimator, type) or not hasattr(estimator, "fit"):
            raise ValueError(
                f"{name} of estimators() in model.py is {estimator!r:.80}, not an estimator: return an "
                "object, such as LogisticRegression()"
            )
        try:
            kinds[name] = is_regressor(estimator)
        except AttributeError as error:
            raise ValueError(
                f"{name} of estimators() in model.py is not known to scikit-learn: let its class inherit "
                "from ClassifierMixin or RegressorMixin, and from BaseEstimator"
            ) from error
        if isinstance(estimator, RegressorMixin) and not kinds[name]:
            raise ValueError(
                f"{name} of estimators() in model.py is a regressor that scikit-learn does not take for one: "
                "let its class inherit from RegressorMixin first, and from BaseEstimator last"
            )
    if len(set(kinds.values())) > 1:
        regressors = ", ".join(name for name, kind in kinds.items() if kind)
        raise ValueError(
            f"estimators() of model.py mixes regressors ({regressors}) and classifiers: one model predicts "
            "either numbers or classes"
        )
    return any(kinds.values())


def check_answers(algorithm: str, estimator: Any, rows: np.ndarray, classes: list[str]) -> None:
    """Raise RuntimeError if a fitted estimator predicts something else than one class, or number, per row.

    Its `classes` are those of the data, in the order in which the answers' probabilities are named; none for
    a regressor. The rows are some that it was fitted to.
    """
    if not hasattr(estimator, "predict"):
        raise RuntimeError(
            f"{algorithm} cannot predict: let it end in a classifier or a regressor, and a search refit it"
        )
    predicted = np.asarray(estimator.predict(rows.copy()))
    if predicted.size != len(rows):
        raise RuntimeError(
            f"{algorithm} predicts an array of {predicted.shape} for {len(rows)} rows: a model of this image "
            "has one target"
        )
    if not classes:
        return
    found = set(predicted.ravel().tolist())
    if not found & set(classes):
        raise RuntimeError(
            f"{algorithm} predicts {', '.join(map(repr, sorted(found)))[:60]}, and the classes are "
            f"{', '.join(classes)[:200]}: use a classifier, and let one of your own return the labels that "
            "it was given"
        )
    own = [str(one) for one in getattr(estimator, "classes_", classes)]
    if own != classes:
        raise RuntimeError(
            f"{algorithm} has the classes_ {', '.join(own)[:200]}, and probabilities are served in the order "
            f"{', '.join(classes)[:200]}: sort classes_ and the columns of predict_proba"
        )


WRITERS: dict[str, tuple[Encode, str]] = {
    "onnx": (to_onnx, "onnx"),
    "scikit-learn": (to_pickle, "joblib"),
}
