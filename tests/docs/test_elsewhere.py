"""The dev container is what the documentation says, and fits what it opens."""

from __future__ import annotations

import json
import re
from typing import Any

from local_account.foundation.config import DEFAULT_PORTS
from tests.checkout import ROOT


def devcontainer() -> dict[str, Any]:
    text = (ROOT / ".devcontainer" / "devcontainer.json").read_text()
    found: dict[str, Any] = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    return found


def test_the_dev_container_forwards_the_accounts_ports() -> None:
    ports = devcontainer()["forwardPorts"]
    assert ports == list(DEFAULT_PORTS.values())
    assert devcontainer()["portsAttributes"].keys() == {str(port) for port in ports}


def test_the_dev_container_prepares_itself_with_a_program_that_there_is() -> None:
    program = ROOT / devcontainer()["postCreateCommand"]
    assert program.stat().st_mode & 0o100


def test_the_dev_container_has_a_python_that_the_project_takes() -> None:
    version = re.fullmatch(
        r"mcr\.microsoft\.com/devcontainers/python:3\.(\d+)-bookworm", devcontainer()["image"]
    )
    assert version
    assert int(version[1]) >= 11
