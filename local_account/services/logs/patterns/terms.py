"""Patterns of terms for unstructured events: ``ERROR "no space" -DEBUG``, ``?WARN ?ERROR``, ``%4\\d\\d%``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from local_account.services.logs.patterns.base import Pattern
from local_account.services.logs.patterns.matchers import Matcher
from local_account.services.logs.patterns.scanner import Scanner

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class _Term:
    text: str
    regex: Matcher | None = None

    def is_in(self, message: str) -> bool:
        return self.regex(message) if self.regex else self.text in message

    @property
    def is_blank(self) -> bool:
        """Whether the term is a phrase of white space, which matches everything (*Match everything*)."""
        return self.regex is None and not self.text.strip()


class TermsPattern(Pattern):
    """All required terms, none of the excluded ones; or any of the optional ones if there are no others."""

    def __init__(self, text: str) -> None:
        scanner = Scanner(text)
        found: dict[str, list[_Term]] = {"": [], "-": [], "?": []}
        scanner.space()
        while scanner.rest:
            sign = scanner.take("-", "?")
            if sign == "-":
                scanner.space()
            term = _term(scanner)
            if sign or not term.is_blank:
                found[sign].append(term)
            scanner.space()
        self._required, self._excluded = found[""], found["-"]
        # "If you combine "?" with other filter patterns, all question mark terms will be ignored."
        self._optional = [] if self._required or self._excluded else found["?"]
        self.regexes = scanner.regexes
        self.needles = tuple(term.text.encode() for term in self._required if term.regex is None)

    def matches(self, message: str) -> bool:
        """Return whether the message matches."""
        if self._optional:
            return any(term.is_in(message) for term in self._optional)
        return all(term.is_in(message) for term in self._required) and not any(
            term.is_in(message) for term in self._excluded
        )

    def select(self, messages: Sequence[str]) -> list[int]:
        """Return the indexes of the messages that match, faster for one term and for none."""
        if not (self._optional or self._excluded):
            if not self._required:
                return list(range(len(messages)))
            if len(self._required) == 1 and self._required[0].regex is None:
                text = self._required[0].text
                return [index for index, message in enumerate(messages) if text in message]
        return super().select(messages)


def _term(scanner: Scanner) -> _Term:
    phrase = scanner.quoted()
    if phrase is not None:
        return _Term(phrase)
    regex = scanner.regex()
    if regex is not None:
        return _Term("", regex)
    word = scanner.match(_WORD)
    if word is None:
        raise scanner.unexpected()
    return _Term(word)
