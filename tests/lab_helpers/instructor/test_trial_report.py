"""The report of a trial begins with what it means."""

from typing import Any

import pytest

from lab_helpers.instructor.trial import Trial

HOLDS = {"text": "docker answers", "holds": True, "saw": "25.0.14"}
LINE = {"name": "01_x", "cells": 2, "executed": 2, "seconds": 1.0}
RAN = {"exit_status": 0, "summary": {"notebooks": [LINE | {"status": "succeeded"}]}}
FAILED = {"exit_status": 1, "summary": {"notebooks": [LINE | {"status": "failed"}]}, "output": []}


def trial(left: list[str] | None = None, failure: str = "", **instance: Any) -> Trial:
    found = {"assumptions": [HOLDS], "notebooks": RAN} | instance
    return Trial("eu-west-1", local=False, instance=found, left=left, failure=failure)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (trial(), "works here: all that it assumes holds, every notebook ran."),
        (trial([]), "every notebook ran, and nothing of the lab is left."),
        (trial(assumptions=[HOLDS | {"holds": False}]), "1 of what it assumes does not hold"),
        (trial(notebooks=FAILED), "does not work here yet: notebook 01_x failed."),
        (trial(notebooks={"exit_status": 2, "output": []}), "the notebooks did not run"),
        (trial(["role x"]), "something of the lab is left (last line)"),
        (trial(failure="ResourceLimitExceeded", notebooks={}), "it ended early: ResourceLimitExceeded"),
    ],
)  # fmt: skip
def test_a_report_begins_with_a_verdict(found: Trial, said: str) -> None:
    assert said in found.verdict
    assert found.good == found.verdict.startswith("The workshop works here")


def test_the_verdict_is_at_the_top_of_the_page_and_names_no_account() -> None:
    page = trial(failure="role arn:aws:iam::123456789012:role/x").to_markdown("123456789012")
    assert page.splitlines()[2].startswith("The workshop does not work here yet: it ended early: role arn")
    assert "123456789012" not in page
