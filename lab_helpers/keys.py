"""Every S3 key and prefix with a meaning, once (docs/names-and-contracts.md: who writes and reads them).

In the lab's bucket, but PACKAGE and TEMPLATE, which are in its assets bucket. Templates, functions and
notebooks write some of them again: tests/lab_helpers/test_facts.py compares.
"""

from __future__ import annotations

DATA = "training/input/iris.csv"
"""What training jobs train with."""
TRAINING_JOB = "training/source/trainingjob.zip"
"""An upload here starts the training pipeline."""
INPUT, TRAINING_SOURCE = "training/input/", "training/source/"
JOBS, OUTPUT, REPORTS = "training/jobs/", "training/output/", "training/reports/"
"""Jobs as they were asked for, what they left, and what the monitor found."""
FUNCTIONS = "package/functions"
"""Code of the two functions."""
PROVISION = "package/provision.json"
"""By which a notebook instance tells how its provisioning goes."""
RESET_REQUEST, RESET_ANSWER = "package/reset.json", "package/reset-answer.json"
SOURCE, PIPELINES = "source/", "pipelines/"
"""Pushed commits of a lab without CodeCommit, and artifacts."""

PACKAGE, TEMPLATE = "package/workshop.zip", "package/m.yml"


def report(execution_id: str) -> str:
    """Return the key of the quality report on a pipeline execution."""
    return f"{REPORTS}{execution_id}.json"
