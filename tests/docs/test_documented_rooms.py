"""The picture of the rooms in the overview shows the imports that the code has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

from tests.checkout import ROOT
from tests.docs.pages import fences, page

PACKAGES = ("lab_helpers", "local_account", "benchmarks")
STARTED = {"server", "warm_up", "scaffold", "fidelity", "__main__"}
"""What is at the top of the account, one room in the picture."""


ALONE = ("cfn/functions", "notebooks/base_image", "findings")
"""Folders of files that run where none of the packages is, or prove something without them."""


def imported_by(folder: str) -> Iterator[tuple[Path, str]]:
    """Yield each file of a folder with the packages that it imports, conditional imports included."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield path, node.module.partition(".")[0]


def room_of(module: str) -> str | None:
    package, _, rest = module.partition(".")
    room = rest.partition(".")[0]
    if package == "benchmarks":
        return package
    if room in ("", "__main__") and package == "lab_helpers":
        return None
    if package == "lab_helpers":
        return room if room in ("cli", "instructor", "runner", "instance", "way_back") else "learner"
    return "server" if room in STARTED else room or None


def imports() -> set[tuple[str, str]]:
    graph = grimp.build_graph(*PACKAGES, exclude_type_checking_imports=False)
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            pair = room_of(module), room_of(imported)
            if pair[0] and pair[1] and pair[0] != pair[1]:
                found.add((pair[0], pair[1]))
    return found


def drawn() -> set[tuple[str, str]]:
    (picture,) = [block for block in fences(page("docs/overview.md")) if "mermaid" in block]
    arrows = re.findall(r"^\s*(\w+)(?:\[.*?\])? --> (\w+)(?:\[.*?\])?$", picture, re.MULTILINE)
    return set(arrows)


def reached(start: str, arrows: set[tuple[str, str]]) -> set[str]:
    seen, waiting = set[str](), [start]
    while waiting:
        room = waiting.pop()
        for before, after in arrows:
            if before == room and after not in seen:
                seen.add(after)
                waiting.append(after)
    return seen


def test_every_arrow_is_an_import() -> None:
    assert drawn() <= imports()


def test_every_import_follows_arrows() -> None:
    arrows = drawn()
    for before, after in sorted(imports()):
        assert after in reached(before, arrows), f"{before} imports {after}, and the picture has no way there"


def test_no_arrow_leads_back() -> None:
    arrows = drawn()
    assert arrows
    for room, _ in arrows:
        assert room not in reached(room, arrows), f"the picture has a cycle through {room}"


@pytest.mark.parametrize("folder", [*PACKAGES, *ALONE])
def test_what_is_shipped_or_run_imports_no_tests(folder: str) -> None:
    assert [path for path, package in imported_by(folder) if package == "tests"] == []


@pytest.mark.parametrize("folder", ALONE)
def test_files_that_run_alone_import_no_package_of_this_repository(folder: str) -> None:
    assert [(path, package) for path, package in imported_by(folder) if package in PACKAGES] == []
