"""Notes on fidelity in docstrings: what differs from AWS, what is only recorded, what is refused.

A note is a paragraph of its own in the docstring of a module, class, method or function:

- ``Differs from AWS: …`` is done in another way than on AWS, on purpose or because AWS does not document it.
- ``Kept only: …`` is recorded and returned, and has no effect.
- ``Refuses: …`` is a feature that is refused by name.
- ``Lacks: …`` names operations (for the whole account: services) that people look for and that are refused.

The docstring below a constant that lists refused members begins with ``Refuses in`` and the operation's name;
the note names what is in the constant.

A note belongs to the service in whose folder it is, or else to the whole account, and to the operation whose
method has it. ``Differs from AWS (ec2): …`` says another service, or ``everywhere``;
``Kept only (PutBucketAcl): …`` names operations. A note may end with ``Source: …``.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, cast

EVERYWHERE = "everywhere"
Kind = Literal["Differs from AWS", "Kept only", "Refuses", "Lacks"]
_NOTE = re.compile(
    r"(Differs from AWS|Kept only|Refuses|Lacks)(?: \(([^)]*)\))?: (.+?)(?: Sources?: (.+?)\.?)?", re.DOTALL
)
_MEMBERS = re.compile(r"Refuses in (\w+(?: and \w+)?)(?:,? (.+?))?\.", re.DOTALL)
_ROOMS = {"authorization": "iam", "moto_backend": "iam"}


@dataclass(frozen=True)
class Note:
    """One note; ``section`` is boto3's name of a service or ``EVERYWHERE``, ``subject`` names operations."""

    kind: Kind
    section: str
    subject: tuple[str, ...]
    text: str
    source: str
    where: str
    """The file that has it, relative to the room."""


def read(room: Path, folders: Mapping[str, str], operations: Mapping[str, Mapping[str, str]]) -> list[Note]:
    """Return the notes of all files below the folder ``room``, in the order of paths and lines.

    ``folders`` has the service of each folder of ``services/``; ``operations`` has each service's operations
    by boto3's method name.
    """
    found: list[Note] = []
    for path in sorted(room.rglob("*.py")):
        relative = path.relative_to(room)
        if relative.parts[0] not in ("fidelity", "scaffold"):
            section = _section(relative, folders)
            methods = operations.get(section, {})
            for owner, docstring, members in _docstrings(ast.parse(path.read_text(encoding="utf-8"))):
                own = Note("Lacks", section, tuple(filter(None, [methods.get(owner)])), "", "", str(relative))
                found += _notes(docstring, members, own, operations)
    return found


def _section(path: Path, folders: Mapping[str, str]) -> str:
    if path.parts[0] == "services" and len(path.parts) > 2:
        return folders[path.parts[1]]
    return _ROOMS.get(path.parts[0], EVERYWHERE)


def _docstrings(module: ast.Module) -> Iterator[tuple[str, str, list[str]]]:
    """Yield the owner's name, the docstring, and for a constant the texts in its value."""
    yield "", ast.get_docstring(module) or "", []
    for node in ast.walk(module):
        if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
            yield node.name, ast.get_docstring(node) or "", []
    for before, after in zip(module.body, module.body[1:], strict=False):
        if (
            isinstance(before, (ast.Assign, ast.AnnAssign))
            and before.value is not None
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            yield "", after.value.value, list(_texts(before.value))


def _texts(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.Dict):
        for key in node.keys:
            yield from _texts(key) if key else ()
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                yield from _texts(value)
    elif not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def _notes(docstring: str, members: list[str], default: Note, sections: Collection[str]) -> Iterator[Note]:
    """Yield the notes of a docstring; ``default`` has what they do not say themselves."""
    for paragraph in docstring.split("\n\n"):
        text = " ".join(paragraph.split()).replace("``", "`")
        if listed := _MEMBERS.fullmatch(text):
            names = ", ".join(f"`{name}`" for name in members) + (f" ({listed[2]})" if listed[2] else "")
            yield replace(default, kind="Refuses", subject=tuple(listed[1].split(" and ")), text=names)
        elif found := _NOTE.fullmatch(text):
            kind, about, words, source = found.groups()
            named = [name.strip() for name in about.split(",")] if about else []
            elsewhere = [name for name in named if name == EVERYWHERE or name in sections]
            operations = tuple(name for name in named if name not in elsewhere)
            yield Note(
                kind=cast("Kind", kind),
                section=elsewhere[0] if elsewhere else default.section,
                subject=operations or (() if elsewhere else default.subject),
                text=words,
                source=source or "",
                where=default.where,
            )
