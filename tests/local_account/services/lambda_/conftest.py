"""Functions in the session's account: created from source text, deleted after the test."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from tests import zips
from tests.local_account.iam_roles import make_role
from tests.local_account.services.lambda_.settling import settle

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


def zipped(source: str, **files: str) -> bytes:
    return zips.zipped({f"{name}.py": text for name, text in {"app": source, **files}.items()})


@pytest.fixture(scope="session")
def package() -> Callable[..., bytes]:
    """Make a zip with ``app.py`` and further modules."""
    return zipped


@pytest.fixture(scope="session")
def role(client: Callable[[str], Any]) -> str:
    return make_role(client("iam"), "handlers", "lambda.amazonaws.com")


@pytest.fixture
def awslambda(client: Callable[[str], Any]) -> LambdaClient:
    awslambda: LambdaClient = client("lambda")
    return awslambda


@pytest.fixture
def create(awslambda: LambdaClient, role: str) -> Iterator[Callable[..., Any]]:
    """Create a function whose module ``app`` has the given source; return the answer once it is Active."""
    names: list[str] = []

    def make(name: str, source: str, **params: Any) -> Any:
        names.append(name)
        defaults = {"Runtime": "python3.13", "Handler": "app.handler", "Role": role, "Timeout": 20}
        created = awslambda.create_function(
            **{"FunctionName": name, "Code": {"ZipFile": zipped(source)}, **defaults, **params}
        )
        settle(awslambda, name)
        return created

    yield make
    for name in names:
        with contextlib.suppress(awslambda.exceptions.ResourceNotFoundException):
            awslambda.delete_function(FunctionName=name)


@pytest.fixture
def call(awslambda: LambdaClient) -> Callable[..., Any]:
    """Invoke a function; return the decoded answer, or the error payload and its kind."""

    def invoke(name: str, event: Any = None, **params: Any) -> Any:
        answer = awslambda.invoke(FunctionName=name, Payload=json.dumps(event).encode(), **params)
        content = json.loads(answer["Payload"].read())
        return (answer["FunctionError"], content) if "FunctionError" in answer else content

    return invoke
