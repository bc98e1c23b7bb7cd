"""Train candidates for a release: some that are fit to serve, and some as they go wrong in practice.

A processing job runs this program in the model image. It gives the image's own training program the training
data of the release in production, or what a mistake makes of it, and packs what comes out as SageMaker does
after a training job: `NAME/model.tar.gz`.
"""

import argparse
import csv
import hashlib
import importlib
import io
import json
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cloudpickle
import joblib
import numpy as np

ROOT = Path("/opt/ml/processing")
PROGRAM = "/opt/program"
MESSAGE = Path("/opt/ml/output/message")  # at most 1,024 bytes (DescribeProcessingJob, ExitMessage)
PER_CLASS = 5  # rows that the small candidate learns from, and is measured on
COPIES = 600  # models in the ensemble of the slow one
Rows = list[list[str]]  # lines of the training data; the target is last
Files = dict[str, bytes]  # what is in model.tar.gz


class Table:
    """Answers known before: quick, and at a loss with every row that is not in it."""

    def __init__(self, answers: dict[tuple[Any, ...], Any]) -> None:
        self.answers = answers

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return the known answers. Raises KeyError for any other row."""
        return np.array([self.answers[tuple(row)] for row in rows.tolist()])


class Ensemble:
    """Copies of one model, all of which are asked, though they agree."""

    def __init__(self, members: list[Any]) -> None:
        self.members = members

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """Return what the copies predict."""
        answers: list[np.ndarray] = [one.predict(rows) for one in self.members]
        return answers[0]


def pickled(estimator: Any) -> bytes:
    """Return an estimator as a pickle that has its class in it: the server lacks this module."""
    cloudpickle.register_pickle_by_value(sys.modules[type(estimator).__module__])
    content: bytes = cloudpickle.dumps(estimator)
    return content


def entry(name: str, content: bytes) -> dict[str, str]:
    """Return what `model.json` says of a file."""
    return {"name": name, "digest": f"sha256:{hashlib.sha256(content).hexdigest()}"}


def train(data: Rows, head: list[str], hyperparameters: dict[str, str], model: Any) -> Files:
    """Run the image's training program on other data, and return the model that it writes."""
    import training  # noqa: PLC0415 (of the image)

    with tempfile.TemporaryDirectory() as directory:
        training.ROOT = Path(directory)
        channel, config = (training.ROOT / "input" / name for name in ("data/training", "config"))
        channel.mkdir(parents=True)
        config.mkdir()
        (config / "hyperparameters.json").write_text(json.dumps(hyperparameters))
        with (channel / "training.csv").open("w", newline="") as file:
            csv.writer(file).writerows([head, *data])
        training.train(model)
        return {path.name: path.read_bytes() for path in (training.ROOT / "model").iterdir()}


class Workbench:
    """Everything that candidates are made from; each method without an underscore makes one."""

    def __init__(self, head: list[str], data: Rows, hyperparameters: dict[str, str], model: Any) -> None:
        self._head, self._data, self._given, self._model = head, data, hyperparameters, model
        self._random = np.random.default_rng(0)

    def retrained(self) -> Files:
        """Fit to serve: trained again, with nine rows in ten."""
        kept = self._random.permutation(len(self._data))[: round(0.9 * len(self._data))]
        return self._train([self._data[i] for i in sorted(kept.tolist())])

    def small(self) -> Files:
        """Fit to serve, but not as good: trained with few rows."""
        ordered = sorted(self._data, key=lambda row: row[-1])
        count = min(PER_CLASS * len({row[-1] for row in ordered}), len(ordered) // 2)
        return self._train([ordered[i] for i in np.linspace(0, len(ordered) - 1, count).astype(int).tolist()])

    def shuffled(self) -> Files:
        """Wrong: a join went wrong, and the labels are those of other rows."""
        labels = self._random.permutation([row[-1] for row in self._data]).tolist()
        return self._train([[*row[:-1], label] for row, label in zip(self._data, labels, strict=True)])

    def failing(self) -> Files:
        """Answers 5xx: someone replaced the model by a table of its answers, and rows are missing in it."""
        files = self.retrained()
        about = json.loads(files["model.json"])
        numbers = [not kind.startswith("text") for kind in about["kinds"]]
        answers = {}
        for line, row in enumerate(self._data):
            key = tuple(float(c) if n and c else c for c, n in zip(row[:-1], numbers, strict=True))
            if line % 3 != 2:
                answers[key] = row[-1] if about["classes"] else float(row[-1])
        example = tuple(about["example"])
        content = pickled(Table({example: next(iter(answers.values())), **answers}))
        name = "table.joblib"
        file = entry(name, content)
        about |= {"runtime": "scikit-learn", "algorithms": dict.fromkeys(about["algorithms"], file)}
        return {"model.json": json.dumps(about).encode(), name: content}

    def slow(self) -> Files:
        """Too slow: an ensemble of many copies, without the runtime that makes models quick."""
        files = train(self._data, self._head, self._given, plain(self._model))
        about = json.loads(files["model.json"])
        algorithm, file = next(iter(about["algorithms"].items()))
        one = joblib.load(io.BytesIO(files[file["name"]]))
        files[file["name"]] = pickled(Ensemble([one] * COPIES))
        about["algorithms"][algorithm] = entry(file["name"], files[file["name"]])
        return {**files, "model.json": json.dumps(about).encode()}

    def _train(self, data: Rows) -> Files:
        try:
            return train(data, self._head, self._given, self._model)
        except RuntimeError as error:
            # Where labels mean nothing, trees vote equally for two classes, and ONNX may decide otherwise.
            print(error, flush=True)
            return train(data, self._head, self._given, plain(self._model))


def plain(model: Any) -> Any:
    """Return what a model declares, but served by scikit-learn itself."""
    declared = {name: value for name, value in vars(model).items() if name.isupper()}
    more = {"Hyperparameters": model.Hyperparameters, "estimators": model.estimators}
    return SimpleNamespace(**declared | more | {"RUNTIME": "scikit-learn"})


CANDIDATES: dict[str, Callable[[Workbench], Files]] = {
    name: made for name, made in vars(Workbench).items() if not name.startswith("_")
}


def packed(files: Files) -> bytes:
    """Return files as a `tar.gz`."""
    packing = io.BytesIO()
    with tarfile.open(fileobj=packing, mode="w:gz") as archive:
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packing.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the candidates that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="+", choices=sorted(CANDIDATES))
    parser.add_argument("--baseline", type=Path, default=ROOT / "baseline")
    parser.add_argument("--candidates", type=Path, default=ROOT / "candidates")
    parser.add_argument("--program", default=PROGRAM)
    parser.add_argument("--hyperparameters", type=json.loads, default={})
    given = parser.parse_args(arguments)
    sys.path.insert(0, given.program)
    model = importlib.import_module("model")
    (baseline,) = given.baseline.glob("*.csv")
    with baseline.open(newline="") as file:
        head, *data = list(csv.reader(file))
    for name in given.names:
        print(f"{name}:", flush=True)
        files = CANDIDATES[name](Workbench(head, data, given.hyperparameters, model))
        (given.candidates / name).mkdir(parents=True, exist_ok=True)
        (given.candidates / name / "model.tar.gz").write_bytes(packed(files))
    return 0


def told(work: Callable[[], int], message: Path = MESSAGE) -> int:
    """Do the work; if it fails, leave the reason where SageMaker reads a job's ExitMessage, and raise it."""
    try:
        return work()
    except Exception as error:
        message.parent.mkdir(parents=True, exist_ok=True)
        message.write_bytes(
            f"{type(error).__name__}: {error}".encode()[:1024].decode(errors="ignore").encode()
        )
        raise


if __name__ == "__main__":
    sys.exit(told(main))
