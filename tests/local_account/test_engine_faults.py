"""A run on a Docker Engine of its own that is killed, and whose containers are.

`python -m tests.faults --docker` makes more of the same.
"""

import subprocess

import pytest

from tests.checkout import ROOT
from tests.faults.docker_rounds import in_own_network

pytestmark = [pytest.mark.docker, pytest.mark.slow, pytest.mark.timeout(1_800)]

SEED = "51"
KINDS = "engine-kill,training-container,processing-container,serving-container"
SETTLE_SECONDS = "300"


def test_nothing_is_lost_stuck_or_left_when_the_engine_and_containers_are_killed() -> None:
    """An image is built, trains, checks and is released; what failed says why, and is done again."""
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a network of its own takes root")
    rounds = ["--docker", "--rounds", "1", "--seed", SEED, "--only", KINDS, "--settle", SETTLE_SECONDS]
    made = subprocess.run(
        in_own_network(rounds),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout[-5_000:]
