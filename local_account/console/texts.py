"""Contents to look at: text as text, and nothing that a browser would run or draw."""

from __future__ import annotations

SHOWN = 64 * 1024
"""So many bytes of a content are shown."""


def text_of(content: bytes) -> str | None:
    """Return UTF-8 text, which may end in the middle of a character; None if it is not text."""
    if b"\0" in content:
        return None
    for cut in range(4):
        try:
            return content[: len(content) - cut].decode()
        except UnicodeDecodeError:
            continue
    return None
