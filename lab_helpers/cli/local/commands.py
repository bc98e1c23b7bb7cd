"""`local …`: start and stop the local account, and run the whole workshop in it."""

from __future__ import annotations

import json
import os
import shlex
import time
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lab_helpers.cli import ui
from lab_helpers.cli.local.account import (
    DEFAULT_STATE,
    REPOSITORY,
    STATE_VARIABLE,
    LabId,
    Port,
    State,
    ahead,
    clients_of,
    daemon_of,
    elsewhere,
    loaded_session,
    make,
    package_index,
    readable_errors,
    start,
)
from lab_helpers.cli.local.lab import lab
from lab_helpers.commands import typed
from lab_helpers.display import duration

if TYPE_CHECKING:
    from mypy_boto3_codepipeline import CodePipelineClient

    from local_account.foundation.daemon import Daemon

app = typer.Typer(
    help="The local account: the workshop's AWS APIs on loopback ports, doing the real work.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
)
Instance = Annotated[
    str | None,
    typer.Option("--notebook-instance", help="Act as this notebook instance, with its role's credentials."),
]

app.command()(lab)


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

    with readable_errors():
        url = f"{daemon_of(state).config().endpoint_url}/_codeconnections/"
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
    with readable_errors():
        daemon, screen = daemon_of(state), ui.console()
        steps = ui.Steps(screen)
        image = start(daemon, port, steps)
        with steps.step("base image"):
            image.result()
        screen.print(
            f"The account answers at {daemon.config().endpoint_url}; log: {daemon.log}", soft_wrap=True
        )
        screen.print(f"Its console, for a browser: {daemon.config().endpoint_url}/", soft_wrap=True)
        screen.print(f"Work through the notebooks: {make('lab', daemon)}", soft_wrap=True)
        screen.print(f'Use it in a shell: eval "$({typed(f"local env{elsewhere(daemon)}")})"', soft_wrap=True)


@app.command()
def down(
    state: State = DEFAULT_STATE,
    keep_engine: Annotated[
        bool, typer.Option("--keep-engine", help="Do not stop a Docker Engine that `up` started.")
    ] = False,
) -> None:
    """Stop the account, everything it started, and the engine if `up` started it; the state is kept."""
    with readable_errors():
        steps = ui.Steps(ui.console())
        with steps.step("stop the local account"):
            if not daemon_of(state).stop():
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
    with readable_errors():
        daemon = daemon_of(state)
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
    with readable_errors():
        daemon = daemon_of(state)
        found = _status(daemon)
        if as_json:
            print(json.dumps(found, indent=2, default=str))
        else:
            table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
            if found["process"] is None:
                found["process"] = f"not running: `{make('lab', daemon)}` starts it"
            for name, value in found.items():
                lines = (
                    [f"{key}: {content}" for key, content in value.items()]
                    if isinstance(value, dict)
                    else [value]
                )
                table.add_row(name.replace("_", " "), "\n".join(map(str, lines)) or "none")
            ui.console().print(table)
    raise typer.Exit(0 if "endpoint" in found else ui.FAILED)


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
    clients = clients_of(daemon)
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


@app.command()
def env(state: State = DEFAULT_STATE, notebook_instance: Instance = None) -> None:
    """Print `export` lines for `eval "$(python -m lab_helpers local env)"`."""
    with readable_errors():
        for name, value in _environment(daemon_of(state), notebook_instance).items():
            if os.environ.get(name) != value:
                print(f"export {name}={shlex.quote(value)}")


def _environment(daemon: Daemon, notebook_instance: str | None) -> dict[str, str]:
    """Return the environment to use the account in, where `local …` without --state means it, too."""
    found = daemon.environment(notebook_instance)
    return found if notebook_instance else found | {STATE_VARIABLE: str(daemon.state)}


@app.command(name="exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    command: Annotated[list[str], typer.Argument(help="The command and its arguments, after `--`.")],
    state: State = DEFAULT_STATE,
    notebook_instance: Instance = None,
) -> None:
    """Run a command in the environment of the account, or of an instance: `local exec -- aws s3 ls`."""
    with readable_errors():
        environment = _environment(daemon_of(state), notebook_instance)
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
    with readable_errors():
        log = daemon_of(state).log
        if not log.exists():
            ui.fail(f"there is no log yet ({log}): start the account with `make up`", ui.FAILED)
        os.execvp("tail", ["tail", "-n", str(lines), *(["-F"] if follow else []), str(log)])  # noqa: S606


@app.command()
def run(
    state: State = DEFAULT_STATE,
    port: Port = None,
    participant: LabId = "",
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
    with readable_errors():
        daemon = daemon_of(state)
        index = None if daemon.pid else ahead(package_index)
        session = ahead(loaded_session)

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
        image = start(daemon, port, steps, index)
        clients, runner = clients_of(daemon, session.result()), InstanceRun()
        try:
            deploy_lab(
                clients,
                names,
                daemon.config().region,
                steps,
                parameters=of_stack,
                restart=True,
                wait=False,
            )
        except (DeployError, BotoCoreError, ClientError) as error:
            ui.fail(f"{error}\nThe account's log: {daemon.log}", ui.FAILED)
        environment = daemon.environment(names.notebook_instance)
        ending = None
        if {"03", "04"} <= {one.number for one in planned}:
            ending = ahead(lambda: _end_earlier(clients("codepipeline"), names.train_pipeline))
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
            ui.fail(f"{error}\nRunning the same command again does so, too.", ui.FAILED)
        _summarise(screen, steps, output, time.monotonic() - begin, ended, daemon)
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


def _summarise(
    screen: Console, steps: ui.Steps, output: Path, seconds: float, ended: int, daemon: Daemon
) -> None:
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
            f"What was deployed is still running: see `{make('status', daemon)}`; "
            f"stop everything with `{make('down', daemon)}`.",
            soft_wrap=True,
        )
    elif ended == ui.INTERRUPTED:
        screen.print(
            "\nStopped. Run the same command again to continue; "
            f"`{make('down', daemon)}` stops what is still running.",
            soft_wrap=True,
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
