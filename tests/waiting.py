"""Waiting for what happens in the background."""

import time
from collections.abc import Callable
from typing import Protocol, TypeVar

T = TypeVar("T")


class Eventually(Protocol):
    """The type of `eventually`, for tests that get it as a fixture."""

    def __call__(self, function: Callable[[], T | None], seconds: float = 60.0) -> T: ...


def eventually(
    function: Callable[[], T | None], seconds: float = 60.0, otherwise: Callable[[], str] | None = None
) -> T:
    """Wait until a function returns something true, and return that.

    After so many seconds, fail with what `otherwise` returns, or with the function's last value.
    """
    begin = time.monotonic()
    while not (value := function()):
        waited = time.monotonic() - begin
        assert waited < seconds, otherwise() if otherwise else f"still {value!r} after {seconds} s"
        time.sleep(min(max(0.02, waited / 10), 0.25))  # the longer it takes, the less often it is polled
    return value
