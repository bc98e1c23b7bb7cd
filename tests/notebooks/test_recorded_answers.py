"""The record of what the notebooks answer (`tests/e2e/recorded`), and how a run is compared with it."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from lab_helpers.exercises import cells
from tests.checkout import ROOT
from tests.e2e import recorded

RECORDS = sorted(recorded.LESSONS.rglob("*.json"))
EXECUTION = "0f9c3f5e-6a0b-4f3a-9c39-6a1f6a7f3b52"


def executed(folder: Path, *texts: str) -> Path:
    """Write a notebook that has run, with these texts as the outputs of its cells."""
    cells = [
        new_code_cell("…", id=f"03-{n}", execution_count=n, outputs=[new_output("stream", text=text)])
        for n, text in enumerate(texts, 1)
    ]
    folder.mkdir(exist_ok=True)
    nbformat.write(new_notebook(cells=cells), folder / "03_train.ipynb")
    return folder / "03_train.ipynb"


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: str(one.relative_to(recorded.LESSONS)))
def test_a_record_is_of_cells_that_there_are(record: Path) -> None:
    notebook = (ROOT / "notebooks" / record.relative_to(recorded.LESSONS)).with_suffix(".ipynb")
    ids = {cell["id"] for cell in cells(notebook, "code")}
    assert recorded.of(record.stem, record.parent).keys() <= ids, "run `make record`"


@pytest.mark.parametrize("record", RECORDS, ids=lambda one: str(one.relative_to(recorded.LESSONS)))
def test_a_record_has_nothing_of_one_run_or_one_machine(record: Path) -> None:
    for cell, kinds in recorded.of(record.stem, record.parent).items():
        for lines in (block for blocks in kinds.values() for block in blocks):
            text = "\n".join(lines)
            assert recorded.sanitized(text) == text, f"{cell}: sanitize.cfg changes what it has replaced"
            found = re.search(
                r"/(?:tmp|root|home)/|\b127\.0\.0\.1:\d|\b[0-9a-f]{12,}\b|\b20\d\d-\d\d-\d\d[ T]", text
            )
            assert not found, f"{cell}: {found}"


def test_what_differs_from_run_to_run_is_no_difference(tmp_path: Path) -> None:
    said = "✓ done\niris-train-pipeline, execution {}: Succeeded\nBuild   Build      ✓ Succeeded  {} s\n"
    recorded.write(executed(tmp_path / "one", said.format(EXECUTION, "10.8")), tmp_path)
    recorded.check(executed(tmp_path / "other", said.format(EXECUTION.replace("9", "4"), "1.0")), tmp_path)


def test_a_changed_answer_is_shown_with_its_cell_and_how_to_record_it(tmp_path: Path) -> None:
    before = executed(tmp_path / "one", "same\n", "the rule is right for 96.0% of the flowers\n")
    recorded.write(before, tmp_path)
    after = executed(tmp_path / "other", "same\n", "the rule is right for 94.7% of the flowers\n", "new\n")
    with pytest.raises(AssertionError) as raised:
        recorded.check(after, tmp_path)
    said = str(raised.value)
    assert "cell 03-2:" in said
    assert "-the rule is right for 96.0% of the flowers" in said
    assert "+the rule is right for 94.7% of the flowers" in said
    assert "cell 03-3:" in said
    assert "03-1" not in said
    assert "make record" in said


def test_a_notebook_without_a_record_is_not_taken_for_one_that_answers_nothing(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"\+new"):
        recorded.check(executed(tmp_path / "one", "new\n"), tmp_path)
