"""Candidates for a release: models that a processing job trains in the image of the release that serves.

The program of the job is `notebooks/releases/candidates.py`; it says what each candidate is.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from lab_helpers import keys, processing
from lab_helpers.endpoints import Release
from lab_helpers.examples import Examples
from lab_helpers.lab import Lab

BAD = ("shuffled", "failing", "slow")
"""Those that no release should have; the program can make them all."""


def start(
    lab: Lab,
    release: Release,
    names: Sequence[str],
    *,
    known: Examples,
    baseline: str,
    program: Path,
    number: str,
    instance_type: str,
) -> str:
    """Start the job that makes candidates by these names, and return the job's name.

    `baseline` is the key of the training data (`monitoring.write_baseline`), `number` that of the run.
    """
    job = lab.names.check_job(f"safe-{number}")
    lab.client("s3").put_object(Bucket=lab.bucket, Key=keys.CANDIDATES_PROGRAM, Body=program.read_bytes())
    # As a training job would get them: text.
    given = {name: str(value) for name, value in known.evaluation.get("hyperparameters", {}).items()}
    processing.start(
        lab,
        job,
        image=release.image,
        program=keys.CANDIDATES_PROGRAM,
        arguments=[f"--hyperparameters={json.dumps(given)}", *names],
        inputs={"baseline": baseline},
        output=("candidates", f"{keys.CANDIDATES}{number}"),
        instance_type=instance_type,
    )
    return job


def wait(lab: Lab, job: str) -> None:
    """Wait until a job has made its candidates. Raises JobFailed."""
    processing.follow(lab, job, "candidates")


def model_data(lab: Lab, number: str, name: str) -> str:
    """Return the address of a candidate's model."""
    return f"s3://{lab.bucket}/{keys.CANDIDATES}{number}/{name}/model.tar.gz"
