"""Copy the exercises to the learner's folder without ever losing their work.

A file that the learner has not touched is updated. If they have changed it, the new version is
written next to it as `NAME.new.ipynb`, and only if it differs from the version that they began with. If they
have worked in that file as well, the next version is written as `NAME.new2.ipynb`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path


def copy_exercises(source: Path, target: Path, record: Path) -> Iterator[str]:
    """Copy every file under `source` to `target` and yield a line for each thing done.

    `record` is a JSON file that maps each relative path to the SHA-256 of what was last copied there. If it
    is missing or damaged, every file that differs counts as changed.
    """
    copied = _read(record)
    for path in sorted(found for found in source.rglob("*") if found.is_file()):
        name = path.relative_to(source).as_posix()
        content = path.read_bytes()
        version = _digest(content)
        mine = target / name
        if (blocker := _not_a_folder(mine.parent, target)) is not None:
            yield f"kept your {blocker.relative_to(target).as_posix()}, so {name} could not be copied"
            continue
        if not mine.exists() or _holds(mine, (version, copied.get(name))):
            if _write(mine, content):
                yield f"copied {name}"
        elif version != copied.get(name):
            beside = _beside(mine, target, version, copied)
            _write(beside, content)
            copied[beside.relative_to(target).as_posix()] = version
            yield f"kept your {name}, the new version is {beside.name}"
        copied[name] = version
    _write(record, json.dumps(copied, indent=1).encode())


def _beside(mine: Path, target: Path, version: str, copied: dict[str, str]) -> Path:
    """Return the path for a new version: the first that is free, or holds what was copied there."""
    for number in count(1):
        beside = mine.with_name(f"{mine.stem}.new{number if number > 1 else ''}{mine.suffix}")
        known = (version, copied.get(beside.relative_to(target).as_posix()))
        if not beside.exists() or _holds(beside, known):
            return beside
    raise AssertionError("there is always a next number")


def _not_a_folder(folder: Path, target: Path) -> Path | None:
    """Return what the learner has put in the place of a folder; None if nothing is in the way."""
    return next(
        (
            one
            for one in (folder, *folder.parents)
            if target in one.parents and one.exists() and not one.is_dir()
        ),
        None,
    )


def _holds(path: Path, versions: tuple[str | None, ...]) -> bool:
    """Return whether a path is a file with one of these contents, and not, say, a folder of the learner's."""
    return path.is_file() and _digest(path.read_bytes()) in versions


def _read(record: Path) -> dict[str, str]:
    try:
        copied = json.loads(record.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return copied if isinstance(copied, dict) else {}


def _write(path: Path, content: bytes) -> bool:
    """Write a file atomically unless it already holds `content`; return whether it was written."""
    if path.is_file() and path.read_bytes() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
    return True


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
