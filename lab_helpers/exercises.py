"""The sources of the exercises: files that notebooks write, programs beside them, and the training job.

What learners write with `%%writefile` exists only in the notebooks; the programs that they are given are in
folders beside the notebooks (`base_image/`). Code that needs either without a learner, such as tests and
`reset`, gets it from here.
"""

from __future__ import annotations

import ast
import io
import json
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import TypedDict

from lab_helpers import instance_types
from lab_helpers.declarations import Declared
from lab_helpers.errors import WorkshopError

MAGIC = "%%writefile "
Changes = Mapping[str, Sequence[tuple[str, str]]]
"""By the id of a cell: what stands in it, and what to put in its place."""


class CellMetadata(TypedDict, total=False):
    """The part of a cell's metadata that matters here."""

    tags: list[str]


class Cell(TypedDict):
    """A cell of a notebook (nbformat 4), with its source as one string."""

    id: str
    cell_type: str
    """`code` or `markdown`."""
    metadata: CellMetadata
    source: str


class ExercisesError(WorkshopError, LookupError):
    """A notebook lacks required content; the message names the notebook."""


def find(directory: Path, number: str) -> Path:
    """Return the notebook with this number, such as `01`. Raises ExercisesError."""
    found = sorted(directory.glob(f"{number}_*.ipynb"))
    if not found:
        raise ExercisesError(f"there is no notebook {number} in {directory}")
    return found[0]


def cells(notebook: Path, kind: str | None = None) -> list[Cell]:
    """Return a notebook's cells, of one kind (`code`, `markdown`) or all; `source` is one string."""
    found: list[Cell] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    for cell in found:
        cell["source"] = "".join(cell["source"])
    return [cell for cell in found if kind in {None, cell["cell_type"]}]


def written_by(notebook: Path) -> list[tuple[str, str]]:
    """Return (target, content) of each `%%writefile` cell; IPython ends the content with a newline."""
    return _written(cells(notebook, "code"))


def _written(found: Iterable[Cell]) -> list[tuple[str, str]]:
    written = []
    for cell in found:
        if cell["source"].startswith(MAGIC):
            line, _, content = cell["source"].partition("\n")
            written.append((line.removeprefix(MAGIC).strip(), content + "\n"))
    return written


def changed(source: str, pairs: Iterable[tuple[str, str]], where: str = "this cell") -> str:
    """Return a cell's text with what stands there replaced, pair by pair (old, new).

    Raises ExercisesError unless an old text is there exactly once.
    """
    for old, new in pairs:
        if source.count(old) != 1:
            raise ExercisesError(f"{where} has {source.count(old)} times {old!r}: it must be there once")
        source = source.replace(old, new)
    return source


def solved(notebook: Path, changes: Changes) -> dict[str, str]:
    """Return the files that a notebook writes once its cells are changed, by target.

    Raises ExercisesError, see `changed`.
    """
    found = cells(notebook, "code")
    if unknown := changes.keys() - {cell["id"] for cell in found}:
        raise ExercisesError(f"{notebook.name} has no cell {', '.join(sorted(unknown))}")
    for cell in found:
        where = f"{notebook.name}, {cell['id']}"
        cell["source"] = changed(cell["source"], changes.get(cell["id"], ()), where)
    return dict(_written(found))


def programs(notebooks: Path, folder: str) -> dict[str, bytes]:
    """Return the programs that come with the exercises in `folder`, by name; empty without such a folder.

    Files that a notebook writes there are not included, nor are `NAME.new.py` and `NAME.new2.py`,
    the updates of a program that the learner has changed.
    """
    written = {name for notebook in notebooks.glob("[0-9][0-9]_*.ipynb") for name, _ in written_by(notebook)}
    return {
        path.name: path.read_bytes()
        for path in sorted((notebooks / folder).glob("*.py"))
        if f"{folder}/{path.name}" not in written and not re.search(r"\.new\d*\.py$", path.name)
    }


def files_in(notebook: Path, folder: str) -> dict[str, bytes]:
    """Return the files in `folder` after a notebook, by name: the programs given to it, and what it writes.

    Raises ExercisesError if the notebook writes none.
    """
    written = {
        target.removeprefix(f"{folder}/"): content.encode()
        for target, content in written_by(notebook)
        if target.startswith(f"{folder}/")
    }
    if not written:
        raise ExercisesError(f"{notebook.name} writes no file into {folder}/")
    return {**programs(notebook.parent, folder), **written}


def descriptor(notebook: Path, bucket: str, region: str) -> dict[str, object]:
    """Return the training job that a notebook describes with its default parameters.

    It is the value of the notebook's `descriptor`, computed from the literals in the `parameters` cell, the
    name of the lab's bucket, the instance types of the region, and what notebook 02's model declares. Raises
    ExercisesError if there is no such value.
    """
    written = dict(pair for path in notebook.parent.glob("[0-9][0-9]_*.ipynb") for pair in written_by(path))
    names: dict[str, object] = {
        "lab": SimpleNamespace(bucket=bucket, region=region),
        "instance_types": instance_types,
        "declared": Declared.of(written.get("model_image/model.py", "")),
    }
    for cell in cells(notebook, "code"):
        if "parameters" in cell["metadata"].get("tags", []):
            names |= {name: ast.literal_eval(value) for name, value in _assignments(cell["source"])}
    for cell in cells(notebook, "code"):
        if "descriptor = " not in cell["source"] or cell["source"].startswith("%%"):
            continue
        for name, value in _assignments(cell["source"]):
            if name == "descriptor":
                code = compile(ast.Expression(value), notebook.name, "eval")
                found: dict[str, object] = eval(code, names)  # noqa: S307 (our own notebook)
                return found
    raise ExercisesError(f"{notebook.name} assigns no descriptor")


def _assignments(source: str) -> list[tuple[str, ast.expr]]:
    return [
        (target.id, node.value)
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def training_job(notebook: Path, templates: Iterable[Path], bucket: str, region: str) -> dict[str, bytes]:
    """Return the members of `trainingjob.zip` as the notebook packs them."""
    described = json.dumps(descriptor(notebook, bucket, region), indent=2).encode()
    return {"trainingjob.json": described, **{path.name: path.read_bytes() for path in templates}}


def zipped(members: Mapping[str, bytes]) -> bytes:
    """Return a zip file of these members."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return archive.getvalue()


def unzipped(content: bytes) -> dict[str, bytes]:
    """Return the members of a zip file; empty if `content` is not a zip file."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as file:
            return {name: file.read(name) for name in file.namelist()}
    except zipfile.BadZipFile:
        return {}
