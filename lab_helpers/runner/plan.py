"""Which notebooks to run, in which order, with which parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lab_helpers.runner.parameters import PlanError, declared_parameters, for_notebook, read_parameters

__all__ = [
    "PlanError",
    "PlannedNotebook",
    "declared_parameters",
    "find_notebooks",
    "plan",
    "select",
]


@dataclass(frozen=True)
class PlannedNotebook:
    """One notebook to run."""

    path: Path
    parameters: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """File name without suffix, `03_train`."""
        return self.path.stem

    @property
    def number(self) -> str:
        """Its number, such as `03` or `03a`."""
        return _number(self.path)


def _number(path: Path) -> str:
    found = re.match(r"\d+(?:[a-z](?=_))?", path.stem)
    return found.group() if found else ""


def _lesson(path: Path) -> int:
    """Return the number without its letter: a detour belongs to the lesson that it follows."""
    return int(_number(path).rstrip("abcdefghijklmnopqrstuvwxyz"))


def find_notebooks(directory: Path) -> list[Path]:
    """Return the notebooks `NN_name.ipynb` and `NNa_name.ipynb` of a directory in order.

    Raises PlanError if there are none.
    """
    notebooks = sorted(path for path in directory.glob("*.ipynb") if _number(path))
    if not notebooks:
        raise PlanError(
            f"there is no notebook NN_name.ipynb in {directory}: give their folder with --directory"
        )
    return notebooks


def select(notebooks: Sequence[Path], selection: str | None, others: Sequence[Path] = ()) -> list[Path]:
    """Return the notebooks chosen by number (`01,03-04`) or name (`03_train`), in their own order.

    Without a selection, and in a range, all but those that run on request only: their metadata has
    `"mlops_workshop": {"on_request": true}`. They and `others`, which have no number and come last, run only
    when they are named. Raises PlanError for a part that matches nothing.
    """
    if not selection:
        return [path for path in notebooks if not _on_request(path)]
    chosen: set[Path] = set()
    for part in (part.strip() for part in selection.split(",")):
        found = {path for path in (*notebooks, *others) if part in (path.stem, path.name, _number(path))}
        if not found and (span := re.fullmatch(r"(\d+)(?:-(\d+))?", part)):
            numbers = range(int(span[1]), int(span[2] or span[1]) + 1)
            found = {p for p in notebooks if _lesson(p) in numbers and not _on_request(p)}
        if not found:
            there = ", ".join(path.stem for path in notebooks)
            raise PlanError(f"--notebooks {part!r} matches no notebook; there are {there}")
        chosen |= found
    return sorted(chosen, key=lambda path: (not _number(path), path.name))


def _on_request(path: Path) -> bool:
    """Return whether a notebook runs only if it is asked for: a detour, or the one that deletes the lab."""
    metadata = json.loads(path.read_text(encoding="utf-8")).get("metadata", {})
    return bool(metadata.get("mlops_workshop", {}).get("on_request"))


def plan(
    directory: Path, selection: str | None = None, lab_id: str | None = None, parameters: Iterable[str] = ()
) -> list[PlannedNotebook]:
    """Return the notebooks to run, with their parameters.

    `lab_id` becomes the parameter `lab_id` of the notebooks that have it. A parameter for all notebooks goes
    to those that declare it. Raises PlanError for a notebook or parameter that does not exist: with a
    misspelled parameter, the run would otherwise spend minutes with the default.
    """
    numbered = find_notebooks(directory)
    others = sorted(path for path in directory.glob("*.ipynb") if path not in numbered)
    chosen = select(numbered, selection, others)
    given = read_parameters(parameters)
    own = {key: value for key, value in given.items() if isinstance(value, dict)}
    shared = {key: value for key, value in given.items() if key not in own}
    if lab_id is not None:
        shared["lab_id"] = lab_id
    planned, unused = [], set(shared)
    for path in chosen:
        declared = declared_parameters(path)
        mine = {name: value for name, value in shared.items() if name in declared}
        unused -= mine.keys()
        for key in (_number(path), path.stem):
            content = own.pop(key, {})
            if unknown := content.keys() - declared.keys():
                raise PlanError(_unknown(sorted(unknown), {path.stem: set(declared)}))
            mine |= content
        planned.append(PlannedNotebook(path, for_notebook(mine, declared)))
    if unused:
        raise PlanError(
            _unknown(sorted(unused), {path.stem: set(declared_parameters(path)) for path in chosen})
        )
    if own:
        raise PlanError(
            f"parameters for {', '.join(sorted(own))}, which {_is_are(own)} not among the notebooks to run"
        )
    return planned


def _is_are(things: Mapping[str, Any]) -> str:
    return "is" if len(things) == 1 else "are"


def _unknown(names: Sequence[str], declared: Mapping[str, set[str]]) -> str:
    known = "; ".join(
        f"{notebook}: {', '.join(sorted(found)) or 'none'}" for notebook, found in declared.items()
    )
    return f"no notebook has the parameter {', '.join(names)}. The notebooks have {known}"
