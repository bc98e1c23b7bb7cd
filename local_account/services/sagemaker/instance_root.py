"""The root directory that lifecycle scripts of a notebook instance see.

On AWS they run as root of the instance. Here, they have a copy of this machine (`root_directory`), which ends
with the instance's stop. It has ``/home/ec2-user`` with the volume, the user ec2-user, and a ``sudo``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from local_account.foundation.root_directory import RootDirectory
from local_account.services.sagemaker.instance_mounts import METADATA, OWN

if TYPE_CHECKING:
    from local_account.foundation.account import Account

_HERE = Path(__file__).parent
_ACTIVATE = """\
echo "There are no conda environments on a notebook instance of the local account: it has the Python of" \\
"the machine that it runs on ($(python3 --version)), and the workshop's kernel." >&2
return 1 2>/dev/null || exit 1
"""
_CONDA = ("activate", "conda", "deactivate", "jupyter", "pip", "python")
"""What scripts call below /home/ec2-user/anaconda3/bin: each says the same."""


class InstanceRoot(RootDirectory):
    """A root directory with what instances have."""

    def __init__(self, account: Account, group: str, directory: Path, arn: str) -> None:
        programs = directory / "home" / "anaconda3" / "bin"
        programs.mkdir(parents=True, exist_ok=True)
        for name in _CONDA:
            (programs / name).write_text(f"#!/bin/bash\n{_ACTIVATE}")
            (programs / name).chmod(0o755)
        metadata = {"ResourceArn": arn, "ResourceName": arn.rpartition("/")[2]}
        (directory / METADATA.name).write_text(json.dumps(metadata))
        mounts = directory / "root"
        mounts.mkdir(exist_ok=True)
        program = (_HERE / "instance_mounts.py", directory, _HERE / "sudo.sh")
        super().__init__(account.processes, group, mounts, directory, program)

    def environment(self, given: dict[str, str]) -> dict[str, str]:
        """Return the environment of what runs with this root: in a namespace of users, everyone is root."""
        if self.reason:
            return given
        path = f"{OWN}{os.pathsep}{given.get('PATH', os.defpath)}"
        return {**given, "PATH": path, **({"WORKSHOP_USER": "root"} if self.user else {})}
