"""The command line `python -m lab_helpers`."""

import typer

from lab_helpers.cli import clean, cost, deploy, doctor, fleet, local, reset, run, times

app = typer.Typer(
    name="lab_helpers",
    help="Run, deploy and look after the MLOps workshop, on AWS or on this machine.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
app.command("run")(run.run)
app.command("deploy")(deploy.deploy)
app.command("doctor")(doctor.doctor)
app.command("cost")(cost.cost)
app.command("clean")(clean.clean)
app.command("reset")(reset.reset)
app.command("times")(times.times)
app.add_typer(fleet.app, name="fleet")
app.add_typer(local.app, name="local")


def main() -> None:
    """Entry point; exit status 0, 1 (failed), 2 (usage) or 130 (interrupted)."""
    app(prog_name="python -m lab_helpers")
