"""The report page of an execution: what TestDev found, to be read before a decision."""

from __future__ import annotations

import html
import json
from typing import TypedDict

from lab_helpers import keys
from lab_helpers.display import framed
from lab_helpers.lab import Lab
from lab_helpers.training import read

HEIGHT = 760
"""Of the page in a notebook, in pixels: it scrolls, and the buttons below stay near."""


class Tested(TypedDict):
    """The part of `training/reports/<execution id>-dev.json` that notebooks read."""

    passed: bool
    tested: bool
    summary: str


class Evidence:
    """A sentence, and below it the page in a frame, if there is one."""

    def __init__(self, execution_id: str, summary: str, page: str = "", *, passed: bool = False) -> None:
        self.execution_id, self.summary, self.page, self.passed = execution_id, summary, page, passed

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        sentence = f"<p>{html.escape(self.summary)}</p>"
        if not self.page:
            return sentence
        return sentence + framed(f"Report on execution {self.execution_id}", self.page, HEIGHT)


def of(lab: Lab, execution_id: str) -> Evidence:
    """Return what TestDev found about the model of a pipeline execution, or why there is nothing."""
    gone = lab.client("s3").exceptions.NoSuchKey
    try:
        found: Tested = json.loads(read(lab, f"s3://{lab.bucket}/{keys.tests(execution_id)}"))
        page = read(lab, f"s3://{lab.bucket}/{keys.page(execution_id)}").decode()
    except gone:
        return Evidence(
            execution_id,
            f"There is no report page on execution {execution_id}: TestDev writes it after DEV was deployed, "
            "and executions of an earlier version have none. Judge by the cells above.",
        )
    return Evidence(execution_id, found["summary"], page, passed=found["tested"] and found["passed"])
