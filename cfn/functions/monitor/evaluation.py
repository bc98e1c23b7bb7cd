"""Read `evaluation.json` and the held-out rows from a training job's `output.tar.gz` without unpacking it."""

from __future__ import annotations

import gzip
import io
import json
import math
import tarfile
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, NotRequired, Protocol, TypedDict, cast

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

NAME, HELD_OUT, PREDICTIONS = "evaluation.json", "held_out.csv", "held_out_predictions.csv"
MAX_ARCHIVE = 64 * 1024 * 1024
MAX_EVALUATION, MAX_HELD_OUT = 1024 * 1024, 4 * 1024 * 1024
"""The most bytes that are read after decompression: the learner's own code writes the archive."""
_LIMITS = {NAME: MAX_EVALUATION, HELD_OUT: MAX_HELD_OUT, PREDICTIONS: MAX_HELD_OUT}


class EvaluationError(ValueError):
    """There is no usable evaluation; the message says what is wrong with it."""


class Scores(TypedDict):
    """How one algorithm did on the held-out rows; rates from 0 to 1."""

    accuracy: float
    recall: dict[str, float]
    """By class."""
    confusion_matrix: NotRequired[list[list[int]]]
    """Rows are true classes, columns predicted ones, in the order of `Evaluation.classes`."""


class RegressionScores(TypedDict):
    """How far one regressor was off on the held-out rows; errors have the target's unit."""

    r2: float
    """The share of the target's variance that is explained: 1 is perfect, 0 as good as the mean."""
    mean_absolute_error: float
    root_mean_squared_error: float


class Evaluation(TypedDict):
    """`evaluation.json` as the training container writes it; other members are kept."""

    task: NotRequired[str]
    """`classification`, which it is without this member, or `regression`."""
    algorithms: dict[str, Scores]
    """For `regression`: `RegressionScores`, see `regression_scores`."""
    classes: NotRequired[list[str]]
    target: NotRequired[str]
    """The column to predict."""
    features: NotRequired[dict[str, str]]
    """The other columns in order, and what stands in each: `number` or `text`, with ` or nothing`."""
    rows: NotRequired[dict[str, int]]
    """Number of rows in `training`, `test` and `held_out`."""


@dataclass(frozen=True)
class Output:
    """What the archive holds; images of earlier versions wrote no held-out rows."""

    evaluation: Evaluation
    held_out: bytes | None = None
    predictions: bytes | None = None


class Readable(Protocol):
    """A binary stream, as S3 GetObject returns it."""

    def read(self, amount: int = ..., /) -> bytes: ...  # noqa: D102


class _Limited(io.RawIOBase):
    """The first `limit` bytes of a stream; reading further raises EvaluationError."""

    def __init__(self, stream: Readable, limit: int) -> None:
        self._stream, self._left = stream, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        into = memoryview(buffer).cast("B")
        data = self._stream.read(min(len(into), self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise EvaluationError(
                f"output.tar.gz holds more than {MAX_ARCHIVE} bytes: write only {NAME} and the held-out rows"
            )
        into[: len(data)] = data
        return len(data)


def read_archive(stream: Readable) -> Output:
    """Return what is in the gzipped tar `stream`; raises EvaluationError."""
    file = cast("BinaryIO", stream)  # gzip only reads it
    found: dict[str, bytes] = {}
    try:
        limited = io.BufferedReader(_Limited(gzip.GzipFile(fileobj=file), MAX_ARCHIVE))
        with tarfile.open(fileobj=limited, mode="r|") as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if name not in _LIMITS or not member.isfile():
                    continue
                if member.size > _LIMITS[name]:
                    raise EvaluationError(f"{name} has {member.size} bytes; the limit is {_LIMITS[name]}")
                content = archive.extractfile(member)
                found[name] = content.read() if content else b""
                if len(found) == len(_LIMITS):
                    break
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise EvaluationError(f"output.tar.gz can't be read ({error})") from error
    if NAME not in found:
        raise EvaluationError(f"output.tar.gz has no {NAME}: training must write /opt/ml/output/data/{NAME}")
    return Output(parse(found[NAME]), found.get(HELD_OUT), found.get(PREDICTIONS))


def parse(text: bytes) -> Evaluation:
    """Return the evaluation in the JSON document `text`, checked for what the quality gate needs.

    That is `{"algorithms": {name: {"accuracy": a, "recall": {class: r, ...}}, ...}}`, numbers from 0 to 1.
    With `"task": "regression"`, each algorithm has `r2`, at most 1, and two errors, at least 0.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise EvaluationError(f"{NAME} is not valid JSON ({error})") from error
    if not isinstance(found, dict):
        raise EvaluationError(f"{NAME} is not a JSON object")
    algorithms = found.get("algorithms")
    if not isinstance(algorithms, dict) or not algorithms:
        raise EvaluationError(f'{NAME} has no "algorithms"')
    if (task := found.get("task", "classification")) not in ("classification", "regression"):
        raise EvaluationError(f'{NAME} has the task {task!r}: use "classification" or "regression"')
    for name, scores in algorithms.items():
        if task == "regression":
            _check_regression(name, scores)
            continue
        if not isinstance(scores, dict) or not _is_rate(scores.get("accuracy")):
            raise EvaluationError(f"{NAME} has no accuracy from 0 to 1 for {name}")
        recall = scores.get("recall")
        if not isinstance(recall, dict) or not recall or not all(map(_is_rate, recall.values())):
            raise EvaluationError(f"{NAME} has no recall from 0 to 1 for each class of {name}")
    return cast("Evaluation", found)


def is_regression(evaluation: Evaluation) -> bool:
    """Return whether the model predicts numbers."""
    return evaluation.get("task") == "regression"


def regression_scores(evaluation: Evaluation) -> dict[str, RegressionScores]:
    """Return the scores of regressors by algorithm."""
    return cast("dict[str, RegressionScores]", evaluation["algorithms"])


def _check_regression(name: str, scores: object) -> None:
    for key, lowest, highest in (
        ("r2", -math.inf, 1.0),
        ("mean_absolute_error", 0.0, math.inf),
        ("root_mean_squared_error", 0.0, math.inf),
    ):
        value = scores.get(key) if isinstance(scores, dict) else None
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not number or not lowest <= cast("float", value) <= highest:
            limit = "at most 1" if key == "r2" else "at least 0"
            raise EvaluationError(f"{NAME} has no {key} of {name} that is a number, {limit}")


def _is_rate(value: object) -> bool:
    # json reads NaN, which compares false with everything.
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
