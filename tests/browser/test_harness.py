"""What the other tests here rely on: notebooks that are opened, run, read and looked at."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser import chromium
from tests.browser.jupyterlab import JupyterLab, axe, still
from tests.checkout import ROOT


def test_bootstrap_looks_for_the_same_browsers() -> None:
    words = (ROOT / ".ci" / "bootstrap").read_text()
    assert f"for program in {' '.join(chromium.PROGRAMS)}; do" in words


@pytest.mark.screenshot
def test_a_notebook_opens_with_the_workshops_kernel_and_runs(
    jupyterlab: JupyterLab, page: Page, screenshot: Callable[[str, Page | Locator], None]
) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    screenshot("jupyterlab", page)

    assert notebook.kernel == "MLOps workshop"
    assert notebook.cell_ids[0].startswith("00-")
    notebook.run_all()
    assert "iris-train-pipeline" in notebook.text("00-names")
    expect(notebook.output("00-names").locator("table")).to_contain_text("iris-train-pipeline")


def test_a_cell_runs_alone_and_forgets_with_its_kernel(jupyterlab: JupyterLab) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    notebook.write("00-parameters", "kept = 6 * 7\nprint(f'is {kept}')")
    [output] = notebook.run("00-parameters")
    assert output["text"] == "is 42\n"

    notebook.write("00-parameters", "kept")
    notebook.run("00-parameters")
    assert notebook.text("00-parameters") == "42"
    notebook.restart()
    with pytest.raises(AssertionError, match=r"00-parameters: NameError: name 'kept' is not defined"):
        notebook.run("00-parameters")
    with pytest.raises(AssertionError, match=r"00-parameters: NameError: name 'kept' is not defined"):
        notebook.restart_and_run_all()


def test_a_button_is_clicked_when_what_loads_above_it_has_its_size(page: Page) -> None:
    """It moves a few times, and stands still for some frames in between."""
    page.goto("about:blank")
    page.set_content(
        "<div id=above></div><button>Approve</button><script>let n = 0; const grow = setInterval(() => {"
        "above.style.height = ++n * 20 + 'px'; if (n === 8) clearInterval(grow); }, 100);</script>"
    )
    still(page.get_by_role("button")).click()
    assert page.evaluate("above.offsetHeight") == 160


def test_buttons_are_clicked_and_running_cells_are_interrupted(jupyterlab: JupyterLab) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    notebook.write(
        "00-parameters",
        "import ipywidgets\n"
        "button, said = ipywidgets.Button(description='Approve'), ipywidgets.Label('undecided')\n"
        "button.on_click(lambda _: setattr(said, 'value', 'approved'))\n"
        "ipywidgets.VBox([button, said])",
    )
    notebook.run("00-parameters")
    notebook.click("00-parameters", "Approve")
    expect(notebook.output("00-parameters")).to_contain_text("approved")

    notebook.write("00-names", "import time\nprint('begun')\nwhile True:\n    time.sleep(0.1)")
    notebook.start("00-names")
    expect(notebook.output("00-names")).to_contain_text("begun")
    notebook.interrupt()
    notebook.wait_until_idle()
    assert "KeyboardInterrupt" in notebook.text("00-names")


def test_the_theme_is_chosen_and_pages_are_checked_for_accessibility(
    jupyterlab: JupyterLab, page: Page
) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    try:
        jupyterlab.choose_theme(dark=True)
        color = page.evaluate("getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor")
        red, green, blue = map(int, re.findall(r"\d+", color)[:3])
        assert red + green + blue < 200
    finally:
        jupyterlab.choose_theme(dark=False)
    notebook.write(
        "00-parameters", "from IPython.display import HTML\nHTML('<button class=\"bad\"></button>')"
    )
    notebook.run("00-parameters")
    assert [one.rule for one in axe(page, "button.bad")] == ["button-name"]
