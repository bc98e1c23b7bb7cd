"""Loads what the first stack would otherwise wait for, while the account is idle."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from local_account.foundation.json_schemas import jsonschema
from local_account.gateway.protocol import service_model

if TYPE_CHECKING:
    from local_account.foundation.account import Account

# In the order that a deployment needs them. EC2 is large and only needed where a subnet is given: left out.
_CLIENTS = ("s3", "iam", "ecr", "codecommit", "sagemaker", "logs", "events", "lambda", "codepipeline")
_NESTED = ("s3", "codecommit", "ecr", "sagemaker", "codebuild", "codepipeline", "lambda", "events", "logs")


def warm_up(account: Account) -> None:
    """Load libraries and service models, a step at a time, until the account stops."""
    for step in _steps(account):
        if account.tasks.stopping.is_set():
            return
        step()


def _steps(account: Account) -> Iterator[Callable[[], object]]:
    from moto.backends import get_backend

    yield jsonschema
    yield partial(get_backend, "iam")
    for service in _CLIENTS:
        yield partial(account.client, service)
    for service in _NESTED:
        yield partial(service_model, service)
    yield partial(import_module, "docker")  # otherwise the first training job waits for it
