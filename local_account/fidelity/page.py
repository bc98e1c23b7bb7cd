"""The page `docs/fidelity.md`, as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from local_account.fidelity.notes import EVERYWHERE, Note
from local_account.fidelity.standing import Standing

WIDTH = 110
COMMAND = "python -m local_account.fidelity"
_INTRODUCTION = f"""\
# Fidelity: what the local account does, and how it differs from AWS

Search this page for the operation, the resource type or the feature that you need:

- **Executes**: the operation does its work, and answers as AWS does.
- **Keeps records**: the operation stores and returns what it is given. Nothing follows from it.
- **Refuses**: the answer is an error that names what is lacking and points to this page. AWS has it, so the \
template or the script is not at fault. What this page does not name is refused.

So what passes here was executed, unless it is listed under *keeps records* or *differs*. [The local \
account](local-account.md) explains how it is built.

This page is generated from the code, where each difference is written beside what differs: \
`{COMMAND} > docs/fidelity.md`. A test compares the two.
"""
_CONFORMANCE = """\
Cases of `tests/conformance/` compare the account with what AWS documents, or was recorded to do. \
*Different* is on purpose, and each case says why; *refused* is what the account lacks, and says so.
"""


_FEW = 40
"""A longer list of recorded operations is folded."""


def render(
    standings: Iterable[Standing],
    notes: list[Note],
    resource_types: Mapping[str, list[str]],
    conformance: str,
) -> str:
    """Return the page; ``conformance`` is a table."""
    standings = list(standings)
    parts = [_INTRODUCTION, "## Services", "", *_overview(standings, notes), "", *_absent(notes)]
    parts += ["", "## Everywhere", "", *_of_notes([one for one in notes if one.section == EVERYWHERE])]
    parts += ["", "## Conformance", "", _CONFORMANCE, conformance.strip()]
    for standing in standings:
        own = [note for note in notes if note.section == standing.service]
        parts += ["", f"## {standing.service}", "", *_of_service(standing, own)]
        if standing.service == "cloudformation":
            parts += ["", *_of_resource_types(resource_types)]
    return _wrapped("\n".join(parts)) + "\n"


def _overview(standings: list[Standing], notes: list[Note]) -> Iterator[str]:
    yield "| service | executes | keeps records | refuses | known differences |"
    yield "|---|---|---|---|---|"
    for one in standings:
        known = sum(note.section == one.service and note.kind == "Differs from AWS" for note in notes)
        counts = (len(one.executes), len(one.keeps), len(one.refuses), known)
        yield f"| [{one.service}](#{one.service}) | " + " | ".join(str(count) for count in counts) + " |"


def _absent(notes: list[Note]) -> Iterator[str]:
    for note in notes:
        if (note.kind, note.section) == ("Lacks", EVERYWHERE):
            yield f"Every other service is refused, among them {note.text}"


def _of_service(standing: Standing, notes: list[Note]) -> Iterator[str]:
    total = len(standing.executes) + len(standing.keeps) + len(standing.refuses)
    if standing.executes:
        yield f"**Executes** {len(standing.executes)} of {total} operations: {_names(standing.executes)}."
    if standing.keeps:
        few = len(standing.keeps) <= _FEW
        names = f": {_names(standing.keeps)}." if few else "."
        yield from ("", f"**Keeps records** for {len(standing.keeps)} of {total} operations{names}")
        yield from () if few else ("", *_folded(_names(standing.keeps)))
    if standing.refuses:
        yield ""
        lacking = " ".join(note.text for note in notes if note.kind == "Lacks")
        names = f": {_names(standing.refuses)}." if len(standing.refuses) <= _FEW // 4 else "."
        yield f"**Refuses** {len(standing.refuses)}" + (f", among them {lacking}" if lacking else names)
    yield from _of_notes(notes, heading=True)


def _folded(names: str) -> Iterator[str]:
    yield from ("<details><summary>Their names</summary>", "", names, "", "</details>")


def _of_notes(notes: list[Note], *, heading: bool = False) -> Iterator[str]:
    titles = {
        "Kept only": "Kept only:",
        "Refuses": "Refuses by name:",
        "Differs from AWS": "Differs from AWS:",
    }
    for kind, title in titles.items():
        of_kind = [note for note in notes if note.kind == kind and note.text]
        if of_kind and heading:
            yield from ("", title, "")
        for note in of_kind:
            subject = f"{_names(note.subject)}: " if note.subject else ""
            source = f" *Source: {note.source}.*" if note.source else ""
            text = note.text if subject else f"{note.text[0].upper()}{note.text[1:]}"
            yield f"- {subject}{text.rstrip('.')}.{source}"


def _of_resource_types(refused: Mapping[str, list[str]]) -> Iterator[str]:
    yield (
        f"Stacks can have {len(refused)} resource types. A property that is not listed as refused is passed "
        "to the operation that creates the resource, and what that refuses stands in its service's section."
    )
    yield ""
    yield "| resource type | properties that are refused |"
    yield "|---|---|"
    for name, properties in refused.items():
        yield f"| `{name}` | {_names(properties) or 'none'} |"


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _wrapped(text: str) -> str:
    return "\n".join(_line(line) for line in text.splitlines())


def _line(line: str) -> str:
    if line.startswith("|") or len(line) <= WIDTH:
        return line
    indent = "  " if line.startswith("- ") else ""
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
