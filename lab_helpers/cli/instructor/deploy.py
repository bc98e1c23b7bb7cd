"""`deploy`: deploy one lab."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from lab_helpers.cli import ui
from lab_helpers.cli.instructor import labs
from lab_helpers.commands import typed

if TYPE_CHECKING:
    from lab_helpers.clients import Clients
    from lab_helpers.instructor.deploy import Uploaded
    from lab_helpers.names import Names
    from lab_helpers.stacks import StackEvent

REPOSITORY = Path(__file__).resolve().parents[3]
_COLOURS = {"COMPLETE": "green", "FAILED": "red"}


def deploy(
    participant: Annotated[
        str, typer.Option("--participant", help="Lab id; empty for the default lab.")
    ] = "",
    region: Annotated[
        str | None, typer.Option("--region", help="AWS Region. Default: your configuration's.")
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option("--parameter", help="A parameter of `cfn/m.yml` as `Name=value`; repeatable."),
    ] = None,
    ttl: Annotated[
        str | None,
        typer.Option(
            "--ttl",
            help="When `clean --expired` may remove the lab: `3d` (default for a new lab), `12h`, `never`.",
        ),
    ] = None,
    restart: Annotated[
        bool, typer.Option("--restart", help="Restart a running instance if the package has changed.")
    ] = False,
) -> None:
    """Upload the workshop, deploy the top stack and wait until the notebook instance is ready.

    Creates or updates the lab, on AWS or in the local account. Also prints how to open JupyterLab, and a
    link that launches the same stack from the console.
    """
    with ui.readable_errors():
        import boto3
        from botocore.exceptions import BotoCoreError, ClientError

        from lab_helpers import console
        from lab_helpers.instructor.deploy import launch_link
        from lab_helpers.instructor.ttl import DEFAULT_TTL, TtlError, expires_at
        from lab_helpers.names import Names
        from lab_helpers.stacks import DeployError

        session = boto3.Session(region_name=region)
        labs.require_region(session.region_name)
        parameters = ui.pairs("--parameter", parameter)
        try:
            expires_at(ttl or DEFAULT_TTL)
        except TtlError as error:
            ui.fail(f"--ttl: {error}", ui.USAGE)
        names, screen = Names(participant), ui.console()
        try:
            uploaded = deploy_lab(
                session.client,
                names,
                str(session.region_name),
                ui.Steps(screen),
                parameters=parameters,
                ttl=ttl,
                restart=restart,
            )
        except (DeployError, BotoCoreError, ClientError) as error:
            ui.fail(f"{error}", ui.FAILED)
            return
        if uploaded.changed and not restart:
            screen.print(
                "The package has changed. The notebook instance picks it up at its next start; "
                "--restart restarts it now."
            )
        words = ["fleet open", names.lab_id, f"--region {region}" if region else "", "--browser"]
        screen.print(f"Open JupyterLab: {typed(' '.join(filter(None, words)))}", soft_wrap=True)
        instance = console.of(session.client("sagemaker")).notebook_instance(names.notebook_instance)
        screen.print(f"The notebook instance in the console: {instance}", soft_wrap=True)
        stacks = console.of(session.client("cloudformation"))
        screen.print(f"The same stack in the console: {launch_link(stacks, names, uploaded)}", soft_wrap=True)


def deploy_lab(
    clients: Clients,
    names: Names,
    region: str,
    steps: ui.Steps,
    *,
    parameters: dict[str, str] | None = None,
    ttl: str | None = None,
    restart: bool = False,
    wait: bool = True,
) -> Uploaded:
    """Run a deployment step by step; raises DeployError and botocore's exceptions.

    Without a `ttl`, an existing lab keeps its expiry. An instance whose provisioning failed earlier is
    restarted, which provisions it again. A caller that can follow that from inside need not wait for it.
    """
    from lab_helpers.instructor import deploy as lab
    from lab_helpers.instructor.fleet.progress import ProvisionReports
    from lab_helpers.instructor.package import package
    from lab_helpers.instructor.ttl import DEFAULT_TTL, expires_at
    from lab_helpers.names import EXPIRES_TAG, LAB_TAG
    from lab_helpers.stacks import STARTS_OVER, deploy_stack, find_stack

    def watch(event: StackEvent) -> None:
        text = Text(f"{event.stack}  {event.resource}  ")
        text.append(event.status, style=_COLOURS.get(event.status.rpartition("_")[2], ""))
        if event.failed:
            steps.screen.print(Text("  ") + text + Text(f"  {event.reason}"), soft_wrap=True)
        elif steps.screen.is_terminal or event.status.endswith("COMPLETE"):
            steps.report(text.plain)

    with steps.step("package"):
        account = clients("sts").get_caller_identity()["Account"]
        uploaded = lab.upload(
            clients,
            names,
            region,
            account,
            content=package(REPOSITORY),
            template=REPOSITORY / "cfn" / "m.yml",
        )
    with steps.step(f"stack {names.top_stack}"):
        stack = find_stack(clients("cloudformation"), names.top_stack)
        new = stack is None or stack["StackStatus"] in STARTS_OVER
        end = expires_at(ttl or DEFAULT_TTL) if ttl or new else ""
        done = deploy_stack(
            clients("cloudformation"),
            names.top_stack,
            uploaded.template_url,
            parameters={
                "NamePrefix": names.prefix,
                "PackageUri": uploaded.package_uri,
                **({"ExpiresAt": end} if end else {}),
                **(parameters or {}),
            },
            tags={
                LAB_TAG: names.tag,
                **({EXPIRES_TAG: end} if end else {}),
            },
            watch=watch,
        )
    with steps.step("notebook instance"):
        take = restart and uploaded.changed and done != "created"
        reports = ProvisionReports(clients, names, region, account)
        if done != "created" and (why := lab.why_again(clients, names, reports.newest())):
            steps.report(f"{why}: the instance is restarted, which provisions it again")
            take = True
        lab.start_instance(
            clients("sagemaker"), names.notebook_instance, take, steps.report, reports.starting
        )
        if wait:
            lab.wait_until_provisioned(clients("cloudformation"), names, reports, watch)
    return uploaded
