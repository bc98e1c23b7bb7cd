"""What is measured. Each part takes a BenchLab and returns its figures."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.by_hand import by_hand
from benchmarks.drift.part import drift
from benchmarks.figures import Figure, median, percentile
from benchmarks.fleet import fleet
from benchmarks.growth.part import growth
from benchmarks.lab import BenchLab, rest
from benchmarks.pages import console
from benchmarks.server.part import server
from lab_helpers import keys
from lab_helpers.names import Names
from lab_helpers.runner.earlier import end_earlier_executions

STARTS = 3
RUNS = 5
REQUESTS = 100
EVENTS = 3
WAIT_SECONDS = 120
NAMES = Names()


def account(lab: BenchLab) -> list[Figure]:
    """Start with an empty state directory, and again with the state left from before."""

    def fresh() -> float:
        lab.daemon.reset()
        return lab.start()

    def again() -> float:
        lab.daemon.stop()
        return lab.start()

    return [
        Figure(
            "account.ready_seconds",
            median(fresh, STARTS),
            "s",
            "start of an empty account to its ready line",
            3,
        ),
        Figure("account.ready_again_seconds", median(again, STARTS), "s", "the same with its state", 3),
        Figure("account.resident_mb", lab.resident_megabytes, "MB", "memory when ready", 150),
    ]


def api(lab: BenchLab) -> list[Figure]:
    """Latency of single requests over an open connection, with one client."""
    lab.start()
    s3, sts, iam, pipelines = (lab.client(name) for name in ("s3", "sts", "iam", "codepipeline"))
    cloudformation, sagemaker, ecr = (lab.client(name) for name in ("cloudformation", "sagemaker", "ecr"))
    s3.create_bucket(Bucket="bench")
    body = os.urandom(100_000)
    calls: dict[str, Callable[[], Any]] = {
        "sts_get_caller_identity": sts.get_caller_identity,
        "s3_put_object_100kb": lambda: s3.put_object(Bucket="bench", Key="k", Body=body),
        "s3_get_object_100kb": lambda: _read(s3, "k"),
        "iam_list_roles": iam.list_roles,
        "codepipeline_list_pipelines": pipelines.list_pipelines,
        "cloudformation_describe_stacks": cloudformation.describe_stacks,
        "sagemaker_list_endpoints": sagemaker.list_endpoints,
        "ecr_describe_repositories": ecr.describe_repositories,
    }
    figures: list[Figure] = []
    for name, call in calls.items():
        call()
        took = []
        for _ in range(REQUESTS):
            begin = time.perf_counter()
            call()
            took.append((time.perf_counter() - begin) * 1000)
        figures.append(Figure(f"api.{name}_p50_ms", percentile(took, 50), "ms", "median of a request"))
        figures.append(
            Figure(f"api.{name}_p95_ms", percentile(took, 95), "ms", "95 of 100 requests are faster")
        )
    return figures


def push(lab: BenchLab) -> list[Figure]:
    """From `git push` of a commit to the first phase of the buildspec, by the build's own clock."""
    lab.deployed()
    builds = lab.client("codebuild")

    def once() -> float:
        before = set(builds.list_builds_for_project(projectName=NAMES.base_project)["ids"])
        copy = lab.home / NAMES.base_branch
        _git(lab, copy, "commit", "--quiet", "--allow-empty", "--message", "Benchmark")
        began = datetime.now(UTC)
        _git(lab, copy, "push", "--quiet")
        identity = _until(
            lambda: next(
                iter(set(builds.list_builds_for_project(projectName=NAMES.base_project)["ids"]) - before),
                None,
            )
        )
        phase = _until(lambda: _phase(builds, identity, "PRE_BUILD"))
        _until(lambda: _build(builds, identity)["buildStatus"] != "IN_PROGRESS")
        return float((phase["startTime"] - began).total_seconds())

    seconds = median(once, EVENTS)
    return [Figure("push.to_first_phase_seconds", seconds, "s", "git push to the build's first phase", 2)]


def upload(lab: BenchLab) -> list[Figure]:
    """From the upload of trainingjob.zip to TrainingStartTime of the job (SageMaker DescribeTrainingJob)."""
    lab.deployed()
    s3, sagemaker = lab.client("s3"), lab.client("sagemaker")
    bucket = NAMES.bucket(lab.daemon.config().region, lab.daemon.config().account_id)
    key = keys.TRAINING_JOB
    content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def jobs() -> set[str]:
        return {one["TrainingJobName"] for one in sagemaker.list_training_jobs()["TrainingJobSummaries"]}

    def once() -> float:
        before, began = jobs(), datetime.now(UTC)
        s3.put_object(Bucket=bucket, Key=key, Body=content)
        name = _until(lambda: next(iter(jobs() - before), None))
        start = _until(lambda: sagemaker.describe_training_job(TrainingJobName=name).get("TrainingStartTime"))
        end_earlier_executions(lab.client("codepipeline"), NAMES.train_pipeline, lambda _: None)
        return float((start - began).total_seconds())

    zipfile.ZipFile(io.BytesIO(content)).close()  # a clear failure here rather than in the pipeline
    seconds = median(once, EVENTS)
    return [Figure("upload.to_training_start_seconds", seconds, "s", "upload to the training job's start", 2)]


@dataclass(frozen=True)
class _Round:
    """Seconds of a run on a new account, of its notebooks, of a second run there, and of the work by hand."""

    warm: float
    notebooks: dict[str, float]
    again: float
    hand: dict[str, float]
    resident_megabytes: float
    """Memory of the account after the run."""

    @property
    def by_hand(self) -> float:
        return sum(self.hand.values())

    @property
    def ratio(self) -> float:
        return self.warm / self.by_hand


def run(lab: BenchLab) -> list[Figure]:
    """The whole workshop, warm, and the same container work typed by hand.

    A first run warms the layer cache and the package cache. Then a new account runs everything again (with
    nothing but images and caches), and the same docker builds, pushes, training and serving are done
    without the workshop, against the registry of another new account: RUNS times in turn, because a machine's
    speed changes within minutes. Each begins once nothing of the one before is running. A round compares its
    two runs; the figures are those of the round with the median ratio.
    """
    lab.deployed()
    rounds = list[_Round]()
    for number in range(1, RUNS + 1):
        rounds.append(one := _round(lab))
        line = f"run {one.warm:.1f} s, by hand {one.by_hand:.1f} s, ratio {one.ratio:.2f}"
        print(f"  round {number} of {RUNS}: {line}", file=sys.stderr, flush=True)
    rounds.sort(key=lambda one: one.ratio)
    middle, memory = rounds[RUNS // 2], max(one.resident_megabytes for one in rounds)
    about = "make run on a new account, images and caches warm"
    typed = "the same builds, pushes, training and serving typed by hand"
    return [
        Figure("run.warm_seconds", middle.warm, "s", about, 120),
        Figure("run.again_seconds", middle.again, "s", "make run again on the same account", 120),
        Figure("run.resident_mb", memory, "MB", "memory of the account after a whole run", 300),
        *(
            Figure(f"run.{name}_seconds", took, "s", f"of which {name}")
            for name, took in middle.notebooks.items()
        ),
        *(
            Figure(f"hand.{name}_seconds", took, "s", f"by hand: {name}")
            for name, took in middle.hand.items()
        ),
        Figure("hand.seconds", middle.by_hand, "s", typed),
        Figure(
            "run.to_hand_ratio", middle.ratio, "", f"whole run against by hand, median of {RUNS} rounds", 1.5
        ),
        Figure("run.to_hand_ratio_lowest", rounds[0].ratio, "", "lowest of the rounds"),
        Figure("run.to_hand_ratio_highest", rounds[-1].ratio, "", "highest of the rounds"),
    ]


def _round(lab: BenchLab) -> _Round:
    lab.daemon.reset()
    lab.start()
    rest()
    seconds, summary = lab.run()
    memory = lab.resident_megabytes
    notebooks = {f"notebook_{one['name'][:2]}": float(one["seconds"]) for one in summary["notebooks"]}
    again, _ = lab.run()
    with tempfile.TemporaryDirectory() as kept:
        exercises = shutil.copytree(lab.home / "notebooks", Path(kept) / "notebooks")
        lab.daemon.reset()
        lab.start()
        rest()
        return _Round(seconds, notebooks, again, by_hand(lab, exercises), memory)


PARTS: dict[str, Callable[[BenchLab], list[Figure]]] = {
    "account": account,
    "api": api,
    "push": push,
    "upload": upload,
    "run": run,
    "fleet": fleet,
    "server": server,
    "growth": growth,
    "console": console,
    "drift": drift,
}


def _read(s3: Any, key: str) -> Any:
    return s3.get_object(Bucket="bench", Key=key)["Body"].read()


def _git(lab: BenchLab, directory: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=directory, env=lab.instance, check=True, capture_output=True)


def _build(builds: Any, identity: str) -> Any:
    return builds.batch_get_builds(ids=[identity])["builds"][0]


def _phase(builds: Any, identity: str, name: str) -> Any:
    phases = _build(builds, identity).get("phases", [])
    return next((phase for phase in phases if phase["phaseType"] == name), None)


def _until(found: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + WAIT_SECONDS
    while not (value := found()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing happened within {WAIT_SECONDS} s")
        time.sleep(0.02)
    return value
