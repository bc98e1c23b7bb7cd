"""The decision about a release: buttons that decide once, and never look alive when they are not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import suppress

import pytest
from playwright.sync_api import Locator, Page, expect
from playwright.sync_api import TimeoutError as TookTooLong

from lab_helpers.clicks import DEAD
from tests.browser.jupyterlab import JupyterLab, Notebook, axe, still
from tests.e2e.one_workshop import Workshop

NOTEBOOK = "notebooks/04_check_and_test_endpoint.ipynb"


@pytest.fixture(scope="module")
def trained(workshop: Workshop) -> Workshop:
    """The module's lab, with a release that waits for a decision."""
    workshop.run("--notebooks", "01-03")
    return workshop


def waiting(trained: Workshop) -> str:
    """Release once more, and return the execution when it waits for a decision; nothing else waits then."""
    before = newest(trained)
    if trained.status(trained.names.train_pipeline, before) == "InProgress":
        trained.decide(before, "Rejected")
        trained.ended(trained.names.train_pipeline, before)
    execution = trained.upload(trained.uploaded())
    trained.waits_for_approval(execution)
    return execution


def newest(trained: Workshop) -> str:
    """Return the execution that started last."""
    pipelines = trained.client("codepipeline")
    listed = pipelines.list_pipeline_executions(pipelineName=trained.names.train_pipeline)
    return str(listed["pipelineExecutionSummaries"][0]["pipelineExecutionId"])


def to_the_buttons(jupyterlab: JupyterLab) -> tuple[Notebook, Locator]:
    """Run notebook 04 as far as its buttons, for the newest execution."""
    notebook = jupyterlab.open(NOTEBOOK)
    for cell in ("04-parameters", "04-check", "04-follow", "04-report", "04-verdict", "04-buttons"):
        notebook.run(cell)
    shown = notebook.output("04-buttons")
    expect(shown.get_by_role("button", name="Approve")).to_be_visible()
    return notebook, shown


def test_the_report_page_is_shown_above_the_buttons_and_stays_when_the_notebook_is_opened_again(
    trained: Workshop, jupyterlab: JupyterLab
) -> None:
    assert trained.waits_for_approval(newest(trained))  # the next test decides
    notebook = jupyterlab.open(NOTEBOOK)
    for cell in ("04-parameters", "04-check", "04-follow", "04-report", "04-evidence"):
        notebook.run(cell)
    page_is_shown(notebook, trained)
    notebook.lab.execute("docmanager:save")
    page_is_shown(jupyterlab.open(NOTEBOOK), trained)


def page_is_shown(notebook: Notebook, trained: Workshop) -> None:
    shown = notebook.output("04-evidence")
    shown.scroll_into_view_if_needed()
    expect(shown).to_contain_text("DEV passed all ")
    frame = shown.locator("iframe")  # test_report_page.py reads such a page by itself
    expect(frame).to_be_visible()
    heading = f"<h2>Tests of {trained.names.dev_endpoint}</h2>"
    expect(frame).to_have_attribute("srcdoc", re.compile(re.escape(heading)))


def test_buttons_whose_kernel_has_ended_are_one_sentence(
    trained: Workshop, jupyterlab: JupyterLab, page: Page
) -> None:
    notebook, shown = to_the_buttons(jupyterlab)
    assert axe(page, "[data-cell-id='04-buttons'] .jp-OutputArea") == []
    notebook.restart()
    expect(shown).to_have_text(DEAD, use_inner_text=True)
    expect(shown.get_by_role("button")).to_have_count(0)
    notebook.lab.execute("docmanager:save")
    shown = jupyterlab.open(NOTEBOOK).output("04-buttons")
    shown.scroll_into_view_if_needed()
    expect(shown).to_have_text(DEAD, use_inner_text=True)
    trained.decide(newest(trained), "Rejected")


@pytest.mark.screenshot
def test_approving_takes_two_deliberate_clicks_and_a_keyboard_is_enough(
    trained: Workshop,
    jupyterlab: JupyterLab,
    page: Page,
    screenshot: Callable[[str, Page | Locator], None],
) -> None:
    execution = waiting(trained)
    notebook, shown = to_the_buttons(jupyterlab)
    still(shown.get_by_role("button", name="Approve")).dblclick()
    assert trained.status(trained.names.train_pipeline, execution) == "InProgress"
    # The second click may have met "Not yet", or nothing: what the first one asks takes a moment to appear.
    with suppress(TookTooLong):
        still(shown.get_by_role("button", name="Not yet")).click(timeout=10_000)

    shown.get_by_role("button", name="Approve").press("Enter")
    expect(shown).to_contain_text("Release this model to production (PRD)? Nothing serves there yet")
    expect(shown.get_by_role("button", name="Not yet")).to_be_focused()
    assert axe(page, "[data-cell-id='04-buttons'] .jp-OutputArea") == []
    screenshot("decision", notebook.cell("04-buttons"))
    page.keyboard.press("Tab")
    expect(shown.get_by_role("button", name="Release to PRD")).to_be_focused()
    page.keyboard.press("Enter")
    expect(shown).to_contain_text("Approved: the pipeline now deploys this release to PRD.")
    expect(shown.locator(".widget-label")).to_be_focused()
    expect(shown.get_by_role("button")).to_have_count(0)
    assert trained.ended(trained.names.train_pipeline, execution) == "Succeeded"
    notebook.run("04-decide")
    assert "Approved" in notebook.text("04-decide")
    notebook.restart()
    expect(shown.locator("p")).to_be_visible()
    assert "Approved" in shown.inner_text(), "what was decided stays when the kernel is gone"


@pytest.mark.screenshot
def test_the_link_to_the_console_shows_what_was_decided(
    trained: Workshop,
    jupyterlab: JupyterLab,
    page: Page,
    screenshot: Callable[[str, Page | Locator], None],
) -> None:
    notebook = jupyterlab.open(NOTEBOOK)
    for cell in ("04-parameters", "04-check", "04-follow"):
        notebook.run(cell)
    with page.expect_popup() as opened:
        notebook.output("04-follow").get_by_role("link", name="execution in the console").click()
    console = opened.value
    expect(console.get_by_role("heading", name=f"Execution {newest(trained)}")).to_be_visible()
    console.get_by_role("link", name=trained.names.train_pipeline).click()
    expect(console.locator(".graph").get_by_role("heading", name="DeployPrd")).to_be_visible()
    screenshot("console", console)


def test_a_late_click_changes_nothing_and_is_answered_with_a_sentence(
    trained: Workshop, jupyterlab: JupyterLab
) -> None:
    execution = waiting(trained)
    notebook, shown = to_the_buttons(jupyterlab)
    trained.decide(execution, "Rejected")
    notebook.click("04-buttons", "Approve")
    expect(shown).to_contain_text(f"Nothing was done: execution {execution} was already rejected.")
    expect(shown.get_by_role("button")).to_have_count(0)
    assert [one["output_type"] for one in notebook.outputs("04-buttons")] == ["display_data"] * 2


def test_run_all_shows_the_report_of_a_rejected_model_and_then_stops(
    trained: Workshop, jupyterlab: JupyterLab
) -> None:
    good = trained.uploaded()
    descriptor = json.loads(good["trainingjob.json"])
    descriptor["QualityGate"]["MinimumAccuracy"] = 1.0
    execution = trained.upload({**good, "trainingjob.json": json.dumps(descriptor).encode()})
    assert trained.ended(trained.names.train_pipeline, execution) == "Failed"
    notebook = jupyterlab.open(NOTEBOOK)
    with pytest.raises(AssertionError, match=r"04-verdict: CheckpointFailed(.|\n)*accuracy"):
        notebook.run_all()
    assert "TrainApproval: rejected" in notebook.text("04-report")
    assert "✗" in notebook.text("04-report")
    assert notebook.outputs("04-dev") == []
