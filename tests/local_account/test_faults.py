"""Whole runs of an account that is killed, loses its handlers and builds, and whose disk gets full.

`python -m tests.faults` makes more of the same. FAULTS says how many (12), and FAULT_SEED at which points.
"""

import os
from pathlib import Path

import pytest

from tests.faults.injuries import INJURIES
from tests.faults.rounds import PROCESSES, Rounds, account

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]

FAULTS = int(os.environ.get("FAULTS", "12"))
SEED = int(os.environ.get("FAULT_SEED", "0"))
SETTLE_SECONDS = 300
"""A busy machine takes long; a delivery that is lost never comes."""


def test_nothing_is_lost_stuck_or_doubled_by_a_dozen_faults(tmp_path: Path) -> None:
    kinds = [name for name in INJURIES if "slow" not in name]  # those take a compiler
    rounds = Rounds(PROCESSES, SEED, kinds, SETTLE_SECONDS)
    with account(tmp_path, None) as (lab, patient):
        while rounds.made < FAULTS:
            assert rounds.run(lab, patient), rounds.failures
