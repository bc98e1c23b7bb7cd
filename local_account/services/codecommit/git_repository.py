"""One bare git repository, through git's own plumbing commands."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ZERO_ID = "0" * 40
_INTENDED = "-intended"
"""Ends the name of a record of what is to move, which the record of what has moved replaces."""
_UNBORN_HEAD = "refs/heads/main"

# Records of a push, each under its final name only once it is complete: what is to move, before git moves it,
# and then what has moved. The account publishes and removes them, so that a push is announced even if the
# account is killed right after git moved the references, and git with it.
_HOOKS = {
    "pre-receive": f"""#!/bin/sh
cat > "moved/$CODECOMMIT_PUSH{_INTENDED}.part" &&
mv "moved/$CODECOMMIT_PUSH{_INTENDED}.part" "moved/$CODECOMMIT_PUSH{_INTENDED}"
""",
    "post-receive": """#!/bin/sh
cat > "moved/$CODECOMMIT_PUSH.part" && mv "moved/$CODECOMMIT_PUSH.part" "moved/$CODECOMMIT_PUSH"
""",
}


class GitError(Exception):
    """A git command failed; the message is what it wrote to standard error."""


@dataclass(frozen=True)
class Move:
    """A reference that moved from one commit to another; ``ZERO_ID`` stands for "did not exist"."""

    old: str
    new: str
    reference: str


@dataclass(frozen=True)
class Entry:
    """One entry of a git tree: ``mode`` as git writes it (``100644``), ``path`` from the root."""

    mode: str
    kind: str
    object_id: str
    path: str


@dataclass(frozen=True)
class Author:
    """The author of a commit."""

    name: str
    email: str


def git_environment() -> dict[str, str]:
    """Return an environment in which git reads no configuration of this machine or its user."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        # The state directory may belong to a different user than the account's process (a mounted volume).
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "safe.directory",
        "GIT_CONFIG_VALUE_0": "*",
    }


class GitRepository:
    """A bare repository at ``path``. Methods raise GitError with git's own words."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: Path) -> GitRepository:
        """Create an empty repository; it appears at ``path`` complete or not at all."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as directory:
            new = cls(Path(directory) / "repository")
            new.git("init", "--quiet", "--bare", "--template=", str(new.path))
            new.git("symbolic-ref", "HEAD", _UNBORN_HEAD)
            # No maintenance may run in the background after the push that triggered it.
            new.git("config", "receive.autogc", "false")
            new.write_hooks()
            (new.path / "moved").mkdir()
            if path.exists():
                shutil.rmtree(path)
            new.path.rename(path)
        return cls(path)

    def write_hooks(self) -> None:
        """Write the hooks that record pushes; a repository of an older build may have others."""
        directory = self.path / "hooks"
        directory.mkdir(exist_ok=True)
        for name, text in _HOOKS.items():
            hook = directory / name
            if not hook.exists() or hook.read_text() != text:
                hook.write_text(text)
                hook.chmod(0o755)

    def git(self, *arguments: str, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> bytes:
        """Run one git command on the repository and return its output."""
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *arguments],
            input=stdin,
            capture_output=True,
            env={**git_environment(), **(env or {})},
            check=False,
        )
        if done.returncode:
            raise GitError(done.stderr.decode(errors="replace").strip() or f"git {arguments[0]} failed")
        return done.stdout

    def resolve(self, revision: str, kind: str = "commit") -> str | None:
        """Return the id of the object (``commit`` or ``tree``) that a revision names, or None."""
        try:
            found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{{kind}}}")
        except GitError:
            return None
        return found.decode().strip()

    def folder(self, commit: str, path: str) -> str | None:
        """Return the id of the tree at a path of a commit, or None if there is no folder."""
        try:
            found = self.git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}:{path}/")
        except GitError:
            return None
        return found.decode().strip()

    def branches(self) -> dict[str, str]:
        """Return the commit id of every branch, sorted by name."""
        lines = self.git("for-each-ref", "--format=%(objectname) %(refname:lstrip=2)", "refs/heads").decode()
        return {name: commit for commit, _, name in (line.partition(" ") for line in lines.splitlines())}

    def default_branch(self) -> str | None:
        """Return the branch that HEAD names, or None if that has no commit yet."""
        head = self.git("symbolic-ref", "HEAD").decode().strip()
        return head.removeprefix("refs/heads/") if self.resolve(head) else None

    def set_default_branch(self, branch: str) -> None:
        """Point HEAD at a branch."""
        self.git("symbolic-ref", "HEAD", f"refs/heads/{branch}")

    def is_valid_branch(self, branch: str) -> bool:
        """Return whether git accepts this as a branch name."""
        try:
            self.git("check-ref-format", f"refs/heads/{branch}")
        except GitError:
            return False
        return not branch.startswith("-")

    def move(self, reference: str, new: str, old: str) -> str:
        """Set a reference to ``new`` (``ZERO_ID`` deletes it) if it is still at ``old``; return its record.

        It is recorded as a push is.
        """
        push = uuid.uuid4().hex
        part = self.path / "moved" / f"{push}{_INTENDED}.part"
        part.write_text(f"{old} {new} {reference}\n")
        intended = part.rename(part.with_suffix(""))
        try:
            if new == ZERO_ID:
                self.git("update-ref", "-d", reference, old)
            else:
                self.git("update-ref", reference, new, old)
        except GitError:
            self.forget_moves(push)
            raise
        intended.rename(self._record(push))
        return push

    def entries(self, tree: str, *, recursive: bool = False, path: str = "") -> list[Entry]:
        """List a tree: its direct entries, everything below it, or the one entry at ``path``."""
        options = ["-r"] if recursive else []
        output = self.git("ls-tree", "-z", *options, tree, *(["--", path] if path else []))
        entries = []
        for record in output.decode(errors="surrogateescape").split("\0")[:-1]:
            meta, _, name = record.partition("\t")
            mode, kind, object_id = meta.split(" ")
            entries.append(Entry(mode, kind, object_id, name))
        return entries

    def blob(self, object_id: str) -> bytes:
        """Return the content of a file."""
        return self.git("cat-file", "blob", object_id)

    def write_blob(self, content: bytes) -> str:
        """Store the content of a file and return its id."""
        return self.git("hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def write_tree(self, parent: str | None, changes: Sequence[Entry]) -> str:
        """Return the id of the parent's tree with ``changes`` applied; mode ``0`` deletes a path."""
        with tempfile.TemporaryDirectory(dir=self.path, prefix="index-") as directory:
            index = {"GIT_INDEX_FILE": str(Path(directory) / "index")}
            if parent:
                self.git("read-tree", parent, env=index)
            lines = "".join(f"{entry.mode} {entry.object_id}\t{entry.path}\0" for entry in changes)
            self.git("update-index", "-z", "--index-info", stdin=lines.encode(), env=index)
            return self.git("write-tree", env=index).decode().strip()

    def write_commit(self, tree: str, parent: str | None, author: Author, message: str) -> str:
        """Store a commit and return its id; no reference moves."""
        names = {
            f"GIT_{role}_{part}": value
            for role in ("AUTHOR", "COMMITTER")
            for part, value in (("NAME", author.name), ("EMAIL", author.email))
        }
        parents = ["-p", parent] if parent else []
        commit = self.git("commit-tree", tree, *parents, stdin=message.encode(), env=names)
        return commit.decode().strip()

    def take_moves(self, push: str) -> list[Move]:
        """Return the references that a push moved; call ``forget_moves`` once they have been announced."""
        record = self._record(push)
        if record.exists():
            return _moves(record)
        intended = self._record(push, _INTENDED)
        return [move for move in _moves(intended) if self._is_made(move)] if intended.exists() else []

    def forget_moves(self, push: str) -> None:
        """Remove the records of a push, the last one last."""
        for path in (self._record(push, _INTENDED), self._record(push)):
            path.unlink(missing_ok=True)

    def unannounced(self) -> list[str]:
        """Return the pushes that are still recorded, oldest first; one that moved nothing is forgotten."""
        paths = [path for path in (self.path / "moved").iterdir() if path.suffix != ".part"]
        named = [path.name.removesuffix(_INTENDED) for path in sorted(paths, key=lambda p: p.stat().st_mtime)]
        pushes = list(dict.fromkeys(named))
        for push in list(pushes):
            if not self.take_moves(push):
                self.forget_moves(push)
                pushes.remove(push)
        return pushes

    def _record(self, push: str, suffix: str = "") -> Path:
        return self.path / "moved" / f"{push}{suffix}"

    def _is_made(self, move: Move) -> bool:
        return (self.resolve(move.reference, "object") or ZERO_ID) == move.new


def _moves(record: Path) -> list[Move]:
    return [Move(*line.split(" ", 2)) for line in record.read_text().splitlines()]
