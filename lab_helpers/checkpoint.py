"""Checkpoints: a notebook goes on only when what it just did has really happened."""

from __future__ import annotations


class CheckpointFailed(AssertionError):  # noqa: N818 (a lesson speaks of checkpoints that fail)
    """Something that the next cells rely on is not so; the message says how to put it right."""


def checkpoint(what: str, condition: object, *, fix: str) -> None:
    """Print a tick when `condition` holds; raise CheckpointFailed with the remedy `fix` otherwise."""
    if not condition:
        raise CheckpointFailed(f"✗ {what}: not so.\n  What to do: {fix}")
    print(f"✓ {what}")
