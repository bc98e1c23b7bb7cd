"""What the account's process loads: libraries that nobody needs cost memory for as long as it runs."""

import subprocess
import sys

import pytest

_PROGRAM = """
import sys
from local_account.__main__ import leave_out_ssh
leave_out_ssh(sys.modules, sys.argv[1])
import docker
print("paramiko.client" in sys.modules)
"""


@pytest.mark.parametrize(("docker_host", "loaded"), [("unix:///nowhere.sock", False), ("ssh://there", True)])
def test_paramiko_is_loaded_only_for_an_engine_behind_ssh(docker_host: str, loaded: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, docker_host], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == str(loaded)
