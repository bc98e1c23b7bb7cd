"""Rules, and functions that record what they receive."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.events.recorder import Recorder


@pytest.fixture
def events(client: Callable[[str], Any]) -> Any:
    return client("events")


@pytest.fixture(scope="session")
def recorder_role(client: Callable[[str], Any]) -> str:
    return make_role(client("iam"), "recorder", "lambda.amazonaws.com")


@pytest.fixture(scope="session")
def recorder_class() -> type[Recorder]:
    return Recorder


@pytest.fixture
def recorder(client: Callable[[str], Any], recorder_role: str) -> Callable[[str], Recorder]:
    return lambda name: Recorder(client, name, recorder_role)


@pytest.fixture
def rule(events: Any) -> Iterator[Callable[..., str]]:
    """Create a rule; it is deleted with its targets after the test."""
    names: set[str] = set()

    def make(name: str, pattern: Any = None, **params: Any) -> str:
        names.add(name)
        if pattern is not None:
            params["EventPattern"] = json.dumps(pattern)
        return str(events.put_rule(Name=name, **params)["RuleArn"])

    yield make
    for name in names:
        for target in events.list_targets_by_rule(Rule=name)["Targets"]:
            events.remove_targets(Rule=name, Ids=[target["Id"]])
        events.delete_rule(Name=name)
