"""Commands, options, make targets and services are the same in the documentation and in the code."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from lab_helpers import cli
from lab_helpers.instructor.doctor import CHECKS
from local_account.authorization.simulation import IamSimulation
from local_account.foundation.account import Account
from local_account.gateway.service import Service
from local_account.moto_backend import backend
from tests.docs.pages import PAGES, ROOT, fences, page, prose, rows, section, spans

PROGRAM = "python -m lab_helpers "


def commands(command: Any, *path: str) -> dict[str, Any]:
    """Commands by their words. They are click's or typer's own, depending on typer's version."""
    if not hasattr(command, "commands"):
        return {" ".join(path): command}
    found: dict[str, Any] = {}
    for name, child in command.commands.items():
        found |= commands(child, *path, name)
    return found


COMMANDS = commands(typer.main.get_command(cli.app))


def command_in(words: list[str]) -> str | None:
    return next((name for n in (2, 1) if (name := " ".join(words[:n])) in COMMANDS), None)


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    table = rows(section(page("docs/names-and-contracts.md"), "Commands"))
    assert sorted(span for command, _ in table for span in spans(command)) == sorted(COMMANDS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_and_options_that_pages_show_exist(path: Path) -> None:
    text = path.read_text()
    shown = [line for block in fences(text) for line in block.splitlines()] + spans(text)
    for line in shown:
        program = PROGRAM in line
        told = line.partition(PROGRAM)[2] if program else line
        try:
            words = shlex.split(re.split(r"[|;)]|\$\(", told)[0], comments=True)
        except ValueError:  # a sentence with an apostrophe is not a command
            continue
        name = command_in(words)
        assert name or not program or not words or words[0].startswith(("-", "…")) or words[0] in GROUPS, line
        if name and (program or line in spans(text)):
            options = {option for param in COMMANDS[name].params for option in param.opts} | {"--help"}
            options |= {option for param in COMMANDS[name].params for option in param.secondary_opts}
            given = {word.partition("=")[0] for word in before_the_separator(words) if word.startswith("--")}
            assert given <= options, line


GROUPS = {name.split()[0] for name in COMMANDS if " " in name}


def before_the_separator(words: list[str]) -> list[str]:
    return words[: words.index("--")] if "--" in words else words


def make_targets() -> set[str]:
    makefile = (ROOT / "Makefile").read_text()
    return set(re.findall(r"^([a-z]+):.*## ", makefile, re.MULTILINE))


def test_every_make_target_is_documented() -> None:
    table = rows(section(page("CONTRIBUTING.md"), "Make targets"))
    documented = {span.split()[1] for target, *_ in table for span in spans(target)}
    assert documented == make_targets()


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_make_targets_that_pages_name_exist(path: Path) -> None:
    for text in [*spans(path.read_text()), *fences(path.read_text())]:
        for target in re.findall(r"(?:^|[$;] )make ([a-z]+)\b", text, re.MULTILINE):
            assert target in make_targets(), f"{path.name} names make {target}"


def services() -> dict[str, set[str]]:
    """Modules that implement each service, by boto3's name."""
    from local_account import server

    owned = {one for one in vars(server).values() if isinstance(one, type) and issubclass(one, Service)}
    found: dict[str, set[str]] = {}
    for service in owned - {Service}:
        found.setdefault(service.name, set()).add(service.__module__)
    for name in backend.SERVICES:
        found.setdefault(name, set()).add("moto")
    return found


def test_services_of_the_account() -> None:
    documented = {}
    for names, where in rows(section(page("docs/local-account.md"), "Services")):
        for name in spans(names):
            documented[name] = where
    assert sorted(documented) == sorted(services())
    for name, modules in services().items():
        for module in modules:
            folder = module.replace(".", "/").removesuffix("/service")
            at = documented[name]
            assert any(folder.startswith(told.rstrip("/").removesuffix(".py")) for told in spans(at)) or (
                module == "moto" and "moto" in at
            ), f"{name} is implemented by {module}, documented at {at}"


def test_what_a_service_is_handed_exists() -> None:
    text = section(page("docs/local-account.md"), "What a service is handed")
    named = set(re.findall(r"`account\.(\w+)", prose(text)))
    known = (
        set(dir(Account))
        | set(Account.__annotations__)
        | set(re.findall(r"self\.(\w+) =", source_of(Account)))
    )
    assert named
    assert named <= known


def source_of(cls: type) -> str:
    import inspect

    return inspect.getsource(cls)


def test_the_simulators_are_iams() -> None:
    assert IamSimulation.name == "iam"


def test_the_doctors_report_has_every_check() -> None:
    (report,) = [one for one in fences(page("docs/instructors.md")) if "image sources" in one]
    shown = re.findall(r"^[✓✗!]  (\S.*?)  ", report, re.MULTILINE)
    assert shown == list(CHECKS)
