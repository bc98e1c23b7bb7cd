"""The pages of the documentation, and what can be read from them: links, tables, code."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])

_FENCE = re.compile(r"^[ \t]*```.*?^[ \t]*```[ \t]*$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"`([^`]+)`")


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its fenced code."""
    return _FENCE.sub("", text)


def fences(text: str) -> list[str]:
    return _FENCE.findall(text)


def spans(text: str) -> list[str]:
    """What stands in backticks outside fenced code."""
    return [" ".join(span.split()) for span in _SPAN.findall(prose(text).replace("\\|", "|"))]


def section(text: str, heading: str) -> str:
    """The part of a page below a heading, up to the next one of the same level or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text, re.MULTILINE)
    assert found, f"there is no heading {heading!r}"
    after = text[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", after, re.MULTILINE)
    return after[: end.start()] if end else after


def rows(text: str) -> Iterator[list[str]]:
    """Cells of each row of the tables in a text, headers left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        if set(line) <= set("|-: ") or (following and set(following) <= set("|-: ")):
            continue
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def anchors(text: str) -> set[str]:
    """Anchors as GitHub makes them of headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(text), re.MULTILINE):
        kept = re.sub(r"[^\w\- ]", "", heading.lower())
        found.add(kept.strip().replace(" ", "-"))
    return found
