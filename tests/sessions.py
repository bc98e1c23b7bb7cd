"""One boto3 session per test process: another would read botocore's tables again (13 MB, 0.1 s)."""

import functools
import threading
from typing import Any

import boto3

_ONE_AT_A_TIME = threading.Lock()  # threads can share clients, but must not create them concurrently


@functools.cache
def shared_session() -> boto3.Session:
    """Return the session; clients without credentials get ones that no account accepts."""
    return boto3.Session("test", "test", region_name="eu-west-1")


def make_client(service: str, **arguments: Any) -> Any:
    """Return a new client; the arguments are those of boto3's ``Session.client``."""
    with _ONE_AT_A_TIME:
        return shared_session().client(service, **arguments)
