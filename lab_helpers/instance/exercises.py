"""Restore exercises and working copies to the start of a notebook, and keep what the learner changed.

What differs from the state at the start moves to `notebooks/changed-DATE-TIME/`: only the workshop's own
files are ever deleted. Moves are renames, so an interruption loses nothing and a repetition finds the
rest.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from lab_helpers import exercises
from lab_helpers.git import search_path

BRANCHES = ("scikit_base", "iris_model")
UNWRITTEN = ("training_job",)
"""Folders that notebooks create without `%%writefile`."""
_IGNORED = {".ipynb_checkpoints", "__pycache__"}


class WorkingCopyError(RuntimeError):
    """git failed; the message is git's."""


class PutBack:
    """One reset of one notebook instance; `kept` lists what it moved out of the way."""

    def __init__(self, home: Path, to: str, at: str) -> None:
        self._home, self._to = home, to
        self._source, self._target = home / ".workshop" / "package" / "notebooks", home / "notebooks"
        stamp = f"{datetime.fromisoformat(at):%Y-%m-%d-%H%M%S}"
        self._stamp = stamp
        self._folder = self._target / f"changed-{stamp}"
        self.kept: list[str] = []

    @property
    def folder(self) -> str:
        """Where the learner's changes are, relative to the workshop's home; empty if there are none."""
        return self._folder.relative_to(self._home).as_posix() if self.kept else ""

    def run(self) -> None:
        """Restore everything. Raises WorkingCopyError and OSError."""
        self._updates()
        self._folders()
        self._exercises()
        for branch in BRANCHES:
            self._working_copy(branch)

    # --- files of the exercises

    def _updates(self) -> None:
        """Replace changed files by the new versions that lab_helpers/instance/copies.py put beside them."""
        for name, content in _files(self._source):
            mine = self._target / name
            for beside in mine.parent.glob(f"{mine.stem}.new*{mine.suffix}"):
                if beside.is_file() and beside.read_bytes() == content:
                    beside.unlink()

    def _exercises(self) -> None:
        copied = {}
        for name, content in _files(self._source):
            mine = self._target / name
            copied[name] = sha256(content).hexdigest()
            if mine.is_file() and mine.read_bytes() == content:
                continue
            if mine.exists():
                self._keep(mine)
            _write(mine, content)
        _write(self._home / ".workshop" / "exercises.json", json.dumps(copied, indent=1).encode())

    def _folders(self) -> None:
        """Restore what learners write in the notebooks before `to`, and remove what later notebooks write.

        A folder in which the learner's own files differ moves as a whole, with the programs that came with
        the exercises, so that it still builds.
        """
        shipped: dict[str, dict[str, bytes]] = {folder: {} for folder in UNWRITTEN}
        wanted: dict[str, dict[str, bytes]] = {folder: {} for folder in UNWRITTEN}
        for path in sorted(self._source.glob("[0-9][0-9]_*.ipynb")):
            for name, text in exercises.written_by(path):
                top, _, rest = name.partition("/")
                shipped.setdefault(top, {})[rest] = text.encode()
                files = wanted.setdefault(top, {})
                if path.name[:2] < self._to:
                    files[rest] = text.encode()
        for top, written in wanted.items():
            directory = self._target / top
            given = dict(_files(self._source / top))
            found = {name: content for name, content in _files(directory) if name not in given}
            if found and found not in (written, shipped[top]):
                self._keep(directory)
            elif found != written:  # it holds nothing of the learner's
                for name in found:
                    (directory / name).unlink()
                if not given:
                    shutil.rmtree(directory, ignore_errors=True)
            for name, content in written.items():
                _write(directory / name, content)

    # --- working copies

    def _working_copy(self, branch: str) -> None:
        copy = self._home / branch
        if not (copy / ".git").exists():
            return  # lifecycle-config/repository.sh creates it at the next start of the instance
        for leftover in copy.glob(".git/**/*.lock"):
            leftover.unlink(missing_ok=True)  # left by a killed git; no other git is running now
        _git(copy, "fetch", "--quiet", "--prune", "origin")
        remote = f"refs/remotes/origin/{branch}"
        status = _git(copy, "status", "--porcelain", "-z", "--no-renames")
        for name in [line[3:] for line in status.split("\0") if line]:
            if (copy / name).exists() and not name.rstrip("/").endswith(tuple(_IGNORED)):
                self._copy(copy / name, Path(branch) / name)
        head = _git(copy, "rev-parse", "HEAD")
        if head != _git(copy, "rev-parse", remote):
            own = _git(copy, "rev-list", head, "--not", "--remotes=origin")
            if own:
                _git(copy, "branch", "--force", f"changed-{self._stamp}", head)
                self.kept.append(f"{branch}: commits, in its branch changed-{self._stamp}")
        for unfinished in ("rebase-merge", "rebase-apply"):  # `git rebase --quit` leaves these behind
            shutil.rmtree(copy / ".git" / unfinished, ignore_errors=True)
        _git(copy, "checkout", "--quiet", "--force", "-B", branch, remote)
        _git(copy, "clean", "--quiet", "--force", "-dx")

    # --- keeping

    def _keep(self, path: Path) -> None:
        name = path.relative_to(self._target)
        place = self._place(name)
        path.rename(place)
        self.kept.append(name.as_posix())

    def _copy(self, path: Path, name: Path) -> None:
        place = self._place(name)
        if path.is_dir():
            shutil.copytree(path, place, symlinks=True)
        else:
            shutil.copy2(path, place)
        self.kept.append(name.as_posix())

    def _place(self, name: Path) -> Path:
        place, number = self._folder / name, 1
        while place.exists():
            number += 1
            place = self._folder / name.with_name(f"{name.stem}-{number}{name.suffix}")
        place.parent.mkdir(parents=True, exist_ok=True)
        return place


def _files(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(directory.rglob("*")):
        parts = path.relative_to(directory)
        if path.is_file() and not _IGNORED & set(parts.parts):
            yield parts.as_posix(), path.read_bytes()


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically, unless it already has this content."""
    if path.is_file() and path.read_bytes() == content:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def _git(directory: Path, *arguments: str) -> str:
    argv = ["git", "-C", str(directory), *arguments]
    environment = {**os.environ, "PATH": search_path()}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise WorkingCopyError(f"git {arguments[0]} in {directory.name}: {done.stderr.strip()}")
    return done.stdout.strip("\n")
