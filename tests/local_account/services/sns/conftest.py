"""Topics, and functions that record what they receive."""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.local_account.iam_roles import make_role
from tests.local_account.services.events.recorder import Recorder


@pytest.fixture
def sns(client: Callable[[str], Any]) -> Any:
    return client("sns")


@pytest.fixture
def topic(sns: Any) -> Iterator[str]:
    """The ARN of a topic for one test."""
    arn = str(sns.create_topic(Name=f"topic-{uuid.uuid4().hex[:8]}")["TopicArn"])
    yield arn
    sns.delete_topic(TopicArn=arn)


@pytest.fixture(scope="session")
def recorder_role_of_topics(client: Callable[[str], Any]) -> str:
    return make_role(client("iam"), "topic-recorder", "lambda.amazonaws.com")


@pytest.fixture
def subscriber(client: Callable[[str], Any], recorder_role_of_topics: str, sns: Any, topic: str) -> Recorder:
    """A function that is subscribed to the topic, which may invoke it."""
    found = Recorder(client, f"subscriber-{uuid.uuid4().hex[:8]}", recorder_role_of_topics)
    client("lambda").add_permission(
        FunctionName=found.name,
        StatementId="topic",
        Action="lambda:InvokeFunction",
        Principal="sns.amazonaws.com",
        SourceArn=topic,
    )
    sns.subscribe(TopicArn=topic, Protocol="lambda", Endpoint=found.arn)
    return found
