"""One workshop for all end-to-end tests: the notebooks as shipped, run once from first to last."""

import csv
import os
from collections.abc import Iterator

import pytest

from tests.e2e.one_workshop import REPOSITORY, Workshop


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workshop]:
    """The workshop after a complete run of its notebooks."""
    workshop = Workshop(tmp_path_factory.mktemp("workshop"))
    try:
        workshop.run()
        yield workshop
    finally:
        workshop.command("down", "--keep-engine")
        workshop.daemon.forget_images()


@pytest.fixture(scope="session")
def examples() -> tuple[list[list[float]], list[str]]:
    """All rows of the data set and their species."""
    with (REPOSITORY / "notebooks" / "data" / "iris.csv").open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    return [[float(cell) for cell in line[:4]] for line in lines], [line[4] for line in lines]


@pytest.fixture(autouse=True, scope="session")
def no_account_of_the_caller() -> None:
    """No test here may reach the account in the caller's environment."""
    for name in [name for name in os.environ if name.startswith("AWS_") and name != "AWS_CA_BUNDLE"]:
        del os.environ[name]
