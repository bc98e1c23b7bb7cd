"""Many hostile requests: no 5xx, no crash, no growing memory.

FUZZ_REQUESTS (5,000; `make fuzz`: 100,000), FUZZ_SEED (0) and FUZZ_FIRST (0) choose which: a request that is
reported as number N of seed S is sent alone with FUZZ_SEED=S FUZZ_FIRST=N FUZZ_REQUESTS=1.
"""

from __future__ import annotations

import os
import re
import time

import pytest

from tests.notebooks.base_image import fuzzing
from tests.notebooks.base_image.model_container import Container

pytestmark = pytest.mark.docker


def number(name: str, default: int) -> int:
    """Return the number in a variable; without one, pytest ends with a sentence instead of a traceback."""
    text = os.environ.get(name, str(default))
    if not re.fullmatch("[0-9]{1,18}", text):
        raise pytest.Collector.CollectError(
            f"{name}={text!r} is not a number: give digits, such as {default}"
        )
    return int(text)


REQUESTS = number("FUZZ_REQUESTS", 5000)
SEED = number("FUZZ_SEED", 0)
FIRST = number("FUZZ_FIRST", 0)
GROWTH = 5_000_000
"""Bytes that all processes together may have grown by after the first tenth of the run."""


@pytest.mark.timeout(1_800)
def test_hostile_requests_get_no_5xx_crash_nothing_and_leave_memory_flat(
    shared_server: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    fuzzer = fuzzing.Fuzzer(SEED)
    warm_up = REQUESTS // 10
    before = shared_server.identities()
    began = time.monotonic()
    first = fuzzing.run(shared_server.address, fuzzer, range(FIRST, FIRST + warm_up))
    resident = shared_server.resident()
    rest = fuzzing.run(shared_server.address, fuzzer, range(FIRST + warm_up, FIRST + REQUESTS))
    seconds = time.monotonic() - began
    statuses = first.statuses + rest.statuses
    grown = shared_server.resident() - resident
    with capsys.disabled():
        tally = ", ".join(f"{name} {count:,}" for name, count in sorted(statuses.items()))
        print(f"\nfuzz: {REQUESTS:,} requests of seed {SEED} in {seconds:.0f} s; {tally};", end=" ")
        print(f"memory {resident / 1e6:.0f} MB, grown by {grown / 1e6:.1f} MB")
    faults = first.faults + rest.faults
    assert not faults, "\n".join(faults[:5]) + f"\n({len(faults)} in all)\n{shared_server.log()[-1500:]}"
    assert shared_server.identities() == before, "a process was replaced"
    assert grown < GROWTH
    assert not [status for status in statuses if status.startswith("5")]
    assert "Traceback" not in shared_server.log()


def test_a_request_is_the_same_whenever_its_seed_and_number_are() -> None:
    one, other = fuzzing.Fuzzer(7, material=20), fuzzing.Fuzzer(7, material=20)
    assert [one.case(number) for number in range(200)] == [other.case(number) for number in range(200)]
    assert fuzzing.Fuzzer(8, material=20).case(0) != one.case(0)
