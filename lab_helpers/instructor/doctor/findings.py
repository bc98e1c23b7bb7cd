"""What a check finds."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How serious a finding is. Only errors make the doctor fail."""

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
    """What to do; empty if all is well."""
    short: str = ""
    """The remedy in a few words that fit on one line."""


def ok(check: str, text: str) -> Finding:
    """Return a finding that requires no action."""
    return Finding(check, Level.OK, text)


def warning(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that could become a problem, or that could not be checked."""
    return Finding(check, Level.WARNING, text, remedy)


def error(check: str, text: str, remedy: str) -> Finding:
    """Return a finding that would stop the event."""
    return Finding(check, Level.ERROR, text, remedy)
