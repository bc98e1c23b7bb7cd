"""A trial on a notebook instance: what the workshop assumes of one, and the notebooks from first to last.

The assumptions are those that the local account cannot prove, because it imitates the instance itself.
Each says what was seen, so that a report from an AWS account can be judged without access to it.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab_helpers.containers import BASE_IMAGE
from lab_helpers.git import search_path
from lab_helpers.instance import idle
from lab_helpers.instance.jupyter import FIRST, WIDGETS, runtime_directory
from lab_helpers.reset_request import Request

SCHEMA = 1
HOOK_TOOLS = ("aws", "git", "python3", "sha256sum", "runuser", "getent", "setsid", "flock")
_SECONDS, _PULL_SECONDS = 60, 300
_TOLD_LINES = 80
_TERMINAL = ("env", "--unset=PATH", "sh", "-lc")
"""Jupyter's terminal where SHELL is not set, with the PATH of a login (jupyter_server_terminals)."""


@dataclass(frozen=True)
class Assumption:
    """Something that the workshop assumes of an instance."""

    text: str
    holds: bool
    saw: str
    """What was seen; a program's last line if it failed."""


@dataclass
class Report:
    """The report of one trial, as far as it has come: `status` is checking, running or done."""

    id: str
    status: str = "checking"
    assumptions: list[Assumption] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)
    """What is worth knowing about the instance, and is not judged."""
    notebooks: dict[str, Any] = field(default_factory=dict)
    """`exit_status`, the run's `summary`, and the last lines that it printed as `output`."""

    def to_json(self) -> bytes:
        """Return the document."""
        return json.dumps({"schema": SCHEMA, **asdict(self)}, indent=1).encode()


def run(home: Path, request: Request, environment: Mapping[str, str], tell: Callable[[Report], None]) -> None:
    """Check the assumptions, run the notebooks, and `tell` the report after each step.

    `environment` has the settings of `lab.env`. Raises OSError and ValueError.
    """
    report = Report(request.id)
    tell(report)
    report.assumptions = list(assumptions(home, environment))
    report.facts = facts(home, environment)
    report.status = "running"
    tell(report)
    report.notebooks = _run_notebooks(home, request.arguments, environment)
    report.status = "done"
    tell(report)


def assumptions(home: Path, environment: Mapping[str, str]) -> Iterator[Assumption]:
    """Yield what is assumed of this instance; `environment` has the settings of `lab.env`."""
    hook = _hook(home)
    yield _says(
        "docker answers to the user without sudo", "docker", "version", "--format", "{{.Server.Version}}"
    )
    image = _says("the base image is here, or can be pulled", "docker", "image", "inspect", BASE_IMAGE)
    yield (
        Assumption(image.text, True, "it is here")
        if image.holds
        else _says(image.text, "docker", "pull", "--quiet", BASE_IMAGE, seconds=_PULL_SECONDS)
    )
    missing = [tool for tool in HOOK_TOOLS if not hook.get(tool)]
    yield Assumption(
        "a hook finds its programs on its bare PATH",
        not missing,
        f"not found: {', '.join(missing)}" if missing else hook["path"],
    )
    user = hook.get("user", "")
    yield Assumption(
        "hooks run as root, or as the user whose workshop it is",
        user in ("root", environment.get("WORKSHOP_USER")),
        user or "hook.txt is missing",
    )
    settings = _lines(home / ".workshop" / "lab.env")
    unfilled = [line for line in settings if "${" in line]
    yield Assumption(
        "CloudFormation fills the script in that Fn::FindInMap puts into Fn::Sub",
        bool(settings) and not unfilled,
        unfilled[0] if unfilled else f"{len(settings)} settings",
    )
    yield from _of_jupyter(environment)
    role = f"{environment.get('NAME_PREFIX', '')}mlops-notebook"
    caller = _says("", "aws", "sts", "get-caller-identity", "--query", "Arn", "--output", "text")
    yield Assumption(
        "the aws command acts with the role of the instance", f"/{role}/" in caller.saw, caller.saw
    )
    for branch in ("scikit_base", "iris_model"):
        yield _says(
            f"git reads branch {branch} without asking for a password",
            *("git", "-C", str(home / branch), "ls-remote", "--exit-code", "origin", f"refs/heads/{branch}"),
        )


def _of_jupyter(environment: Mapping[str, str]) -> Iterator[Assumption]:
    """Yield what is assumed of the server with which learners work (REST APIs of Jupyter and JupyterLab)."""
    servers = list(idle.servers(runtime_directory(environment)))
    answering = [server for server in servers if server.get("api/kernels") is not None]
    asked = ", ".join(server.url for server in servers)
    yield Assumption(
        "the idle check finds Jupyter, or idle instances never stop",
        bool(answering),
        answering[0].url if answering else f"none of these answers: {asked}",
    )
    known = answering[0].ask("api/kernelspecs") if answering else None
    names = sorted((known or {}).get("kernelspecs", {}))
    yield Assumption(
        "Jupyter offers the kernel of the workshop", "mlops-workshop" in names, ", ".join(names) or "none"
    )
    widgets = answering[0].ask(f"lab/extensions/{WIDGETS}/package.json") if answering else None
    yield Assumption(
        "JupyterLab has the extension that shows the buttons of a decision",
        bool(widgets),
        f"version {widgets['version']}" if widgets else f"{WIDGETS} is not there",
    )
    layouts = answering[0].ask("lab/api/workspaces") if answering else None
    yield Assumption(
        "JupyterLab opens with the first notebook",
        FIRST in json.dumps(layouts),
        "its layout names it" if FIRST in json.dumps(layouts) else "it has no layout from the workshop",
    )


def facts(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what is worth knowing about the instance; `environment` has the settings of `lab.env`."""
    jupyter = [
        found for server in idle.servers(runtime_directory(environment)) if (found := server.ask("api"))
    ]
    hook = _hook(home)
    release = dict(line.partition("=")[::2] for line in _lines(Path("/etc/os-release")))
    mounted = next(path for path in (home, *home.parents) if path.is_mount())
    return {
        "system": release.get("PRETTY_NAME", platform.platform()).strip('"'),
        "hook's PATH": hook.get("path", ""),
        "hook's Python": _says("", "/usr/bin/env", "python3", "--version").saw,
        "kernel's Python": _says("", str(_kernel(home)), "--version").saw,
        "Jupyter Server": jupyter[0]["version"] if jupyter else "no (none answers)",
        "processors": str(os.cpu_count()),
        "home is on": str(mounted),
        "GB free in home": f"{shutil.disk_usage(home).free / 1e9:.0f}",
        "GB free in /": f"{shutil.disk_usage('/').free / 1e9:.0f}",
        "docker's store": _fact("docker", "info", "--format", "{{.Driver}} {{.DriverStatus}}"),
        "docker buildx": _fact("docker", "buildx", "version"),
        "aws": _fact("aws", "--version"),
        "git": _fact("git", "--version"),
        "git-remote-s3 of a terminal": _fact(*_TERMINAL, "command -v git-remote-s3+zip"),
    }


def _run_notebooks(home: Path, arguments: tuple[str, ...], environment: Mapping[str, str]) -> dict[str, Any]:
    output = home / ".workshop" / "trial"
    shutil.rmtree(output, ignore_errors=True)
    done = subprocess.run(
        [str(_kernel(home)), "-m", "lab_helpers", "run", "--output", str(output), *arguments],
        cwd=home / ".workshop" / "package",
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    summary = output / "summary.json"
    return {
        "exit_status": done.returncode,
        "summary": json.loads(summary.read_text()) if summary.is_file() else {},
        "output": done.stdout.splitlines()[-_TOLD_LINES:],
    }


def _says(text: str, *command: str, seconds: int = _SECONDS) -> Assumption:
    """Run a program; it holds if the program succeeds, and what was seen is the last line that it printed."""
    environment = {**os.environ, "GIT_TERMINAL_PROMPT": "0", "PATH": search_path()}
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Assumption(text, False, str(error))
    said = done.stdout.strip().splitlines() or [f"exit status {done.returncode}"]
    return Assumption(text, done.returncode == 0, said[-1])


def _fact(*command: str) -> str:
    """Return what a program prints in its last line, marked if the program failed."""
    found = _says("", *command)
    return found.saw if found.holds else f"no ({found.saw})"


def _kernel(home: Path) -> Path:
    """Return the Python of the notebooks; this process has that of the workshop's own programs."""
    return home / ".workshop" / "venv" / "bin" / "python"


def _hook(home: Path) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in _lines(home / ".workshop" / "hook.txt"))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.is_file() else []
