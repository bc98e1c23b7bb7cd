"""Hints and answers are folded until a learner asks for them, with the mouse or the keyboard."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.jupyterlab import JupyterLab


@pytest.mark.parametrize("kind", ["Hint", "Answer"])
def test_a_fold_opens_by_click_and_by_key(jupyterlab: JupyterLab, page: Page, kind: str) -> None:
    notebook = jupyterlab.open("notebooks/00_welcome.ipynb")
    fold = notebook.cell("00-exercises").locator("details", has_text=kind).first
    text = fold.locator("p").first

    expect(text).to_be_hidden()
    fold.locator("summary").click()
    expect(text).to_be_visible()
    fold.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(text).to_be_hidden()
