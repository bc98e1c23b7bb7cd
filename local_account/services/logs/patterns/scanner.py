"""Reads a pattern from left to right."""

from __future__ import annotations

import re

from local_account.services.logs.patterns.base import PatternError
from local_account.services.logs.patterns.matchers import Matcher, regex

_SPACE = re.compile(r"\s*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_UNESCAPED = re.compile(r"\\(.)", re.DOTALL)
_REGEX = re.compile(r"%([^%]*)%")
_MOST_REGEXES = 2
"""In a pattern: *Supported regular expressions (regex) syntax*, "Quotas"."""


class Scanner:
    """A position in a pattern."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.regexes = 0

    def space(self) -> None:
        """Skip white space."""
        found = _SPACE.match(self.text, self.at)
        self.at = found.end() if found else self.at

    @property
    def rest(self) -> str:
        """What has not been read yet."""
        return self.text[self.at :]

    def take(self, *alternatives: str) -> str:
        """Skip white space; read and return the first of the alternatives that follows, or ""."""
        self.space()
        for one in alternatives:
            if self.text.startswith(one, self.at):
                self.at += len(one)
                return one
        return ""

    def expect(self, text: str) -> None:
        """Read a text. Raises PatternError if something else follows."""
        if not self.take(text):
            raise self.unexpected()

    def match(self, expression: re.Pattern[str]) -> str | None:
        """Read and return what a regular expression of ours matches here."""
        found = expression.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        return found[0]

    def quoted(self) -> str | None:
        """Read a text in quotation marks and return it without them; None if none begins here."""
        if not self.text.startswith('"', self.at):
            return None
        found = _QUOTED.match(self.text, self.at)
        if found is None:
            raise PatternError("")
        self.at = found.end()
        return _UNESCAPED.sub(r"\1", found[1])

    def regex(self) -> Matcher | None:
        """Read a regular expression between percent signs; None if none begins here."""
        if not self.text.startswith("%", self.at):
            return None
        found = _REGEX.match(self.text, self.at)
        if found is None or not found[1]:
            raise PatternError("")
        self.at = found.end()
        self.regexes += 1
        if self.regexes > _MOST_REGEXES:
            raise PatternError("")
        return regex(found[1])

    def end(self) -> None:
        """Raise PatternError if anything but white space follows."""
        self.space()
        if self.at < len(self.text):
            raise self.unexpected()

    def unexpected(self) -> PatternError:
        """Return the error for the characters that follow."""
        found = re.compile(r"[^\w\s]+").match(self.text, self.at)
        return PatternError(f"Invalid character(s) in term '{found[0]}'" if found else "")
