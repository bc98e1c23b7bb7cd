"""Rows with known answers: what a deployed model can be asked, and how well it should answer.

Everything follows `evaluation.json`: it says which columns, classes and algorithms were trained.
"""

from __future__ import annotations

import csv
import io
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict

from lab_helpers import training
from lab_helpers.endpoints import Cell, Release, Row
from lab_helpers.errors import WorkshopError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from lab_helpers.lab import Lab
    from lab_helpers.training import Evaluation, Job

MOST = 1_000
"""Rows that are kept of a larger data set: they fit into one request."""
FAR = 3
"""Chebyshev: at most a ninth of the errors is larger than three times their root mean square."""


class _Version(TypedDict, total=False):
    """What GetObject is given beside the key; nothing for the newest version."""

    VersionId: str


class DataMissing(WorkshopError, LookupError):  # noqa: N818
    """The data that a model was trained with is not there any more."""


@dataclass(frozen=True)
class Examples:
    """Rows as a client sends them, and the right answer for each: a class, or a number for a regressor."""

    rows: list[Row]
    answers: list[str | float]
    evaluation: Evaluation
    """What training measured; it names the algorithms."""

    @property
    def algorithms(self) -> list[str]:
        """The algorithms that were trained."""
        return list(self.evaluation["algorithms"])

    @property
    def measure(self) -> str:
        """What `score` returns: `accuracy`, or `r2` for a regressor."""
        return "accuracy" if self.evaluation["classes"] else "r2"

    def measured(self, algorithm: str) -> float:
        """Return the score that training measured on rows that it held out."""
        return training.measured(self.evaluation, algorithm)

    def score(self, predictions: Sequence[str | float]) -> float:
        """Return the share of right classes, 0 to 1; for a regressor r2, which is 1 at best."""
        if self.evaluation["classes"]:
            return sum(p == a for p, a in zip(predictions, self.answers, strict=True)) / len(self.answers)
        truth = [float(one) for one in self.answers]
        mean = statistics.fmean(truth)
        spread = sum((one - mean) ** 2 for one in truth)
        missed = sum((float(p) - t) ** 2 for p, t in zip(predictions, truth, strict=True))
        return 1 - missed / spread if spread else float(missed == 0)

    def enough(self, algorithm: str) -> float:
        """Return the score that a working server exceeds: midway between guessing and what was measured.

        A server that mixes up rows, labels or models answers no better than someone who guesses.
        """
        guessing = 0.0
        if self.evaluation["classes"]:
            guessing = max(Counter(self.answers).values()) / len(self.answers)
        measured = self.measured(algorithm)
        return (guessing + measured) / 2 if measured > guessing else float("-inf")

    def tolerance(self, algorithm: str) -> float:
        """Return how far from the right number an answer may be: 0 for classes."""
        return FAR * self.evaluation["algorithms"][algorithm].get("root_mean_squared_error", 0.0)

    def share(self, algorithm: str) -> float:
        """Return the share of answers within `tolerance` that a working server exceeds."""
        return self.enough(algorithm) if self.evaluation["classes"] else 1 - 2 / FAR**2

    def typical(self) -> list[int]:
        """Return where the most typical row of each class is; or the lowest, middle and highest number."""
        if not self.evaluation["classes"]:
            order = sorted(range(len(self.answers)), key=lambda i: self.answers[i])
            return sorted({order[0], order[len(order) // 2], order[-1]})
        return [
            self._nearest([i for i, answer in enumerate(self.answers) if answer == name])
            for name in self.evaluation["classes"]
            if name in self.answers
        ]

    def recognized(self, position: int, algorithm: str, prediction: str | float) -> bool:
        """Return whether a prediction for a typical row is what the algorithm's evaluation lets one expect.

        That is the right class, unless training already found that the algorithm mostly misses it.
        """
        answer = self.answers[position]
        if not self.evaluation["classes"]:
            return isinstance(prediction, int | float)
        recall = self.evaluation["algorithms"][algorithm]["recall"].get(str(answer), 0.0)
        return prediction == answer or recall < 0.5

    def _nearest(self, members: Sequence[int]) -> int:
        """Return the member that is nearest to the mean of them all, in standard deviations."""
        distances = dict.fromkeys(members, 0.0)
        for column in zip(*(self.rows[i] for i in members), strict=True):
            numbers = [cell for cell in column if isinstance(cell, int | float)]
            if len(numbers) < len(column) or not (spread := statistics.pstdev(numbers)):
                continue  # text, missing values, or the same number in each row
            mean = statistics.fmean(numbers)
            for i, number in zip(members, numbers, strict=True):
                distances[i] += ((number - mean) / spread) ** 2
        return min(members, key=distances.__getitem__)


def read(path: Path, evaluation: Evaluation) -> Examples:
    """Return the rows of a CSV file with a header."""
    return _examples([path.read_text(encoding="utf-8-sig")], evaluation)


def of_release(lab: Lab, release: Release) -> Examples:
    """Return the rows that the model of an endpoint was trained with; raises as `of_job` does."""
    job = training.describe(lab, lab.names.training_job(release.execution_id))
    return of_job(lab, job, training.evaluation(lab, job))


def of_job(lab: Lab, job: Job, evaluation: Evaluation) -> Examples:
    """Return the rows that a training job was given: the CSV files of its channel `training` in S3.

    They are read as they were when the job was created, because the bucket keeps versions: its model has not
    learned what has come since. If nothing of then is left, they are read as they are now. Raises DataMissing
    if there is nothing.
    """
    s3, bucket, prefix = lab.client("s3"), *job.data.removeprefix("s3://").partition("/")[::2]
    texts = [
        s3.get_object(Bucket=bucket, Key=key, **version)["Body"].read().decode("utf-8-sig")
        for key, version in sorted(_versions(s3, bucket, prefix, job.created).items())
        if key.lower().endswith(".csv")
    ]
    if not texts:
        raise DataMissing(f"{job.data} has no .csv file any more: upload the data again (notebook 03)")
    return _examples(texts, evaluation)


def _versions(s3: S3Client, bucket: str, prefix: str, at: datetime) -> dict[str, _Version]:
    """Return the objects that were there at a time, or else those that are there now.

    An object is read without its version where that is the newest: GetObjectVersion is a permission apart.
    """
    then, now = dict[str, tuple[datetime, _Version | None]](), dict[str, _Version]()
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix):
        for one in page.get("Versions", []):
            key = one["Key"]
            if one["IsLatest"]:
                now[key] = {}
            found: _Version = {} if one["IsLatest"] else {"VersionId": one["VersionId"]}
            if one["LastModified"] <= at and (key not in then or then[key][0] < one["LastModified"]):
                then[key] = one["LastModified"], found
        for gone in page.get("DeleteMarkers", []):
            key = gone["Key"]
            if gone["LastModified"] <= at and (key not in then or then[key][0] <= gone["LastModified"]):
                then[key] = gone["LastModified"], None
    return {key: version for key, (_, version) in then.items() if version is not None} or now


def held_out(lab: Lab, job: Job, evaluation: Evaluation) -> Examples:
    """Return the rows that a job's evaluation is about, which its model has not been trained with.

    Raises DataMissing if the job left none, as images of earlier versions do.
    """
    content = training.output(lab, job, "held_out.csv")
    if content is None:
        raise DataMissing(f"{job.name} left no held-out rows: build both images again (notebooks 01 and 02)")
    return _examples([content.decode()], evaluation)


def _examples(texts: Iterable[str], evaluation: Evaluation) -> Examples:
    rows: list[Row] = []
    answers: list[str | float] = []
    for text in texts:
        reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
        header = list(reader.fieldnames or ())
        target = evaluation.get("target", header[-1] if header else "")
        kinds = evaluation.get("features") or {name: "number" for name in header if name != target}
        if missing := sorted({*kinds, target} - set(header)):
            raise DataMissing(
                f"the data has no column {', '.join(missing)} any more, but the model was trained with it: "
                "upload that data again, or train with the data that is there (notebook 03)"
            )
        for line in reader:
            rows.append([_cell(line[name], kind) for name, kind in kinds.items()])
            answers.append(line[target] if evaluation["classes"] else float(line[target]))
    step = -(-len(rows) // MOST)
    return Examples(rows[::step], answers[::step], evaluation) if rows else Examples([], [], evaluation)


def _cell(text: str, kind: str) -> Cell:
    """Return a cell as JSON has it: a number, text, or null where nothing is written."""
    if not text.strip():
        return None
    return text if kind.startswith("text") else float(text)
