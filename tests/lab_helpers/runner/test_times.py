"""Every time shown to readers was measured."""

import json
import re
from pathlib import Path

import pytest

from lab_helpers.runner import times
from tests.checkout import ROOT

REPOSITORY = ROOT
NOTEBOOKS = sorted((REPOSITORY / "notebooks").glob("[0-9]*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_each_notebook_shows_its_measured_time(notebook: Path) -> None:
    assert re.search(r"<!-- measured:\d\d[a-z]? --> Unattended, it runs in \d+ s\.", notebook.read_text())
    row = re.search(
        rf"\(notebooks/{notebook.name}\).*\| (\d+) s \|\n", (REPOSITORY / "README.md").read_text()
    )
    assert row, "the README's table has no time for it"


def test_the_times_of_a_run_replace_older_ones(tmp_path: Path) -> None:
    notebook, readme = tmp_path / "01_x.ipynb", tmp_path / "README.md"
    notebook.write_text('"**Time.** 5 minutes. <!-- measured:01 --> Unattended, it runs in 9 s.\\n",')
    readme.write_text("| [01](notebooks/01_x.ipynb) | 5 min | 9 s |\n| other | 9 s |\n")
    times.write_notebook(notebook, 12.4)
    times.write_table(readme, {"01_x": 12.4})
    assert notebook.read_text() == (
        '"**Time.** 5 minutes. <!-- measured:01 --> Unattended, it runs in 12 s.\\n",'
    )
    assert readme.read_text() == "| [01](notebooks/01_x.ipynb) | 5 min | 12 s |\n| other | 9 s |\n"


def test_a_failed_run_measures_nothing(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    summary.write_text(json.dumps({"status": "failed", "notebooks": []}))
    with pytest.raises(times.TimesError, match="succeeded"):
        times.read(summary)


@pytest.mark.parametrize("content", ["# README", "[]", "{}", '{"status": "succeeded", "notebooks": [{}]}'])
def test_a_file_that_is_not_a_summary_is_named(tmp_path: Path, content: str) -> None:
    other = tmp_path / "README.md"
    other.write_text(content)
    with pytest.raises(times.TimesError, match=r"README\.md is not the summary\.json of a run"):
        times.read(other)


def test_a_missing_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("nothing\n")
    with pytest.raises(times.TimesError, match=r"notebooks/01_x\.ipynb"):
        times.write_table(tmp_path / "README.md", {"01_x": 1.0})
