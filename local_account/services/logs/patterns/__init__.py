"""The filter patterns of CloudWatch Logs: terms, JSON and space-delimited patterns.

Contract: CloudWatch Logs User Guide, "Filter pattern syntax for metric filters, subscription filters, filter
log events, and Live Tail".
"""

from __future__ import annotations

from local_account.services.logs.patterns.base import Pattern, PatternError
from local_account.services.logs.patterns.comparisons import as_number
from local_account.services.logs.patterns.fields import FieldsPattern
from local_account.services.logs.patterns.json_objects import JsonPattern
from local_account.services.logs.patterns.terms import TermsPattern

__all__ = ["Pattern", "PatternError", "as_number", "compile_pattern"]


def compile_pattern(text: str) -> Pattern:
    """Return the pattern. Raises PatternError if it is malformed."""
    start = text.lstrip()[:1]
    if start == "{":
        return JsonPattern(text)
    if start == "[":
        return FieldsPattern(text)
    return TermsPattern(text)
