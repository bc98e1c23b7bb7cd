"""Checkpoints: a notebook continues only if what it just did has really happened."""

from __future__ import annotations

from lab_helpers.errors import WorkshopError


class CheckpointFailed(WorkshopError, AssertionError):  # noqa: N818 (a lesson speaks of checkpoints that fail)
    """Something that the next cells rely on is not true; the message says how to fix it."""


def checkpoint(what: str, condition: object, *, fix: str) -> None:
    """Print a check mark if `condition` is true; otherwise raise CheckpointFailed with the remedy `fix`."""
    if not condition:
        raise CheckpointFailed(f"✗ not true: {what}.\n  What to do: {fix}")
    print(f"✓ {what}")
