"""`doctor --trial`: one lab from deployment to deletion, with a report to pass on."""

from __future__ import annotations

import os
from pathlib import Path

import typer

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.commands import typed

REPOSITORY = Path(__file__).resolve().parents[3]
TTL = "1d"


def run_trial(
    participant: str,
    region: str | None,
    source_provider: str,
    notebooks: str | None,
    output: Path,
    *,
    keep: bool,
    yes: bool,
) -> None:
    """Run the trial, write the report as JSON and as a page, and exit with status 1 if anything is wrong."""
    with ui.readable_errors():
        from lab_helpers.instructor.fleet.provision import Plan
        from lab_helpers.instructor.package import package
        from lab_helpers.instructor.trial import try_out
        from lab_helpers.instructor.ttl import expires_at
        from lab_helpers.names import InvalidNameError, Names
        from lab_helpers.runner.plan import PlanError, declared_parameters, plan

        try:
            names = Names(participant)
            chosen = plan(REPOSITORY / "notebooks", notebooks, participant)
            usual = {one.path for one in plan(REPOSITORY / "notebooks")}
        except (InvalidNameError, PlanError) as error:
            ui.fail(str(error), ui.USAGE)
        arguments = ["--participant", participant]
        arguments += ["--notebooks", notebooks] if notebooks else []
        if any("decision" in declared_parameters(one.path) for one in chosen):
            arguments += ["--parameters", "decision=approve"]
        ui.make_folder("--output", output)
        account = labs.connect(region)
        on_request = sum(one.path not in usual for one in chosen)
        effort = f"{1 + on_request} hours and as many dollars" if on_request else "an hour and a dollar"
        if not yes:
            ui.confirm(
                f"Deploy lab {participant} in account {account.id}, {account.region}, run {len(chosen)} "
                f"notebooks on it, and delete it? That takes about {effort} on AWS."
            )
        screen = ui.console()
        trial = try_out(
            account.clients,
            names,
            Plan(
                account.region,
                account.id,
                package(REPOSITORY),
                REPOSITORY / "cfn" / "m.yml",
                {"SourceProvider": source_provider},
                expires_at(TTL),
            ),
            local=bool(os.environ.get("AWS_ENDPOINT_URL")),
            arguments=tuple(arguments),
            on_request=on_request,
            keep=keep,
            report=lambda line: screen.print(f"  {line}", markup=False, soft_wrap=True),
        )
        stem = output / f"trial-{account.region}-{trial.at[:10]}"
        stem.with_suffix(".json").write_text(trial.to_json(account.id), encoding="utf-8")
        page = trial.to_markdown(account.id)
        stem.with_suffix(".md").write_text(page, encoding="utf-8")
        screen.print(page, markup=False, soft_wrap=True)
        screen.print(f"The report, without the account's id: {stem}.json, {stem}.md", soft_wrap=True)
        if trial.left:
            screen.print(
                f"[red]Delete the rest: {typed(f'clean --participant {participant}')}[/]", soft_wrap=True
            )
        raise typer.Exit(0 if trial.good else ui.FAILED)
