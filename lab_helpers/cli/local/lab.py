"""`local lab`: a learner's own lab on this machine, opened in JupyterLab."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import webbrowser
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlsplit

import typer

from lab_helpers.cli import ui
from lab_helpers.cli.local.account import (
    DEFAULT_STATE,
    LabId,
    Port,
    State,
    ahead,
    clients_of,
    daemon_of,
    loaded_session,
    make,
    package_index,
    readable_errors,
    start,
)

FIRST = "00_welcome.ipynb"


def lab(
    state: State = DEFAULT_STATE,
    port: Port = None,
    participant: LabId = "",
    browser: Annotated[
        bool | None,
        typer.Option(
            "--browser/--no-browser",
            help="Open a browser, or only print the address. Default: open one if there is a display.",
        ),
    ] = None,
    restart: Annotated[
        bool,
        typer.Option("--restart", help="If the workshop has changed, take it now: running kernels end."),
    ] = False,
) -> None:
    """Open a lab of your own in JupyterLab; the engine, the account and the lab are made if they are missing.

    Everything keeps running in the background when the command ends. Run it again at any time: it opens the
    notebook that you last worked in. `local down` stops everything and keeps your work.
    """
    with readable_errors():
        daemon = daemon_of(state)
        fresh = daemon.pid is None or daemon.outdated
        index = ahead(package_index) if fresh else None
        session = ahead(loaded_session)

        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers.cli.instructor.deploy import deploy_lab
        from lab_helpers.lab import LabError, wait_until_provisioned
        from lab_helpers.names import Names
        from lab_helpers.stacks import DeployError

        names, screen = Names(participant), ui.console()
        steps = ui.Steps(screen)
        try:
            image = start(daemon, port, steps, index)
            clients = clients_of(daemon, session.result())
            uploaded = deploy_lab(
                clients,
                names,
                daemon.config().region,
                steps,
                restart=fresh or restart,
                wait=False,
            )
            server = ahead(  # starts while the rest is provisioned
                lambda: clients("sagemaker").create_presigned_notebook_instance_url(
                    NotebookInstanceName=names.notebook_instance
                )["AuthorizedUrl"]
            )
            home = Path(daemon.environment(names.notebook_instance)["WORKSHOP_HOME"])
            with steps.step("your lab"):
                wait_until_provisioned(home, timeout=1800, report=steps.report)
            with steps.step("JupyterLab"):
                address = address_of(server.result(), last_worked_in(home))
        except (DeployError, BotoCoreError, ClientError) as error:
            ui.fail(f"{error}\nThe account's log: {daemon.log}", ui.FAILED)
        except LabError as error:
            ui.fail(f"{error}\n`{make('lab', daemon)}` stops and starts it for you.", ui.FAILED)
        except KeyboardInterrupt:
            ui.fail(
                f"interrupted. `{make('lab', daemon)}` continues where it stopped; "
                f"`{make('down', daemon)}` stops what is running.",
                ui.INTERRUPTED,
            )
        opened = (has_display(os.environ) if browser is None else browser) and webbrowser.open(address)
        screen.print("\nOpened in your browser:" if opened else "\nOpen in your browser:")
        screen.print(f"  {address}", soft_wrap=True)
        console = f"{daemon.config().endpoint_url}/"
        screen.print(f"The console of your account: {console}", soft_wrap=True)
        if not opened and (command := forwarding(os.environ, address, console)):
            screen.print(
                "\nYou are logged in over ssh, and these are addresses of this machine. To open them on your "
                "own, run this there first,\nwith what you have logged in to as HOST, and leave it running:\n"
                f"  {command}",
                soft_wrap=True,
            )
        screen.print(
            "\nYour lab runs in the background, also after Ctrl-C and when you close this window:\n"
            f"  {make('lab', daemon)}     opens it again, where you last worked\n"
            f"  {make('down', daemon)}    stops it; your work is kept\n"
            f"  {make('reset', daemon)}   deletes it, to begin from scratch",
            soft_wrap=True,
        )
        if uploaded.changed and not (fresh or restart):
            screen.print(
                f"The workshop has changed. Your lab gets the new version after `{make('down', daemon)}` and "
                f"`{make('lab', daemon)}`.",
                soft_wrap=True,
            )
        if not image.done():
            try:
                with steps.step("base image, which notebook 01 needs"):
                    image.result()
            except KeyboardInterrupt:
                ui.fail("interrupted. Your lab is open; `make lab` finishes the base image.", ui.INTERRUPTED)


def address_of(authorized_url: str, notebook: str) -> str:
    """Return the address at which an instance's JupyterLab opens a notebook, which begins at the volume."""
    parts = urlsplit(authorized_url)
    return parts._replace(path=f"{parts.path}/tree/{quote(notebook)}").geturl()


def last_worked_in(home: Path) -> str:
    """Return the notebook that was changed last since it was copied here; the first if none was."""
    folder = home / "notebooks"
    try:
        copied = json.loads((home / ".workshop" / "exercises.json").read_text())
    except (FileNotFoundError, ValueError):
        copied = {}
    changed = [
        path
        for path in folder.glob("[0-9][0-9]*.ipynb")
        if copied.get(path.name) not in (None, hashlib.sha256(path.read_bytes()).hexdigest())
    ]
    newest = max(changed, key=lambda path: path.stat().st_mtime, default=folder / FIRST)
    return newest.relative_to(home).as_posix()


def forwarding(environment: Mapping[str, str], *addresses: str) -> str:
    """Return the ssh command that makes addresses of this machine work on the learner's; empty without ssh.

    JupyterLab and the account answer to loopback names only, so a port keeps its number on both machines.
    """
    if not environment.get("SSH_CONNECTION"):
        return ""
    ports = dict.fromkeys(urlsplit(address).port for address in addresses)
    return " ".join(["ssh -N", *(f"-L {port}:127.0.0.1:{port}" for port in ports), "HOST"])


def has_display(environment: Mapping[str, str]) -> bool:
    """Return whether a browser that is started here can be seen: not over ssh, nor in a container."""
    return sys.platform in ("darwin", "win32") or any(
        environment.get(name) for name in ("BROWSER", "DISPLAY", "WAYLAND_DISPLAY")
    )
