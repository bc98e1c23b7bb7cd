"""The report page of an execution: what TestDev found, to be read before a decision."""

from __future__ import annotations

import html
import json
from typing import TypedDict

from lab_helpers import keys
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
    """A sentence, and below it the page, if there is one.

    The page is shown in a frame: its style sheet is its own, and neither runs a script there nor leads away.
    """

    def __init__(self, execution_id: str, summary: str, page: str = "", *, passed: bool = False) -> None:
        self.execution_id, self.summary, self.page, self.passed = execution_id, summary, page, passed

    def __repr__(self) -> str:
        return self.summary

    def _repr_html_(self) -> str:
        sentence = f"<p>{html.escape(self.summary)}</p>"
        if not self.page:
            return sentence
        return (
            f'{sentence}<iframe sandbox title="Report on execution {html.escape(self.execution_id)}" '
            f'style="width:100%;height:{HEIGHT}px;border:1px solid #8c959f" '
            f'srcdoc="{html.escape(self.page)}"></iframe>'
        )


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
