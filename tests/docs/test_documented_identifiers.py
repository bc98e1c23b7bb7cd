"""Identifiers, limits and paths that pages name are those of the code."""

import re
import subprocess
from pathlib import Path

import pytest

from local_account.services.sagemaker import SageMaker, SageMakerRuntime
from tests.docs.pages import PAGES, ROOT, page, prose, rows, section, spans

_CONSTANT = re.compile(r"_?[A-Z][A-Z0-9_]{3,}")
_LIMIT = re.compile(r"`(?:(\w+)\.)?(\w+_seconds)`\s+\(([^)]*)\)")


def text_of(*files: str) -> str:
    """The text of these files (git's patterns)."""
    command = ["git", "-C", str(ROOT), "grep", "-hI", "", "--", *files]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text))


CODE = words(text_of(".", ":!*.md", f":!{Path(__file__).relative_to(ROOT)}"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_constants_and_variables_that_pages_name_exist(path: Path) -> None:
    named = {span for span in spans(path.read_text(encoding="utf-8")) if _CONSTANT.fullmatch(span)}
    assert path.name == "CHANGELOG.md" or named <= CODE  # a changelog also names what is gone


def test_the_limits_of_sagemaker_are_those_of_its_classes() -> None:
    told = _LIMIT.findall(prose(section(page("docs/local-account.md"), "SageMaker")))
    assert len(told) >= 5
    classes = {"": SageMaker, "SageMaker": SageMaker, "SageMakerRuntime": SageMakerRuntime}
    for owner, name, meaning in told:
        numbers = [float(number) for number in re.findall(r"\b\d+\b", meaning)]
        assert getattr(classes[owner], name) in numbers, f"{name}: {meaning}"


def test_the_paths_of_the_state_are_those_that_the_account_writes() -> None:
    table = rows(section(page("docs/local-account.md"), "State"))
    paths = [span for path, _ in table for span in spans(path)]
    assert "account.sqlite" in paths
    source = text_of("local_account")
    for path in paths:
        for part in Path(path).parts:
            assert part.isupper() or part == "*" or f'"{part}"' in source, path


def test_the_keys_of_the_report_are_those_that_the_monitor_writes() -> None:
    table = rows(section(page("docs/names-and-contracts.md"), "The report"))
    documented = [span for cells in table for span in spans(" ".join(cells))]
    assert "billableSeconds" in documented
    assert {span for span in documented if re.fullmatch(r"\w+", span)} <= words(
        text_of("cfn/functions/monitor")
    )
