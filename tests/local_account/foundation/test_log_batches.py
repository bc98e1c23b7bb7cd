"""Batches of log events that PutLogEvents accepts."""

from itertools import pairwise

import pytest

from local_account.foundation.log_events import EVENT_OVERHEAD, MOST_BYTES, LogEvent, batches, pieces


def size(batch: list[LogEvent]) -> int:
    return sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in batch)


@pytest.mark.parametrize(
    ("number", "message"), [(0, "x"), (1, "x"), (25_001, "x"), (300, "x" * 9_999), (9, "ü" * 131_058)]
)
def test_batches_hold_everything_in_order_and_are_not_too_large(number: int, message: str) -> None:
    events: list[LogEvent] = [{"timestamp": n, "message": message} for n in range(number)]
    found = list(batches(events))
    assert [event for batch in found for event in batch] == events
    assert all(len(batch) <= 10_000 and size(batch) <= MOST_BYTES for batch in found)
    for batch, following in pairwise(found):
        assert size([*batch, following[0]]) > MOST_BYTES or len(batch) == 10_000, "smaller than need be"


@pytest.mark.parametrize("text", ["", "short", "ab🙂ü" * 7, "🙂" * 9])
def test_pieces_are_whole_characters(text: str) -> None:
    found = list(pieces(text, 10))
    assert "".join(found) == text
    assert found
    assert all(len(piece.encode()) <= 10 for piece in found)
