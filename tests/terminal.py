"""An instructor's terminal: this process in the environment of a local account, without its AWS settings."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
import pytest

from lab_helpers.shared_clients import SharedClients
from local_account.foundation.daemon import Daemon


@contextmanager
def terminal(daemon: Daemon) -> Iterator[SharedClients]:
    """Enter the environment of a running account; yield clients as the commands use them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in daemon.environment().items():
            if name.startswith("AWS_"):
                patch.setenv(name, value)
        yield SharedClients(boto3.Session())
