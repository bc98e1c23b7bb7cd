"""Interrupted anywhere and run again, `fleet up` and `fleet down` reach the same state.

An instructor can press Ctrl-C at each call to the account: before it is sent, or after the account has
accepted it and before the response arrives. The calls are drawn with a seed; the suite tries a few,
`MLOPS_INTERRUPTIONS=50` sets another number.
"""

import os
import random

import pytest

from tests.lab_helpers.instructor.fleet.one_room import Interrupting, Room

pytestmark = pytest.mark.slow

INTERRUPTIONS = int(os.environ.get("MLOPS_INTERRUPTIONS", "6"))
SEED = int(os.environ.get("MLOPS_SEED", "20261123"))
LABS = ("ivy", "jon")
IN_A_ROW = 3


@pytest.mark.timeout(max(900, INTERRUPTIONS * 60))
def test_interrupted_anywhere_and_run_again_it_reaches_the_intended_state(empty_room: Room) -> None:
    room, draw, interrupted = empty_room, random.Random(SEED), 0
    longest = 60  # calls per run; grows to the actual number
    while interrupted < INTERRUPTIONS:
        for run, proof in ((room.up, room.faults), (room.clean, room.left)):
            for _ in range(IN_A_ROW):
                clients = Interrupting(room.clients, draw.randint(1, longest), after=draw.random() < 0.5)
                try:
                    run(*LABS, clients=clients)
                except KeyboardInterrupt:
                    interrupted += 1
                assert clients.interrupted or clients.calls < longest
            clients = Interrupting(room.clients)
            run(*LABS, clients=clients)
            longest = max(longest, min(clients.calls, 400))
            assert proof(*LABS) == [], f"seed {SEED}, after {interrupted} interruptions"
