"""A learner's working copy: commit changes and push them."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from lab_helpers.errors import WorkshopError


class GitError(WorkshopError, RuntimeError):
    """git failed; the message begins with git's own words for why, and says what to do next."""


@dataclass(frozen=True)
class Commit:
    """A commit on the remote branch; `new` says whether this call created it."""

    id: str
    branch: str
    message: str
    new: bool

    def __str__(self) -> str:
        made = "pushed" if self.new else "nothing to commit: already pushed"
        return f"{self.branch} {self.id[:12]} ({made}) {self.message}"


def commit_and_push(directory: Path, message: str, *, branch: str = "") -> Commit:
    """Commit everything in `directory` and push it to `branch` (if empty, the branch that is checked out).

    Safe to repeat: without changes, returns the previous commit. Raises GitError if the directory is not a
    working copy, or if git cannot commit or push.
    """
    if not (directory / ".git").exists():
        raise GitError(
            f"{directory} is not a git working copy. Provisioning clones it: read .workshop/provision.log, "
            "then stop and start the notebook instance."
        )
    branch = branch or _git(directory, "symbolic-ref", "--short", "HEAD")
    _git(directory, "add", "--all")
    changed = _git(directory, "status", "--porcelain")
    if changed:
        _git(directory, *_identity(directory), "commit", "--quiet", "--message", message)
    _git(directory, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    return Commit(
        id=_git(directory, "rev-parse", "HEAD"),
        branch=branch,
        message=_git(directory, "log", "-1", "--format=%s"),
        new=bool(changed),
    )


def show(directory: Path, commit: str) -> str:
    """Return who made a commit, when, and which files it changed. Raises GitError."""
    return _git(directory, "show", "--stat", commit)


def _identity(directory: Path) -> list[str]:
    """Set an author if there is none, so that a learner's very first commit does not fail."""
    known = subprocess.run(
        ["git", "-C", str(directory), "config", "user.email"], capture_output=True, check=False
    )
    if known.returncode == 0:
        return []
    user = os.environ.get("WORKSHOP_USER", "participant")
    return ["-c", f"user.name={user}", "-c", f"user.email={user}@workshop.invalid"]


PULL_FIRST = "someone else has pushed: run `git pull --rebase` in the working copy, then this cell again"
COMMANDS = {"rev-parse", "symbolic-ref", "add", "status", "commit", "push", "log", "show"}
REMEDIES = {
    "non-fast-forward": PULL_FIRST,
    "fetch first": PULL_FIRST,
    "rebase": "a rebase is in progress: finish it with `git rebase --continue` or `git rebase --abort`",
    "not a symbolic ref": "no branch is checked out: run `git switch` with the branch of this working copy",
    "index.lock": "another git command is running here; wait for it, or remove .git/index.lock if none is",
    "is not ancestor": PULL_FIRST,
    "stale remote": PULL_FIRST,
    "Not authorized": "the notebook's role cannot use the bucket: ask your instructor to update the lab",
    "403": "the notebook's role cannot push, or its credentials have expired: stop and start the instance",
    "Could not resolve host": "the notebook instance cannot reach CodeCommit: check its subnet and route",
}


_OWN = re.compile(r"(?:remote: )?(?:fatal|error|ERROR): |! \[")
"""How a line begins in which git, or what it runs, says why it failed (`! [rejected]`: a push, git-push)."""


def _why(said: str) -> tuple[str, list[str]]:
    """Return the first line that says why git failed, and the other lines."""
    lines = [line.strip() for line in said.splitlines()] or ["git gives no reason"]
    why = next((number for number, line in enumerate(lines) if _OWN.match(line)), 0)
    return lines[why], lines[:why] + lines[why + 1 :]


def search_path() -> str:
    """Return the PATH on which git finds git-remote-s3."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), str(Path.home() / ".local" / "bin")])


def _git(directory: Path, *arguments: str) -> str:
    # Without this, git would wait for a password that no one can type. A kernel's PATH does not include
    # ~/.local/bin, where the instance keeps what git needs for a repository in S3.
    result = subprocess.run(
        ["git", "-C", str(directory), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "GIT_TERMINAL_PROMPT": "0", "PATH": search_path()},
    )
    if result.returncode != 0:
        said = (result.stderr or result.stdout).strip()
        command = next(a for a in arguments if a in COMMANDS)
        remedy = next((text for sign, text in REMEDIES.items() if sign in said), "read git's message above")
        why, around = _why(said)
        rest = "".join(f"\n  | {line}" for line in around)
        raise GitError(f"{why}\ngit {command} failed in {directory}.{rest}\n\nWhat to do: {remedy}.")
    return result.stdout.strip()
