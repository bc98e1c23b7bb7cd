"""One workshop for all end-to-end tests: the notebooks as shipped, run once from first to last."""

import csv
import os
from collections.abc import Iterator

import pytest

from tests.e2e.one_workshop import REPOSITORY, Workshop

AT_THE_END = (
    "test_earlier_releases",
    "test_whole_run",
    "test_retraining_lesson",
    "test_solutions",
    "test_clean_up",
    "test_permissions",
)
"""Modules after all others, in this order: releases bring DEV back from what test_failures has done to it,
what the lessons have left is looked at before exercises change it, the lab is deleted last, and then it is
known which permissions were used."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the tests of this folder in the order that they need; those of other folders keep their places."""
    places = [place for place, item in enumerate(items) if item.path.parent.name == "e2e"]
    late = {name: place for place, name in enumerate(AT_THE_END)}
    ordered = sorted((items[place] for place in places), key=lambda item: late.get(item.path.stem, -1))
    for place, item in zip(places, ordered, strict=True):
        items[place] = item


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
