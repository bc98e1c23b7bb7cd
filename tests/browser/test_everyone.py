"""Lessons can be read and worked by everyone: dark or light, in a narrow window, by keyboard, by ear."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.jupyterlab import JupyterLab, axe

NARROW = {"width": 800, "height": 800}
OUTPUTS = ".jp-Notebook .jp-OutputArea-output:not(:has(.dataframe))"
"""A DataFrame is pandas' own table, in a box of JupyterLab's that scrolls."""
TEXTS = ".jp-Notebook .jp-MarkdownOutput"
SHOWN = """
from datetime import UTC, datetime
from IPython.display import display
from lab_helpers import plots
from lab_helpers.decision import Decision
from lab_helpers.display import Code, Table
from lab_helpers.executions import Action, Execution
from lab_helpers.lab import Lab
from lab_helpers.live import Steps

arn = "arn:aws:codepipeline:us-east-1:123456789012:lab-iris-train-pipeline"
now = datetime.now(UTC)
actions = tuple(
    Action(stage, stage, "Build", "CodeBuild", status, now, now, arn)
    for stage, status in (("Source", "Succeeded"), ("DeployApproval", "InProgress"), ("DeployPrd", ""))
)
identity = "0a1b2c3d-1234-4000-8000-1234567890ab"
execution = Execution("iris-train-pipeline", identity, "InProgress", "", actions)
display(Table(["what", "name"], [["pipeline", arn], ["accuracy", 0.9667]], "A table with a long name"))
display(execution.table(now, {("DeployApproval", "DeployApproval"): "you decide, in notebook 04; " * 3}))
display(plots.latency({"logistic": [0.01, 0.02, 0.03], "random_forest": [0.02, 0.03, 0.05]}))
display(Decision(Lab.open(""), execution))
steps = Steps()
steps.step("Step 1/2 : RUN pip install " + "scikit-learn==1.7.0 " * 8)
steps.settle()
"""
FAILS = """
from lab_helpers.checkpoint import checkpoint

checkpoint("there is a model", False, fix="run notebook 02 to the end, " * 5)
"""
LIVE = """
import time
from lab_helpers.display import Table
from lab_helpers.live import Frame, Live

live = Live()
live.link("execution in the console", "http://127.0.0.1/")
for second in range(8):
    status = "▶ InProgress" if second < 4 else "✓ Succeeded"
    clock = Table(["stage", "status", "time"], [["Build", status, f"{second} s"]])
    live.show(Table(clock.headers, [["Build", status, ""]]), now=Frame(clock, ("a long line " * 20,) * 4))
    time.sleep(0.5)
"""
WIDER = """
boxes => [...document.querySelectorAll(boxes)]
  .filter(box => box.scrollWidth > box.clientWidth + 1 || box.getBoundingClientRect().right > innerWidth)
  .map(box => box.innerHTML.slice(0, 300))
"""
LISTEN = """
() => {
  window.said = [];
  new MutationObserver(() => document.querySelectorAll('.jp-OutputArea [role=status]').forEach(region => {
    if (region.textContent && region !== window.speaker) window.said.push(region.textContent);
    if (region.textContent) window.speaker = region;
  })).observe(document.body, {childList: true, subtree: true, characterData: true});
}
"""


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until something has the focus; check that a reader sees that it has."""
    for _ in range(10):
        page.keyboard.press("Tab")
        if wanted.evaluate("element => element === document.activeElement"):
            assert wanted.evaluate("element => getComputedStyle(element).outlineStyle") != "none"
            return
    raise AssertionError(f"ten times Tab do not reach {wanted}")


def test_what_lessons_show_can_be_read_and_used_by_everyone(jupyterlab: JupyterLab, page: Page) -> None:
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    notebook.run_all()
    notebook.write("00-parameters", SHOWN)
    notebook.run("00-parameters")
    notebook.write("00-check", FAILS)
    with pytest.raises(AssertionError, match="there is a model"):
        notebook.run("00-check")

    notebook.write("00-names", LIVE)
    page.evaluate(LISTEN)
    notebook.run("00-names")
    [announced] = page.evaluate("said")
    assert announced == "Build  ✓ Succeeded", "what changed, and not each second"

    for dark in (True, False):
        jupyterlab.choose_theme(dark)
        assert axe(page, OUTPUTS, TEXTS) == [], f"dark: {dark}"
    assert page.evaluate(WIDER, f"{OUTPUTS}, {TEXTS}") == []

    output = notebook.output("00-parameters")
    notebook.cell("00-parameters").locator(".cm-content").click()
    page.keyboard.press("Escape")
    wide = output.get_by_role("region", name="iris-train-pipeline, execution")
    tab_to(page, wide)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("box => box.scrollLeft > 0", arg=wide.element_handle())
    tab_to(page, output.get_by_role("button", name="Approve"))
    expect(output.get_by_role("button", name="Approve")).to_have_accessible_description("It asks once more.")
    page.keyboard.press("Enter")
    expect(output).to_contain_text("Not decided: ")  # there is no such execution
    expect(output.get_by_text("Not decided: ")).to_be_focused()
    tab_to(page, output.get_by_role("button", name="Reject"))
    tab_to(page, notebook.cell("00-exercises").locator("summary").first)
