"""A command that a message names works when it is typed in a new shell."""

import subprocess
import sys

import pytest

from lab_helpers.commands import typed
from tests.checkout import ROOT


@pytest.mark.parametrize("path", ["/usr/bin:/bin", f"{sys.prefix}/bin:/usr/bin:/bin"])
def test_a_new_shell_knows_the_command(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("PATH", path)
    command = typed("fleet open --help")

    shell = subprocess.run(
        ["env", "-i", f"PATH={path}", "bash", "-c", command], capture_output=True, text=True, check=False
    )

    assert shell.returncode == 0, shell.stderr
    assert "JupyterLab" in shell.stdout
    assert command.startswith(
        "python " if sys.prefix in path else f"{sys.prefix}/bin/python".removeprefix(f"{ROOT}/")
    )
