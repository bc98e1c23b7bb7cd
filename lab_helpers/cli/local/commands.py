"""`local …`: start and stop the local account, and run the whole workshop in it."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from lab_helpers.cli import ui
from lab_helpers.display import duration

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_codepipeline import CodePipelineClient

    from lab_helpers.clients import Clients
    from local_account.foundation.daemon import Daemon

REPOSITORY = Path(__file__).resolve().parents[3]

app = typer.Typer(
    help="The local account: the workshop's AWS APIs on loopback ports, doing the real work.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
State = Annotated[
    Path,
    typer.Option(
        "--state",
        envvar="MLOPS_LOCAL_STATE",
        help="Directory for the account's state.",
        show_default=False,
    ),
]
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
Instance = Annotated[
    str | None,
    typer.Option("--notebook-instance", help="Act as this notebook instance, with its role's credentials."),
]
DEFAULT_STATE = REPOSITORY / ".local"
T = TypeVar("T")


def _readable_errors() -> contextlib.AbstractContextManager[None]:
    from local_account.engine.errors import EngineError
    from local_account.foundation.daemon import DaemonError

    return ui.readable_errors(EngineError, DaemonError)


def _daemon(state: Path) -> Daemon:
    from local_account.foundation.daemon import Daemon

    return Daemon(state.absolute())


def _ahead(work: Callable[[], T]) -> Future[T]:
    """Start slow work in a thread before its result is needed."""
    pool = ThreadPoolExecutor(1, thread_name_prefix=work.__name__)
    future = pool.submit(work)
    pool.shutdown(wait=False)
    return future


def _package_index() -> dict[str, str]:
    from local_account.engine.package_index import child_environment

    return child_environment()  # asks pip for its configuration, which takes half a second


def _start(
    daemon: Daemon, port: int | None, steps: ui.Steps, package_index: Future[dict[str, str]] | None = None
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

    image = _ahead(base_image)
    with steps.step("local account"):
        if daemon.outdated:
            steps.report("its code has changed: restarting it; its state is kept")
            daemon.stop()
            running = False
        if running:
            steps.report(f"already running, process {daemon.pid}")
        else:
            index = (package_index or _ahead(_package_index)).result()
            daemon.start(docker_host, {**os.environ, **index}, daemon.ports_from(port))
    return image


@app.command()
def connect(
    connection: Annotated[str, typer.Argument(help="ARN of the connection.")],
    name: Annotated[str, typer.Argument(help="Repository of the provider, as OWNER/NAME.")],
    repository: Annotated[str, typer.Argument(help="Repository of the local CodeCommit.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Complete a pending connection: a repository of CodeCommit stands for one of GitHub or another host.

    On AWS, a connection is completed in the console. Here, it becomes AVAILABLE with its first repository.
    """
    import urllib.error
    import urllib.request

    with _readable_errors():
        url = f"{_daemon(state).config().endpoint_url}/_codeconnections/"
        body = json.dumps({"connection": connection, "name": name, "repository": repository}).encode()
        request = urllib.request.Request(url, body, method="POST")  # noqa: S310 - our own http URL
        try:
            with urllib.request.urlopen(request):  # noqa: S310 - our own http URL
                ui.console().print(f"{name} is the repository {repository} of the local CodeCommit")
        except urllib.error.HTTPError as error:
            raise typer.BadParameter(error.read().decode().strip()) from None
        except OSError as error:
            raise typer.BadParameter(f"The account does not answer ({error}): run 'make up'") from None


@app.command()
def up(state: State = DEFAULT_STATE, port: Port = None) -> None:
    """Start the account in the background, with a Docker Engine and the base image if they are missing."""
    with _readable_errors():
        daemon, screen = _daemon(state), ui.console()
        steps = ui.Steps(screen)
        image = _start(daemon, port, steps)
        with steps.step("base image"):
            image.result()
        screen.print(
            f"The account answers at {daemon.config().endpoint_url}; log: {daemon.log}", soft_wrap=True
        )
        screen.print(f"Its console, for a browser: {daemon.config().endpoint_url}/", soft_wrap=True)
        screen.print('Use it in a shell: eval "$(python -m lab_helpers local env)"', soft_wrap=True)


@app.command()
def down(
    state: State = DEFAULT_STATE,
    keep_engine: Annotated[
        bool, typer.Option("--keep-engine", help="Do not stop a Docker Engine that `up` started.")
    ] = False,
) -> None:
    """Stop the account, everything it started, and the engine if `up` started it; the state is kept."""
    with _readable_errors():
        steps = ui.Steps(ui.console())
        with steps.step("stop the local account"):
            if not _daemon(state).stop():
                steps.report("it was not running")
        if not keep_engine:
            _leave_engine(state, steps)


def _leave_engine(state: Path, steps: ui.Steps) -> None:
    from local_account.engine.home import engine_home
    from local_account.engine.users import release

    begin = time.monotonic()
    # Nothing is released, nor reported, if another account uses the engine or we did not start it.
    if release(engine_home(), state):
        steps.done("stop the Docker Engine that the workshop started", time.monotonic() - begin)


@app.command()
def reset(
    state: State = DEFAULT_STATE,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Stop the account and delete its state. The engine keeps its layer cache, so the next run is fast."""
    with _readable_errors():
        daemon = _daemon(state)
        if not yes and daemon.state.exists():
            ui.confirm(f"Remove everything in {daemon.state}?")
        steps = ui.Steps(ui.console())
        with steps.step(f"reset {daemon.state}"):
            if not daemon.reset():
                steps.report("there was nothing to delete")
        _leave_engine(state, steps)


@app.command()
def status(
    state: State = DEFAULT_STATE,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")] = False,
) -> None:
    """Show what runs: engine, account, stacks, instances, endpoints. Exit status 1 if no account runs."""
    with _readable_errors():
        found = _status(_daemon(state))
        if as_json:
            print(json.dumps(found, indent=2, default=str))
        else:
            table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            for name, value in found.items():
                lines = (
                    [f"{key}: {content}" for key, content in value.items()]
                    if isinstance(value, dict)
                    else [value]
                )
                table.add_row(name.replace("_", " "), "\n".join(map(str, lines)) or "none")
            ui.console().print(table)
    raise typer.Exit(0 if found["process"] else ui.FAILED)


def _status(daemon: Daemon) -> dict[str, Any]:
    from local_account.engine import engine_home, find_engine

    engine = daemon.docker_host() or find_engine()
    found: dict[str, Any] = {
        "engine": f"{engine}{' (from the workshop)' if engine and str(engine_home()) in engine else ''}",
        "state": daemon.state,
        "process": daemon.pid,
    }
    if daemon.pid is None:
        return found
    import psutil

    process = psutil.Process(daemon.pid)
    config = daemon.config()
    found |= {
        "endpoint": config.endpoint_url,
        "console": f"{config.endpoint_url}/",
        "up_for": duration(time.time() - process.create_time()),
        "memory": f"{process.memory_info().rss / 1e6:.0f} MB",
    }
    clients = _clients(daemon)
    stacks = clients("cloudformation").describe_stacks()["Stacks"]
    found["stacks"] = {stack["StackName"]: stack["StackStatus"] for stack in stacks}
    sagemaker = clients("sagemaker")
    found["notebook_instances"] = {
        one["NotebookInstanceName"]: one["NotebookInstanceStatus"]
        for one in sagemaker.list_notebook_instances()["NotebookInstances"]
    }
    found["endpoints"] = {
        one["EndpointName"]: one["EndpointStatus"] for one in sagemaker.list_endpoints()["Endpoints"]
    }
    return found


def _clients(daemon: Daemon, session: boto3.Session | None = None) -> Clients:
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


def _loaded_session() -> boto3.Session:
    """Return a session that has loaded the service models of a deployment, which takes half a second."""
    import boto3

    session = boto3.Session("none", "none")  # else botocore searches for credentials, finally on the network
    for service in ("sts", "s3", "cloudformation", "sagemaker", "codepipeline"):
        session.client(service, region_name="us-east-1")
    return session


@app.command()
def env(state: State = DEFAULT_STATE, notebook_instance: Instance = None) -> None:
    """Print `export` lines for `eval "$(python -m lab_helpers local env)"`."""
    with _readable_errors():
        for name, value in _daemon(state).environment(notebook_instance).items():
            if os.environ.get(name) != value:
                print(f"export {name}={shlex.quote(value)}")


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")],
    state: State = DEFAULT_STATE,
    notebook_instance: Instance = None,
) -> None:
    """Run a command in the environment of the account, or of an instance: `local exec -- aws s3 ls`."""
    with _readable_errors():
        environment = _daemon(state).environment(notebook_instance)
        try:
            os.execvpe(command[0], command, {**os.environ, **environment})  # noqa: S606 - no shell wanted
        except FileNotFoundError:
            ui.fail(f"command not found: {command[0]}", 127)


@app.command()
def logs(
    state: State = DEFAULT_STATE,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Keep printing as the log grows.")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="Number of lines to show from the end.")] = 100,
) -> None:
    """Show the log of the account's server."""
    with _readable_errors():
        log = _daemon(state).log
        if not log.exists():
            ui.fail(f"there is no log yet ({log}): start the account with `local up`", ui.FAILED)
        os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log)])  # noqa: S606


@app.command()
def run(
    state: State = DEFAULT_STATE,
    port: Port = None,
    participant: Annotated[
        str, typer.Option("--participant", help="Lab id; empty for the default lab.")
    ] = "",
    notebooks: Annotated[
        str | None, typer.Option("--notebooks", "-n", help="Notebooks to run: `01,03-04`. Default: all.")
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--parameters", "-p", help="`name=value`, `03.name=value` or a YAML file; repeatable."),
    ] = None,
    decision: Annotated[
        str, typer.Option("--decision", help="The decision at DeployApproval: `approve` or `reject`.")
    ] = "approve",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder for outputs and pages. Default: `runs/<time>`."),
    ] = None,
    stack_parameters: Annotated[
        list[str] | None,
        typer.Option("--stack-parameter", help="A parameter of `cfn/m.yml` as `Name=value`; repeatable."),
    ] = None,
) -> None:
    """Run the whole workshop on this machine: engine, account, stacks, then the notebooks on an instance.

    What already exists is kept, so an interrupted run continues where it stopped.
    """
    with _readable_errors():
        daemon = _daemon(state)
        package_index = None if daemon.pid else _ahead(_package_index)
        session = _ahead(_loaded_session)

        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.cli.instructor.deploy import deploy_lab
        from lab_helpers.cli.local.instance_run import InstanceRun
        from lab_helpers.lab import LabError
        from lab_helpers.names import Names
        from lab_helpers.runner.plan import PlanError, declared_parameters, plan
        from lab_helpers.stacks import DeployError

        begin, names, screen = time.monotonic(), Names(participant), ui.console()
        try:  # report a wrong command before minutes of work, not after
            planned = plan(REPOSITORY / "notebooks", notebooks, participant or None, parameters or ())
        except PlanError as error:
            ui.fail(str(error), ui.USAGE)
        of_stack = ui.pairs("--stack-parameter", stack_parameters)
        _check(decision, output)
        steps = ui.Steps(screen)
        image = _start(daemon, port, steps, package_index)
        clients, runner = _clients(daemon, session.result()), InstanceRun()
        try:
            deploy_lab(
                clients,
                names,
                daemon.config().region,
                steps,
                parameters=of_stack,
                restart=True,
                wait_for_stacks=False,
            )
        except (DeployError, BotoCoreError, ClientError) as error:
            ui.fail(f"{error}\nThe account's log: {daemon.log}", ui.FAILED)
        environment = daemon.environment(names.notebook_instance)
        ending = None
        if {"03", "04"} <= {one.number for one in planned}:
            ending = _ahead(lambda: _end_earlier(clients("codepipeline"), names.train_pipeline))
        given = list(parameters or ())
        if any("decision" in declared_parameters(one.path) for one in planned):
            given.insert(0, f"decision={decision}")
        if ending is not None:
            with steps.step("earlier executions"):
                for line in ending.result():
                    steps.report(line)
        if not image.done():
            with steps.step("wait for the base image"):
                image.result()
        image.result()
        output = (output or REPOSITORY / "runs" / f"{datetime.now().astimezone():%Y%m%d-%H%M%S}").absolute()
        arguments = ["--output", str(output)]
        for option, value in (("--participant", participant or None), ("--notebooks", notebooks)):
            arguments += [option, value] if value else []
        for one in given:
            arguments += ["--parameters", str(Path(one).absolute()) if Path(one).is_file() else one]
        try:
            ended = runner.run(environment, arguments, steps.report)
        except LabError as error:
            ui.fail(str(error), ui.FAILED)
        _summarise(screen, steps, output, time.monotonic() - begin, ended)
    raise typer.Exit(ended)


def _check(decision: str, output: Path | None) -> None:
    from lab_helpers.approvals import DECISIONS

    if decision not in DECISIONS:
        ui.fail(f"--decision {decision!r} is neither {' nor '.join(DECISIONS)}", ui.USAGE)
    if output is not None:
        ui.make_folder("--output", output)


def _end_earlier(pipelines: CodePipelineClient, pipeline: str) -> list[str]:
    from lab_helpers.runner.earlier import end_earlier_executions

    said: list[str] = []
    end_earlier_executions(pipelines, pipeline, said.append)
    return said


def _summarise(screen: Console, steps: ui.Steps, output: Path, seconds: float, ended: int) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("part")
    table.add_column("time", justify="right")
    for name, took in steps.seconds.items():
        table.add_row(name, duration(took))
    summary = output / "summary.json"
    if summary.exists():
        ran = json.loads(summary.read_text())
        if ran["waited_seconds"]:
            table.add_row("provisioning", duration(ran["waited_seconds"]))
        for notebook in ran["notebooks"]:
            table.add_row(f"{notebook['name']} ({notebook['status']})", duration(notebook["seconds"]))
    table.add_row("all", duration(seconds), style="bold", end_section=True)
    screen.print()
    screen.print(table)
    if ended == 0:
        screen.print(
            f"\nEverything ran. The executed notebooks: {output / 'index.html'}\n"
            "What was deployed is still running: see `make status`; stop everything with `make down`.",
            soft_wrap=True,
        )
    elif ended == ui.INTERRUPTED:
        screen.print(
            "\nStopped. Run the same command again to continue; `make down` stops what is still running."
        )
    elif not summary.exists():
        screen.print(
            "\nFailed before the first notebook (see above). Fix the cause and run the same command again."
        )
    else:
        screen.print(
            f"\nFailed: see {output / 'index.html'}. Fix the cause and run the same command again.",
            soft_wrap=True,
        )
