"""Which statements of roles have let a request through: what the tests compare with the templates.

An account keeps a journal only if its file, `permissions.tsv`, is in the state folder when it starts.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

NAME = "permissions.tsv"


class Use(NamedTuple):
    """A statement of a role's policy that has allowed an action."""

    role: str
    policy: str
    sid: str
    action: str
    """As in policies: `s3:GetObject`."""


class Journal:
    """Every use once, in a file that a later run of the account continues."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._seen = read(path)

    @classmethod
    def of(cls, state_dir: Path) -> Journal | None:
        """Return the journal of an account that is to keep one."""
        path = state_dir / NAME
        return cls(path) if path.exists() else None

    def note(self, use: Use) -> None:
        """Write a use down, unless it has been already; an account that is killed loses none."""
        if use in self._seen:
            return
        with self._lock:
            if use not in self._seen:
                self._seen.add(use)
                with self._path.open("a") as file:
                    file.write("\t".join(use) + "\n")


def read(path: Path) -> set[Use]:
    """Return what a journal holds."""
    return {Use(*line.split("\t")) for line in path.read_text().splitlines()}
