"""Tests of a text that take a time linear in its length: regular expressions and wildcards.

Contract: CloudWatch Logs User Guide, "Supported regular expressions (regex) syntax". Python's own expressions
backtrack: for ``%.*.*.*x%`` and a long message they hold the interpreter, and with it the account, for hours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from local_account.services.logs.patterns.base import PatternError

Matcher = Callable[[str], bool]
"""Returns whether a text matches."""

_ALLOWED = re.compile(
    r"(?:[A-Za-z0-9:_#=@/;,\- ^$?\[\]{}|*+.]|\\(?:[dDsSwW]|x[0-9A-Fa-f]{2}|[:_#=@/;,\-^$?\[\]{}|*+.\\%\"]))*"
)
"""No groups, no multi-byte characters, these escapes."""
_REPETITION = re.compile(r"\{([0-9]*)(?:,([0-9]*))?\}")
_MOST_REPETITIONS = 250
"""In all: where RE2 has to follow them one by one, a megabyte takes 10 ms for each of them."""


@lru_cache(maxsize=1024)
def regex(text: str) -> Matcher:
    """Return a matcher that looks for a regular expression anywhere in a text.

    Raises PatternError for what CloudWatch Logs does not support, or is malformed.
    """
    if not _ALLOWED.fullmatch(text):
        raise PatternError(f"Invalid character(s) in term '{text}'")
    repetitions = sum(int(most or least or 0) for least, most in _REPETITION.findall(text))
    if repetitions > _MOST_REPETITIONS:
        raise PatternError(
            f"'{text}' repeats its parts {repetitions} times: the local account supports "
            f"{_MOST_REPETITIONS} repetitions in a regular expression"
        )
    import re2  # 40 ms, which an account without regular expressions does not need

    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(text, options).search
    except re2.error as error:
        raise PatternError("") from error
    return lambda message: search(message) is not None


def wildcards(text: str) -> Matcher:
    """Return a matcher for a whole text in which ``*`` stands for any characters."""
    head, *middle, tail = text.split("*")

    def match(value: str) -> bool:
        if len(value) < len(head) + len(tail) or not (value.startswith(head) and value.endswith(tail)):
            return False
        at, end = len(head), len(value) - len(tail)
        for part in middle:
            found = value.find(part, at, end)
            if found < 0:
                return False
            at = found + len(part)
        return True

    return match
