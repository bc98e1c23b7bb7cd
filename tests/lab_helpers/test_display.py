"""Code in notebooks is the file's current content, and a name that the file lacks is an error.

Tables break long names, but not the time of day.
"""

from pathlib import Path

import pytest

from lab_helpers.display import INDENT, Code, CodeError, Table

SOURCE = '''\
"""A program."""

import functools

FIRST, SECOND = 1, "``"


class Reader:
    """Reads."""

    width: int = 4

    @functools.cache
    def read(self) -> int:
        """Return a number."""
        return FIRST

    class Inner:
        def deep(self) -> None: ...


def write() -> str:
    return """
    kept as it is
    """
'''


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text(SOURCE)
    return Path("program.py")


def test_a_method_is_shown_without_its_indentation_with_decorators_and_line_number(program: Path) -> None:
    assert repr(Code(program, "Reader.read")) == (
        "# program.py:13\n@functools.cache\ndef read(self) -> int:\n"
        '    """Return a number."""\n    return FIRST'
    )


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("SECOND", (5, 5)),
        ("Reader.width", (11, 11)),
        ("Reader", (8, 19)),
        ("Reader.Inner.deep", (19, 19)),
        ("write", (22, 25)),
    ],
)
def test_functions_classes_methods_and_variables_can_be_named(
    program: Path, name: str, lines: tuple[int, int]
) -> None:
    [(first, text)] = Code(program, name).parts
    assert (first, first + text.count("\n")) == lines
    shown = [line.strip() for line in text.splitlines()]
    assert shown == [line.strip() for line in SOURCE.splitlines()[lines[0] - 1 : lines[1]]]


def test_several_names_are_shown_in_the_order_given_and_none_shows_the_file(program: Path) -> None:
    assert [line for line, _ in Code(program, "write", "FIRST").parts] == [22, 5]
    assert repr(Code(program)) == f"# program.py:1\n{SOURCE.rstrip()}"


def test_a_notebook_gets_a_fenced_block_that_the_code_cannot_end(program: Path) -> None:
    assert Code(program, "SECOND")._repr_markdown_() == (
        '```python\n# program.py:5\nFIRST, SECOND = 1, "``"\n```'
    )
    program.write_text('FENCE = "```"\n')
    assert Code(program)._repr_markdown_().startswith("````python\n")
    assert Code(program)._repr_markdown_().endswith("\n````")


def test_the_code_shown_follows_the_file(program: Path) -> None:
    before = repr(Code(program, "Reader.read"))
    program.write_text(SOURCE.replace("return FIRST", "return FIRST + 1"))
    assert repr(Code(program, "Reader.read")) == before + " + 1"


def test_a_missing_name_is_an_error_that_lists_the_existing_ones(program: Path) -> None:
    program.write_text(SOURCE.replace("def read", "def read_row"))
    with pytest.raises(CodeError, match=r"program\.py does not define Reader\.read.*Reader\.read_row"):
        Code(program, "Reader.read")
    with pytest.raises(FileNotFoundError, match=r"missing\.py"):
        Code("missing.py", "Reader")


def test_a_long_name_in_a_tree_goes_on_below_itself() -> None:
    shown = Table(["key"], [["training/"], [f"{INDENT * 2}report-of-an-execution.json"]]).html()
    assert "padding-left:3.5em;text-indent:-3em" in shown
    assert shown.count("text-indent") == 1


def test_a_table_breaks_digests_and_addresses_but_keeps_a_time_on_one_line() -> None:
    shown = Table(["pushed at", "digest"], [["2026-12-01 00:30:50", "sha256:851097c3be94…"]]).html()
    assert "00:30:50" in shown
    assert "sha256:<wbr>851097c3be94…" in shown
