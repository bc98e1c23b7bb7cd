"""Links, anchors and paths lead somewhere; prose is wrapped."""

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, anchors, page, prose, spans

WIDTH = 110
_PLACEHOLDER = re.compile(r"[{}…$<>]|\b[A-Z]{2,}\b|NN_")
every_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
# what a page may name although it exists only after a run
MADE = {"runs/", ".venv/", ".local/", "notebooks/changed-2026-11-23-194720"}


@every_page
def test_links_and_anchors_resolve(path: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(path.read_text())):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        linked = path.parent / name if name else path
        assert linked.exists(), f"{path.name} links to {target}"
        if anchor:
            assert anchor in anchors(linked.read_text()), f"{path.name} links to {target}"


@every_page
def test_pictures_say_what_they_show_and_are_small(path: Path) -> None:
    for alt, target in re.findall(r"!\[([^\]]*)\]\(([^)\s]+)\)", prose(path.read_text())):
        if target.endswith(".png"):
            assert len(alt.split()) > 4, f"{path.name}: {target} needs a text for those who can't see it"
            assert (path.parent / target).stat().st_size < 150_000, f"{target} is too large to be committed"


def test_every_screenshot_is_shown() -> None:
    taken = {file.name for file in (ROOT / "docs/screenshots").glob("*.png")}
    assert taken
    assert {
        Path(one).name for one in re.findall(r"\]\((docs/screenshots/[^)]+)\)", page("README.md"))
    } == taken


@every_page
def test_named_paths_exist(path: Path) -> None:
    written = {".git", ".local", "runs"}  # by commands
    rooms = {entry.name for entry in ROOT.iterdir()} - written
    for span in spans(path.read_text()):
        first = span.split()[0]
        top, slash, rest = first.partition("/")
        if top not in rooms or not slash or _PLACEHOLDER.search(rest) or first in MADE:
            continue
        assert list(ROOT.glob(first.rstrip("/"))), f"{path.name} names {first}"


@every_page
def test_named_modules_exist(path: Path) -> None:
    for span in spans(path.read_text()):
        if re.fullmatch(r"(lab_helpers|local_account|benchmarks)(\.\w+)+", span):
            assert is_module_or_member(span), f"{path.name} names {span}"


def is_module_or_member(name: str, base: Path = ROOT) -> bool:
    """Whether `a.b.c` is a module below a folder, or something that the module `a.b` defines."""
    parts = name.removesuffix("()").split(".")
    for count in range(len(parts), 0, -1):
        for file in (
            base.joinpath(*parts[:count]).with_suffix(".py"),
            base.joinpath(*parts[:count], "__init__.py"),
        ):
            if file.is_file():
                rest = parts[count:]
                return all(re.search(rf"\b{re.escape(one)}\b", file.read_text()) for one in rest)
    return False


def test_the_walks_name_what_the_code_has() -> None:
    bases = [
        ROOT,
        ROOT / "lab_helpers",
        ROOT / "local_account",
        ROOT / "cfn/functions",
        *(folder for folder in (ROOT / "local_account/services").iterdir() if folder.is_dir()),
        *(folder for folder in (ROOT / "cfn/functions").iterdir() if folder.is_dir()),
    ]
    named = {span for span in spans(page("docs/overview.md")) if re.fullmatch(r"[a-z_]+(\.\w+)+", span)}
    named -= {"account.repositories"}  # an attribute, of foundation.account
    files = {span for span in named if re.search(r"\.(md|py|yml|json|zip|ipynb)$", span)}
    assert len(named - files) > 20
    for name in named - files:
        assert any(is_module_or_member(name, base) for base in bases), f"the overview names {name}"


@every_page
def test_prose_is_wrapped(path: Path) -> None:
    for line in prose(path.read_text()).splitlines():
        fits = len(line) <= WIDTH or line.startswith(("|", "#")) or " " not in line.strip()
        assert fits, f"{path.name} has a line of {len(line)} characters: {line[:60]}…"


def test_code_names_pages_that_exist() -> None:
    for room in (
        "lab_helpers",
        "local_account",
        "benchmarks",
        "cfn",
        "lifecycle-config",
        "notebooks",
        "tests",
    ):
        for file in (ROOT / room).rglob("*"):
            if file.suffix in {".py", ".ipynb", ".yml", ".sh"}:
                for named in re.findall(r"\bdocs/[\w.-]+\.\w+", file.read_text()):
                    assert (ROOT / named).exists(), f"{file.relative_to(ROOT)} names {named}"
