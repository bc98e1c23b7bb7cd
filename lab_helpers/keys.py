"""The S3 keys and prefixes of a lab, each defined once.

docs/names-and-contracts.md says who writes and reads them.
They are in the lab's bucket, except PACKAGE and TEMPLATE, which are in its assets bucket. Templates,
functions and notebooks repeat some of them: tests/lab_helpers/test_facts.py compares them.
"""

from __future__ import annotations

DATA = "training/input/iris.csv"
"""What training jobs train with."""
TRAINING_JOB = "training/source/trainingjob.zip"
"""An upload here starts the training pipeline."""
TRAINING = "training/"
"""Everything of the training pipeline."""
INPUT, TRAINING_SOURCE = "training/input/", "training/source/"
LABELED = "training/input/labeled/"
"""Labeled data that came later; with RetrainOnLabels, a .csv file here starts the training pipeline."""
JOBS, OUTPUT, REPORTS = "training/jobs/", "training/output/", "training/reports/"
"""Jobs as requested, their output, and what the monitor and the tester found."""
TRAINED = "training/trained/"
"""By a digest of what was trained with, the executions that trained with it."""
SDK = "sdk/"
"""What notebook 03a trains and transforms without the pipeline."""
MONITORING = "monitoring/"
"""Everything that monitors PRD."""
CAPTURE, BASELINE, CHECKS = "monitoring/capture/", "monitoring/baseline/", "monitoring/checks/"
LABELS, CHECK_PROGRAM = "monitoring/labels/", "monitoring/code/check.py"
"""Captured requests, the training data they are compared with, what checks found, true labels that came
later; and the program of the checks."""
BATCH = "monitoring/batch/"
"""Rows that the transform job of notebook 08 asks about, and its answers."""
CANDIDATES, CANDIDATES_PROGRAM = "monitoring/candidates/", "monitoring/code/candidates.py"
"""Models that notebook 06 tries releases with, and the program that trains them."""
DRILLS = "drills/"
"""What drills train with, and their records."""
DRILL = "drills/running.json"
"""The record of the drill that runs; one that has ended has its id as a name."""
FUNCTIONS = "package/functions"
"""Code of the functions."""
PROVISION = "package/provision.json"
"""Where a notebook instance reports the state of its provisioning."""
RESET_REQUEST, RESET_ANSWER = "package/reset.json", "package/reset-answer.json"
TRIAL = "package/trial.json"
"""Where a notebook instance reports a trial (`doctor --trial`)."""
SOURCE, PIPELINES = "source/", "pipelines/"
"""Pushed commits of a lab without CodeCommit, and artifacts."""

PACKAGE, TEMPLATE = "package/workshop.zip", "package/m.yml"


def report(execution_id: str) -> str:
    """Return the key of the quality report on a pipeline execution."""
    return f"{REPORTS}{execution_id}.json"


def tests(execution_id: str) -> str:
    """Return the key of what the tester found about the model of a pipeline execution."""
    return f"{REPORTS}{execution_id}-dev.json"


def page(execution_id: str) -> str:
    """Return the key of the report page on a pipeline execution."""
    return f"{REPORTS}{execution_id}.html"
