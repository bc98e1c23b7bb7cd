"""Asking an endpoint ends, whatever the endpoint does."""

from __future__ import annotations

import io
import json
from itertools import count
from typing import Any

import pytest
from monitor.endpoint import BATCH_ROWS, INFERENCE_ID, Endpoint, EndpointError

from lab_helpers import monitoring


class Slow:
    """An endpoint that takes a second for each request, by its own clock."""

    def __init__(self, answer: Any = None) -> None:
        self.ticks, self.asked, self.answer = count(), 0, answer

    def now(self) -> float:
        return float(next(self.ticks))

    def invoke_endpoint(self, Body: bytes, **_: Any) -> dict[str, Any]:
        self.asked += 1
        rows = json.loads(Body)["instances"]
        found = self.answer or {"algorithm": "a", "predictions": ["x"] * len(rows)}
        return {"Body": io.BytesIO(json.dumps(found).encode())}


def test_no_request_is_sent_after_the_deadline() -> None:
    slow: Any = Slow()
    endpoint = Endpoint(slow, "prd", deadline=2.5, clock=slow.now)
    with pytest.raises(EndpointError, match="prd takes too long") as caught:
        endpoint.ask([[1.0]] * BATCH_ROWS * 9)
    assert slow.asked == 3
    assert not caught.value.refused


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        ({"predictions": ["x"]}, "1 predictions, but was asked for 2"),
        (
            {"predictions": ["x", "y"], "probabilities": [[1.0]]},
            "2 predictions and probabilities for 1, but was asked for 2",
        ),
        ({"error": "no"}, "something other than predictions"),
        (["x"], "something other than predictions"),
        ({"predictions": None}, "something other than predictions"),
    ],
)
def test_an_answer_that_is_none_is_an_error(answer: Any, says: str) -> None:
    slow: Any = Slow(answer)
    with pytest.raises(EndpointError, match=says):
        Endpoint(slow, "prd", deadline=99.0, clock=slow.now).ask([[1.0], [2.0]])


def test_checks_of_captured_data_leave_out_what_the_functions_ask() -> None:
    assert INFERENCE_ID in monitoring.NO_CLIENTS
