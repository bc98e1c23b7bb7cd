"""The command line `python -m lab_helpers`.

A notebook instance has only the commands that run there; the folders of the others are not shipped.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from lab_helpers.cli import pages, releases, run, times, ui

INSTRUCTOR = ("deploy", "doctor", "cost", "clean", "reset", "fleet", "content")
LOCAL = "local"

app = typer.Typer(
    name="lab_helpers",
    help="Deploy, run and manage the MLOps workshop, on AWS or on this machine.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
app.command("run")(run.run)
app.command("times")(times.times)
app.command("pages")(pages.pages)
app.command("versions")(releases.versions)
app.command("release")(releases.release)
app.command("rollback")(releases.rollback)


def _add(name: str, module: str, needs: str) -> None:
    """Add a command whose folder a notebook instance does not have."""
    if find_spec(needs) is None:
        anything = {"ignore_unknown_options": True}
        absent = app.command(name, hidden=True, context_settings=anything, add_help_option=False)
        absent(_absent(name, needs))
        return
    found = import_module(module)
    if isinstance(group := getattr(found, "app", None), typer.Typer):
        app.add_typer(group, name=name)
    else:
        app.command(name)(getattr(found, name))


def _absent(name: str, needs: str) -> Callable[..., None]:
    def absent(_: Annotated[list[str] | None, typer.Argument()] = None) -> None:
        ui.fail(
            f"`{name}` is not available here: {needs.replace('.', '/')} is missing, as it is on a notebook "
            "instance. Run the command from a checkout of the workshop's repository.",
            ui.USAGE,
        )

    return absent


for _name in INSTRUCTOR:
    _add(_name, f"lab_helpers.cli.instructor.{_name}", "lab_helpers.cli.instructor")
_add(LOCAL, "lab_helpers.cli.local.commands", "local_account")


def main() -> None:
    """Entry point; exit status 0, 1 (failed), 2 (usage) or 130 (interrupted)."""
    app(prog_name="python -m lab_helpers")
