"""Pages for reading along: complete in themselves, for light and dark, small screens and screen readers."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_output
from playwright.sync_api import Page, expect

from lab_helpers.display import Code, Table
from lab_helpers.runner import reading
from tests.browser.jupyterlab import axe
from tests.checkout import ROOT

NOTEBOOKS = ROOT / "notebooks"
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages of all notebooks; one of them has run, and shows what notebooks show."""
    run = tmp_path_factory.mktemp("run")
    nbformat.write(executed(), run / "00_welcome.ipynb")
    (run / "diagrams").symlink_to(NOTEBOOKS / "diagrams")
    return reading.write(reading.find(NOTEBOOKS, run), tmp_path_factory.mktemp("pages"))


def executed() -> nbformat.NotebookNode:
    """Return notebook 00 with outputs of each kind."""
    notebook = nbformat.read(NOTEBOOKS / "00_welcome.ipynb", as_version=4)
    table = Table(["program", "where it is"], [["git", f"/a/long/path/{'x' * 90}"]] * 3, caption="Programs")
    code = Code(NOTEBOOKS / "base_image" / "rows.py", "RowReader.read")
    plot = (
        f'<img alt="Petals: setosa stands apart." style="max-width:100%" src="data:image/png;base64,{PIXEL}">'
    )
    outputs = [
        new_output("stream", text="✓ done\n\x1b[31mred\x1b[0m \x1b[32mgreen\x1b[0m\n" + "long " * 60),
        new_output("stream", name="stderr", text="careful\n"),
        new_output("execute_result", data={"text/plain": repr(table), "text/html": table._repr_html_()}),
        new_output("display_data", data={"text/plain": "…", "text/html": plot}),
        new_output("display_data", data={"text/plain": repr(code), "text/markdown": code._repr_markdown_()}),
        new_output(
            "display_data",
            data={"text/plain": "a button", "application/vnd.jupyter.widget-view+json": {"model_id": "0"}},
        ),
    ]
    for number, cell in enumerate(cell for cell in notebook.cells if cell.cell_type == "code"):
        cell.execution_count, cell.outputs = number, outputs[number : number + 1]
    return notebook


@pytest.fixture
def complaints(page: Page) -> list[str]:
    """What the page has loaded from elsewhere, and what the browser has logged."""
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("request", lambda request: found.append(request.url))
    return found


def open_page(page: Page, file: Path, complaints: list[str]) -> None:
    """Open a page, which must not load anything but itself."""
    page.goto(file.as_uri())
    assert [one for one in complaints if not one.startswith(("data:", file.parent.as_uri()))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "00_welcome", "04_check_and_test_endpoint", "solutions/03_train"])
def test_a_page_is_accessible_fits_and_loads_nothing(
    page: Page, index: Path, complaints: list[str], name: str, scheme: str
) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 800, "height": 900})
    open_page(page, index.parent / f"{name}.html", complaints)
    assert axe(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 800
    text = page.evaluate("getComputedStyle(document.querySelector('h1')).color.match(/[\\d.]+/g).map(Number)")
    assert (text[0] > 128) == (scheme == "dark"), text


def test_diagrams_and_plots_are_inside_with_their_alternative_texts(page: Page, index: Path) -> None:
    page.goto((index.parent / "00_welcome.html").as_uri())
    images = page.evaluate(
        "[...document.images].map(one => [one.src.slice(0, 5), one.alt, one.naturalWidth])"
    )
    assert len(images) == 2
    for source, alternative, width in images:
        assert source == "data:"
        assert len(alternative) > 20
        assert width > 0


def test_readers_follow_the_links_and_find_solutions_apart(page: Page, index: Path) -> None:
    page.goto(index.as_uri())
    solutions = page.locator("h2 ~ ul a")
    assert solutions.count() == len(list((NOTEBOOKS / "solutions").glob("*.ipynb")))
    page.locator("main > ul").first.locator("a").first.click()
    expect(page.locator("h1").first).to_be_visible()
    assert page.url.endswith("/00_welcome.html")
    page.get_by_role("navigation").get_by_role("link").last.click()
    assert page.url.endswith("/01_build_base_image.html")
    page.locator("main a[href='solutions/01_build_base_image.html']").first.click()
    expect(page.locator("h1").first).to_be_visible()
    page.get_by_role("navigation").get_by_role("link", name="All notebooks").click()
    assert page.url == index.as_uri()
    for link in page.locator("a").all():
        assert (index.parent / str(link.get_attribute("href"))).exists()
