"""A learner goes back to the start of a notebook: what will change is read first, then a button does it."""

from __future__ import annotations

from playwright.sync_api import Page, expect

from tests.browser.jupyterlab import JupyterLab, axe
from tests.e2e.one_workshop import Workshop

NOTEBOOK = "notebooks/00_welcome.ipynb"
KEY = "training/input/iris.csv"


def test_a_lab_goes_back_after_a_click_and_says_what_to_do_next(
    workshop: Workshop, jupyterlab: JupyterLab, page: Page
) -> None:
    s3 = workshop.client("s3")
    s3.put_object(Bucket=workshop.bucket, Key=KEY, Body=b"mine")
    notebook = jupyterlab.open(NOTEBOOK)
    notebook.write("00-parameters", 'lab_id = ""\ngo_back_to = "01"')
    for cell in ("00-parameters", "00-check", "00-names", "00-way-back"):
        notebook.run(cell)
    assert workshop.names.train_pipeline in notebook.text("00-names"), "the lab of this instance"
    shown = notebook.output("00-way-back")
    expect(shown).to_contain_text("delete the objects under training/")
    expect(shown).to_contain_text("all objects but those under training/")
    expect(shown.get_by_role("button", name="Change nothing")).to_be_visible()
    assert axe(page, "[data-cell-id='00-way-back'] .jp-OutputArea") == []
    assert s3.list_objects_v2(Bucket=workshop.bucket, Prefix="training/")["KeyCount"] == 1

    notebook.click("00-way-back", "Go back to the start of 01")

    expect(shown).to_contain_text(
        "Your lab is at the start of notebook 01. Restart the kernel", timeout=90_000
    )
    expect(shown).to_contain_text("open 01_build_base_image.ipynb")
    expect(shown.get_by_role("button")).to_have_count(0)
    assert s3.list_objects_v2(Bucket=workshop.bucket, Prefix="training/")["KeyCount"] == 0
