"""What the commands `local …` share: the account, how it is started, and clients for it."""

from __future__ import annotations

import contextlib
import os
import shlex
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from lab_helpers.cli import ui

if TYPE_CHECKING:
    import boto3

    from lab_helpers.clients import Clients
    from local_account.foundation.daemon import Daemon

REPOSITORY = Path(__file__).resolve().parents[3]
DEFAULT_STATE = REPOSITORY / ".local"
STATE_VARIABLE = "MLOPS_LOCAL_STATE"
T = TypeVar("T")
State = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar=STATE_VARIABLE,
        help="Directory for the account's state.",
        show_default=False,
    ),
]
LabId = Annotated[str, typer.Option("--participant", help="Lab id; empty for the default lab.")]
Port = Annotated[
    int | None,
    typer.Option(
        "--port",
        min=0,
        max=65_533,
        help="First of three ports (default: those of the last start, else 5901). 0 picks free ones, unless "
        "those of the last start are free.",
    ),
]


def readable_errors() -> contextlib.AbstractContextManager[None]:
    """Turn the errors of the engine and of the account into a message and an exit status."""
    from local_account.engine.errors import EngineError
    from local_account.foundation.daemon import DaemonError

    return ui.readable_errors(EngineError, DaemonError)


def daemon_of(state: Path) -> Daemon:
    """Return the account in this directory, whether it runs, or exists, or not."""
    from local_account.foundation.daemon import Daemon

    return Daemon(state.absolute())


def make(target: str, daemon: Daemon) -> str:
    """Return a make target as it is typed for this account: `make lab`."""
    option = elsewhere(daemon).strip()
    return f"make {target} ARGS={shlex.quote(option)}" if option else f"make {target}"


def elsewhere(daemon: Daemon) -> str:
    """Return the option for an account in another directory than the default one; empty for that."""
    return "" if daemon.state == DEFAULT_STATE else f" --state {shlex.quote(str(daemon.state))}"


def ahead(work: Callable[[], T]) -> Future[T]:
    """Start slow work in a thread before its result is needed."""
    pool = ThreadPoolExecutor(1, thread_name_prefix=work.__name__)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def package_index() -> dict[str, str]:
    """Return what tells the account's programs where packages are; asking pip for it takes half a second."""
    from local_account.engine.package_index import child_environment

    return child_environment()


def start(
    daemon: Daemon, port: int | None, steps: ui.Steps, index: Future[dict[str, str]] | None = None
) -> Future[str]:
    """Start engine and account; the returned future completes when the base image is ready."""
    from local_account.engine import ensure_base_image, ensure_engine
    from local_account.engine.home import engine_home, require_free_space
    from local_account.engine.users import hold

    running = daemon.pid is not None
    with steps.step("Docker Engine"):
        if not running:
            daemon.claim()
            require_free_space(daemon.state)
        docker_host = ensure_engine(report=steps.report)
        hold(engine_home(), daemon.state)

    def base_image() -> str:
        begin = time.monotonic()
        try:
            return ensure_base_image(docker_host, report=steps.report)
        finally:
            steps.seconds["base image"] = time.monotonic() - begin

    image = ahead(base_image)
    with steps.step("local account"):
        if daemon.outdated:
            steps.report("its code has changed: restarting it; its state is kept")
            daemon.stop()
            running = False
        if running:
            steps.report(f"already running, process {daemon.pid}")
        else:
            index = index or ahead(package_index)
            daemon.start(docker_host, {**os.environ, **index.result()}, daemon.ports_from(port))
    return image


def clients_of(daemon: Daemon, session: boto3.Session | None = None) -> Clients:
    """Return `client(service)` for the account, regardless of this process's AWS settings."""
    import boto3

    environment, session = daemon.environment(), session or boto3.Session()
    return partial(
        session.client,
        region_name=environment["AWS_REGION"],
        endpoint_url=environment["AWS_ENDPOINT_URL"],
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
    )


def loaded_session() -> boto3.Session:
    """Return a session that has loaded the service models of a deployment, which takes half a second."""
    import boto3

    session = boto3.Session("none", "none")  # else botocore searches for credentials, finally on the network
    for service in ("sts", "s3", "cloudformation", "sagemaker", "codepipeline"):
        session.client(service, region_name="us-east-1")
    return session
