"""An account with short limits, and one that also has an image that trains and serves."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.local_account.account_process import AccountProcess
from tests.local_account.services.sagemaker.sagemaker_lab import SageMakerLab

# The limits on AWS are minutes; everything else is the unmodified program.
PROGRAM = """
import sys
from local_account.services import sagemaker
from local_account.services.sagemaker import processing_outputs
from local_account.__main__ import main
sagemaker.SageMaker.stop_grace_seconds = 1
sagemaker.SageMaker.processing_grace_seconds = 1
sagemaker.SageMaker.startup_seconds = 6
sagemaker.SageMaker.health_seconds = 1
sagemaker.SageMaker.lifecycle_seconds = 10
sagemaker.SageMaker.metrics_seconds = 2
sagemaker.SageMakerRuntime.timeout_seconds = 2
processing_outputs.Outputs.continuous_seconds = 1
sys.exit(main())
"""


@pytest.fixture(scope="session")
def impatient(account_process: type[AccountProcess]) -> Callable[[Path], AccountProcess]:
    """Create an account, not started, that gives up after seconds where AWS waits for minutes."""

    def make(state: Path) -> AccountProcess:
        return account_process(state, program=("-c", PROGRAM))

    return make


@pytest.fixture(scope="module")
def lab(
    impatient: Callable[[Path], AccountProcess], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SageMakerLab]:
    """An account for the tests of one module, without an image."""
    account = impatient(tmp_path_factory.mktemp("sagemaker") / "state").start()
    prepared = SageMakerLab(account).prepare()
    yield prepared
    prepared.close()


@pytest.fixture(scope="module")
def image_lab(lab: SageMakerLab) -> SageMakerLab:
    """The same lab with an image."""
    return lab.push_image()
