"""Who judges windows: the lesson's own check, and peers that run in environments of their own."""

from __future__ import annotations

import contextlib
import copy
import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple, Protocol

from benchmarks.drift.data import PREDICTION, Columns
from benchmarks.drift.trials import Trial, known
from benchmarks.environments import environment
from benchmarks.lab import REPOSITORY

PROGRAMS = Path(__file__).parent / "peers"
TIME = "2026-12-01T08:00:00Z"
NOT_TOLD = {"DO_NOT_TRACK": "1", "NML_DISABLE_USAGE_LOGGING": "1"}
"""Settings with which these libraries send nothing about their use anywhere."""


class Verdict(NamedTuple):
    """What a tool says about a window: whether there is drift by its own rule, and in which columns."""

    alarm: bool
    columns: tuple[str, ...]


class Judge(Protocol):
    """A tool that looks for drift."""

    name: str
    rule: str
    versions: dict[str, str]

    def judge(self, trial: Trial) -> list[Verdict]:
        """Return a verdict for each window of a trial."""


@dataclass(frozen=True)
class Peer:
    """A library: what is installed, the program that calls it, and its rule in words."""

    name: str
    pins: tuple[str, ...]
    program: str
    rule: str

    @property
    def python(self) -> Path:
        """Python with its library, which is installed now if it is not yet there."""
        return environment(f"drift-{self.name}", *self.pins) / "bin" / "python"


EVIDENTLY = Peer(
    "evidently",
    # Without these, pip brings pandas 3, with which it cannot be imported.
    ("evidently==0.7.23", "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1", "orjson==3.13.0"),
    "evidently_preset.py",
    "DataDriftPreset: half of the columns have drifted",
)
NANNYML = Peer(
    "nannyml",
    # It imports statsmodels, and does not say so.
    ("nannyml==0.13.1", "statsmodels==0.15.0", "pandas==2.3.3", "numpy==2.4.6", "scipy==1.17.1"),
    "nannyml_univariate.py",
    "UnivariateDriftCalculator: a column alerts",
)
ALIBI = Peer(
    "alibi-detect",
    ("alibi-detect==0.13.0", "pandas==2.3.3", "numpy==1.26.4", "scipy==1.17.1"),
    "alibi_tabular.py",
    "TabularDrift: is_drift",
)
PEERS = {peer.name: peer for peer in (EVIDENTLY, NANNYML, ALIBI)}


class PeerError(RuntimeError):
    """A peer's program ended; the message has what it wrote."""


class Running:
    """A peer whose program runs, and answers one line for each trial."""

    def __init__(self, peer: Peer, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name, self.rule, self._process, self._log = peer.name, peer.rule, process, log
        self.versions: dict[str, str] = self._read()

    def judge(self, trial: Trial) -> list[Verdict]:
        """Send a trial and read the verdicts. Raises PeerError."""
        with contextlib.suppress(BrokenPipeError):  # reading says why
            requests = _of(self._process.stdin)
            requests.write(trial.line())
            requests.flush()
        return [Verdict(one["alarm"], tuple(one["columns"])) for one in self._read()]

    def _read(self) -> Any:
        if line := _of(self._process.stdout).readline():
            return json.loads(line)
        raise PeerError(
            f"{self.name} ended:\n{self._log.read_text(encoding='utf-8', errors='replace')[-3000:]}"
        )


def _of(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise RuntimeError("the process was started without pipes")
    return pipe


@contextlib.contextmanager
def running(peer: Peer) -> Iterator[Running]:
    """Run a peer's program as long as the context lasts. Raises InstallError, PeerError."""
    python = str(peer.python)
    with tempfile.TemporaryDirectory(prefix="mlops-bench-drift-") as room:
        log = Path(room) / "log"
        with log.open("wb") as file:
            process = subprocess.Popen(
                [python, str(PROGRAMS / peer.program)],
                env={**os.environ, **NOT_TOLD, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
                cwd=room,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )
        try:
            yield Running(peer, process, log)
        finally:
            _of(process.stdin).close()
            process.terminate()
            process.wait()
            _of(process.stdout).close()


class Ours:
    """The program of the lesson: windows are files of captured data, as the processing job reads them."""

    def __init__(self, room: Path, name: str = "ours", alpha: float | None = None) -> None:
        folder = str(REPOSITORY / "notebooks/monitoring")
        if folder not in sys.path:
            sys.path.insert(0, folder)
        self._check: Any = importlib.import_module("check")
        self.name, self._room = name, room
        self._settings = self._check.Settings(**({} if alpha is None else {"alpha": alpha}))
        self.rule = (
            f"a column has drifted (alpha {self._settings.alpha:g}, index {self._settings.minimum_psi:g})"
        )
        self.versions: dict[str, str] = {}

    def judge(self, trial: Trial) -> list[Verdict]:
        """Write the training data and each window, and check them."""
        training, window = self._room / "training.csv", self._room / "window.jsonl"
        training.write_text(_csv(trial.training), encoding="utf-8")
        baseline = self._check.read_baseline(training, PREDICTION)
        found = []
        for one in trial.windows:
            window.write_text("".join(captured(one.columns)), encoding="utf-8")
            features, prediction = copy.deepcopy(baseline)
            requests = self._check.captured([window], self._settings, self._check.Skipped())
            drifted = self._check.check(features, prediction, requests, self._settings)["drifted"]
            found.append(Verdict(bool(drifted), tuple(drifted)))
        return found


def _csv(columns: Columns) -> str:
    lines = [",".join(columns), *(",".join(map(str, row)) for row in _rows(columns))]
    return "\n".join(lines) + "\n"


def _rows(columns: Columns) -> Sequence[tuple[object, ...]]:
    return list(zip(*(cells.tolist() for cells in columns.values()), strict=True))


def captured(columns: Columns) -> Iterator[str]:
    """Yield a line of captured data for each row, as SageMaker writes it; a missing number is null."""
    for number, (*row, answer) in enumerate(_rows(columns)):
        asked = {"instances": [[known(cell) for cell in row]]}
        yield event(number, json.dumps(asked), json.dumps({"predictions": [answer]}))


def event(number: int, asked: str, answered: str, time: str = TIME) -> str:
    """Return a line of captured data: SageMaker AI Developer Guide, "Data capture"."""

    def part(mode: str, data: str) -> dict[str, str]:
        return {"observedContentType": "application/json", "mode": mode, "data": data, "encoding": "JSON"}

    return (
        json.dumps(
            {
                "captureData": {
                    "endpointInput": part("INPUT", asked),
                    "endpointOutput": part("OUTPUT", answered),
                },
                "eventMetadata": {
                    "eventId": f"{number:08x}-0000-4000-8000-000000000000",
                    "inferenceId": f"client-{number:07}",
                    "inferenceTime": time,
                },
                "eventVersion": "0",
            }
        )
        + "\n"
    )
