"""What a learner sees while a pipeline runs, when it fails, and when a checkpoint does."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyterlab import JupyterLab, Notebook, axe
from tests.waiting import eventually

SLOW_BUILD = '''\
(working_copy / "buildspec.yml").write_text(f"""version: 0.2
phases:
  build:
    commands:
      - for n in $(seq 8); do echo "line $n"; sleep 1; done
      - "echo 'ERROR: there is no such package'; exit 7"
# {run}
""")
commit = git.commit_and_push(working_copy, f"Fail {run}")'''


def start_a_build(jupyterlab: JupyterLab, run: int) -> Notebook:
    """Push a build that takes seconds and fails, and begin to follow it."""
    notebook = jupyterlab.open("notebooks/01_build_base_image.ipynb")
    for cell in ("01-parameters", "01-check"):
        notebook.run(cell)
    notebook.write("01-folder", f"run = {run}\n{SLOW_BUILD}")
    notebook.run("01-folder")
    notebook.start("01-follow")
    return notebook


@pytest.mark.screenshot
def test_a_build_ticks_and_its_failure_begins_with_the_cause(
    jupyterlab: JupyterLab, page: Page, screenshot: Callable[[str, Page | Locator], None]
) -> None:
    notebook = start_a_build(jupyterlab, 1)
    shown = notebook.output("01-follow")
    seen: set[str] = set()

    def ticked() -> bool:
        seen.update(re.findall(r"InProgress\s+(\d+ s)", notebook.text("01-follow")))
        return len(seen) >= 3

    eventually(ticked, 60)
    expect(shown).to_contain_text("phase BUILD")
    expect(shown.locator("pre")).to_contain_text(re.compile(r"line \d"))
    expect(shown.get_by_role("link", name="log of the build in the console")).to_be_visible()
    screenshot("progress", notebook.cell("01-follow"))
    assert axe(page, "[data-cell-id='01-follow'] .jp-OutputArea") == []
    notebook.wait_until_idle()

    outputs = notebook.outputs("01-follow")
    assert [one["output_type"] for one in outputs] == ["display_data", "display_data", "error"]
    said = "".join(outputs[-1]["traceback"])
    assert said.startswith("\x1b[1mERROR: there is no such package\x1b[0m")
    assert said.count("no such package") == 1
    assert len("\n".join(outputs[-1]["traceback"]).splitlines()) <= 12
    assert "Traceback" not in said
    expect(shown.locator("table")).to_contain_text("✗ Failed")
    assert "line 7" not in notebook.text("01-follow").split("ERROR:")[0], "the log is gone with the clock"


def test_an_interrupt_leaves_the_last_state_and_one_sentence(jupyterlab: JupyterLab) -> None:
    notebook = start_a_build(jupyterlab, 2)
    expect(notebook.output("01-follow").locator("pre")).to_contain_text("line", timeout=60_000)
    notebook.interrupt()
    notebook.wait_until_idle()
    [said] = notebook.outputs("01-follow")[-1]["traceback"]
    assert re.fullmatch(r"\x1b\[1mInterrupted: .* Run this cell again to follow it\.\x1b\[0m", said)


def test_a_failing_checkpoint_says_what_to_do_and_no_more(jupyterlab: JupyterLab) -> None:
    notebook = jupyterlab.open("notebooks/01_build_base_image.ipynb")
    notebook.write(
        "01-parameters",
        "from lab_helpers.checkpoint import checkpoint\n"
        'checkpoint("there is a model", False, fix="run notebook 02")',
    )
    with pytest.raises(AssertionError, match="there is a model"):
        notebook.run("01-parameters")
    shown = notebook.output("01-parameters").inner_text()
    assert shown.splitlines()[:2] == ["✗ not true: there is a model.", "  What to do: run notebook 02"]
    assert len(shown.strip().splitlines()) == 4
    notebook.write("01-parameters", "%tb Verbose")
    with pytest.raises(AssertionError):
        notebook.run("01-parameters")
    assert "Traceback (most recent call last)" in notebook.output("01-parameters").inner_text()
