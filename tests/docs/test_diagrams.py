"""The diagrams of the lessons are drawn from their texts as they are, and have alternative text."""

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from diagrams.drawing import SVG, WIDEST, DiagramError, alternative, digest, lit, source_of
from diagrams.pictures import PICTURES, STEPS, TEXTS, on_request, route, wanted
from lab_helpers import exercises
from tests.checkout import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
_IMAGE = re.compile(r"!\[([^\]]*)\]\(([^)]+)\)")


def images(notebook: Path) -> list[tuple[str, str]]:
    return [
        found for cell in exercises.cells(notebook, "markdown") for found in _IMAGE.findall(cell["source"])
    ]


def test_each_picture_was_drawn_from_the_text_as_it_is() -> None:
    pictures = wanted()
    assert set(PICTURES.glob("*.svg")) == set(pictures), "run `python -m diagrams`"
    stale = [path.name for path, text in pictures.items() if source_of(path) != digest(text)]
    assert not stale, "run `python -m diagrams`"


@pytest.mark.parametrize("path", sorted(PICTURES.glob("*.svg")), ids=lambda path: path.stem)
def test_a_picture_fits_a_narrow_window_and_says_what_it_shows(path: Path) -> None:
    drawn = ElementTree.parse(path).getroot()
    assert int(drawn.attrib["width"]) <= WIDEST
    assert drawn.attrib["role"] == "img"
    title = drawn.find(f"{{{SVG}}}title")
    assert title is not None
    assert title.text
    assert drawn.attrib["aria-labelledby"] == title.attrib["id"]
    assert "prefers-color-scheme: dark" in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_pictures_that_exist_with_their_alternative_text(notebook: Path) -> None:
    texts = {path.stem: alternative(path.read_text(encoding="utf-8")) for path in TEXTS.glob("*.dot")}
    for alt, target in images(notebook):
        picture = notebook.parent / target
        assert picture.is_file(), target
        if picture.stem in texts:
            assert alt == texts[picture.stem]
        assert alt, f"{target} needs a text for those who can't see it"


def test_every_lesson_with_a_number_is_on_the_map() -> None:
    """Also one that is added: its picture is missing then."""
    numbers = {path.name[:2] for path in NOTEBOOKS if path.name[2] == "_"}
    assert {*STEPS, *on_request()} == numbers - {"00", "99"}
    drawn = route((TEXTS / "map.dot").read_text(encoding="utf-8"), {"06": "Look back"})
    assert 'n06 [label="06\\nlook back"]' in drawn
    assert "n04 -> n06" in drawn


@pytest.mark.parametrize("step", [*STEPS, *on_request()])
def test_each_step_of_the_map_is_lit_in_its_notebook(step: str) -> None:
    first = images(exercises.find(ROOT / "notebooks", step))[0]
    assert first[1] == f"diagrams/map-{step}.svg"


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_notebook_draws_with_characters(notebook: Path) -> None:
    prose = "".join(cell["source"] for cell in exercises.cells(notebook, "markdown"))
    assert not set(prose) & set("─│┐┘└┌├┤▼►◄▲"), "draw it with a text in diagrams/"


def test_a_text_without_alternative_text_is_refused() -> None:
    with pytest.raises(DiagramError, match="// alt"):
        alternative("digraph a { b }")


def test_only_a_node_of_the_diagram_can_be_lit() -> None:
    assert 'n01 [class=lit label="x"]' in lit('digraph a {\n  n01 [label="x"]\n}', "n01")
    with pytest.raises(DiagramError, match="n02"):
        lit("digraph a { n01 [] }", "n02")
