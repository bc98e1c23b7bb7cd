"""The page of a notebook is the same as nbconvert's, only faster."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from lab_helpers.runner.pages import write_page

OUTPUTS = [
    new_output("stream", name="stdout", text="a < b & c\n\x1b[31mred\x1b[0m\n"),
    new_output("stream", name="stderr", text="careful"),
    new_output(
        "execute_result", data={"text/plain": "4", "text/html": "<b onclick='x()'>4</b>"}, execution_count=1
    ),
    new_output("display_data", data={"image/png": "iVBORw0KGgo=", "text/plain": "<Figure>"}),
    new_output("display_data", data={"image/svg+xml": "<svg><script>alert(1)</script></svg>"}),
    new_output("display_data", data={"text/markdown": "*so* ![](x.png)"}),
    new_output("display_data", data={"application/javascript": "1 < 2"}),
    new_output("display_data", data={"text/latex": "$x$"}),
    new_output("error", ename="ValueError", evalue="<no>", traceback=["\x1b[31mValueError\x1b[0m: <no>"]),
]
CELLS = [
    new_markdown_cell("# Title\n\n![](x.png) ![a plot](y.png)\n\n```python\nif a < b: pass\n```"),
    new_code_cell("print(\"<script>alert(1)</script> & 'quotes'\")", outputs=OUTPUTS, execution_count=1),
    new_code_cell("%%writefile a.html\n<div class=\"jp-OutputArea-output\"><img src='x'></div>"),
    new_code_cell(""),
]


def elements(page: str) -> list[tuple[str, dict[str, object], str]]:
    found = BeautifulSoup(page, "html.parser").find_all(True)
    for one in found:
        if "jp-RenderedJavaScript" in one.get_attribute_list("class"):
            del one["id"]  # it is random
    return [(one.name, dict(one.attrs), "" if one.name == "script" else one.get_text()) for one in found]


@pytest.mark.parametrize("language", ["ipython3", "python"])
def test_a_page_is_what_nbconvert_would_write(tmp_path: Path, language: str) -> None:
    notebook = new_notebook(
        cells=CELLS, metadata={"language_info": {"name": "python", "pygments_lexer": language}}
    )
    (tmp_path / "y.png").write_bytes(b"a picture")
    path = tmp_path / "one.ipynb"
    nbformat.write(notebook, path)
    theirs, _ = HTMLExporter(embed_images=True).from_filename(str(path))
    assert elements(write_page(path).read_text()) == elements(theirs)


def test_hints_are_folded_and_keys_have_their_names(tmp_path: Path) -> None:
    text = "<kbd>Shift</kbd>\n\n<details>\n<summary>Hint</summary>\n\nLook *there*.\n\n</details>\n\nAfter."
    path = tmp_path / "one.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell(text)]), path)
    page = BeautifulSoup(write_page(path).read_text(), "html.parser")
    folded = page.find("details")
    assert folded is not None
    assert folded.get_text().split() == ["Hint", "Look", "there."]
    key = page.find("kbd")
    assert key is not None
    assert key.get_text() == "Shift"
