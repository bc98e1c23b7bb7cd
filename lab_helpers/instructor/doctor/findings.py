"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is. Only errors make the doctor fail."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report."""

    check: str
    level: Level
    text: str
    remedy: str = ""
    """What to do; empty where all is well."""
    short: str = ""
    """The same in few words, for a screen that has room for one line."""


def ok(check: str, text: str) -> Finding:
    """Return a finding that needs nothing done."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that may become a problem, or could not be looked at."""
    return Finding(check, Level.WARNING, text, remedy)


def error(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that stops the event."""
    return Finding(check, Level.ERROR, text, remedy)
