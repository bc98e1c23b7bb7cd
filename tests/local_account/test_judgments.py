"""The shipped monitor and pipeline, while events get lost, late, out of order and doubled.

`python -m tests.faults.judgments` makes two hundred executions of it. EVENTS_SEED says which events suffer.
"""

import os
from pathlib import Path

import pytest

from tests.faults.judging import judging

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

SEED = int(os.environ.get("EVENTS_SEED", "0"))
EXECUTIONS = 20


def test_each_approval_gets_one_answer_and_each_model_one_version_whatever_happens_to_the_events(
    tmp_path: Path,
) -> None:
    with judging(tmp_path, SEED) as lab:
        lab.run(EXECUTIONS)
        assert not lab.problems(), lab.summary()
        fates = [one["delays"] for one in lab.noted() if "delays" in one]
    assert any(not one for one in fates)
    assert any(len(one) > 1 for one in fates)
    assert any(any(one) for one in fates)
