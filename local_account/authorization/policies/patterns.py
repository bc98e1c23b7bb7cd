"""Wildcards, ARNs and policy variables in the elements of a policy.

Contract: IAM User Guide, "IAM JSON policy elements: Resource" (wildcards), "IAM policy elements: Variables
and tags".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache

Context = Mapping[str, Sequence[str]]
"""Condition keys in lower case, each with its values."""

_VARIABLE = re.compile(r"\$\{\s*([^},]+?)\s*(?:,\s*'([^']*)'\s*)?\}")
_LITERALS = {"*": "*", "?": "?", "$": "$"}
_ARN_PARTS = 6


@lru_cache(maxsize=8192)
def _compiled(pattern: str, ignore_case: bool) -> re.Pattern[str]:
    parts = (".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.compile("".join(parts), re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def matches(pattern: str, value: str, *, ignore_case: bool = False, context: Context | None = None) -> bool:
    """Return whether a value matches a pattern with `*` and `?`.

    With a context, variables in the pattern are replaced first; a variable without a value matches nothing.
    """
    if context is not None and "${" in pattern:
        return (found := _with_variables(pattern, context, ignore_case)) is not None and found.fullmatch(
            value
        ) is not None
    return _compiled(pattern, ignore_case).fullmatch(value) is not None


def _with_variables(pattern: str, context: Context, ignore_case: bool) -> re.Pattern[str] | None:
    """Compile a pattern in which the values of variables are literal, whatever characters they contain."""
    expression, position = "", 0
    for found in _VARIABLE.finditer(pattern):
        value = _value(found, context)
        if value is None:
            return None
        expression += _compiled(pattern[position : found.start()], False).pattern + re.escape(value)
        position = found.end()
    expression += _compiled(pattern[position:], False).pattern
    return re.compile(expression, re.DOTALL | (re.IGNORECASE if ignore_case else 0))


def substitute(text: str, context: Context) -> str | None:
    """Replace the variables in a text; return None if one of them has no value."""
    result, position = "", 0
    for found in _VARIABLE.finditer(text):
        value = _value(found, context)
        if value is None:
            return None
        result += text[position : found.start()] + value
        position = found.end()
    return result + text[position:]


def _value(found: re.Match[str], context: Context) -> str | None:
    name, default = found.groups()
    if name in _LITERALS:
        return _LITERALS[name]
    values = context.get(name.lower())
    return values[0] if values and len(values) == 1 else default


def resource_matches(pattern: str, arn: str, context: Context | None = None) -> bool:
    """Return whether an ARN matches a value of a Resource element.

    Here a `*` that ends a part can stand for what follows its colon, too: `arn:aws:logs:*` is every resource
    of that service. Conditions (`arn_matches`) compare part by part.
    """
    if arn_matches(pattern, arn, context):
        return True
    spans = any(part.endswith("*") for part in _split(pattern)[: _ARN_PARTS - 1])
    return spans and arn != "*" and matches(pattern, arn, context=context)


def arn_matches(pattern: str, arn: str, context: Context | None = None) -> bool:
    """Return whether an ARN matches a pattern, in which a wildcard does not match across colons.

    Everything after the fifth colon is one part. `*` alone matches everything.
    """
    if pattern == "*":
        return True
    if arn == "*":
        return False
    patterns, parts = _split(pattern), _split(arn)
    return len(patterns) == len(parts) and all(
        matches(one, part, context=context) for one, part in zip(patterns, parts, strict=True)
    )


def _split(arn: str) -> list[str]:
    """Split at the first five colons that are not inside a variable."""
    masked = _VARIABLE.sub(lambda found: found[0].replace(":", "\0"), arn)
    return [part.replace("\0", ":") for part in masked.split(":", _ARN_PARTS - 1)]
