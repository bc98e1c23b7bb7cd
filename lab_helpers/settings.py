"""The settings of this notebook instance: `.workshop/lab.env`, written by the lifecycle hook."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

DEFAULT_HOME = "/home/ec2-user/SageMaker"
"""The directory of a SageMaker notebook instance that survives stop and start (SageMaker Developer Guide,
"Customize a SageMaker notebook instance using an LCC script")."""


def home() -> Path:
    """Return the workshop's directory on this instance."""
    return Path(os.environ.get("WORKSHOP_HOME", DEFAULT_HOME))


def lab_id_here() -> str:
    """Return the lab id of this notebook instance; empty for the default lab, and where there is no lab."""
    env_file = home() / ".workshop" / "lab.env"
    return read_settings(env_file).get("LAB_ID", "") if env_file.is_file() else ""


def read_settings(path: Path) -> dict[str, str]:
    """Read `KEY=value` lines, quoted as in a shell; comments and empty lines are skipped."""
    settings = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        for word in shlex.split(line.removeprefix("export "), comments=True):
            key, separator, value = word.partition("=")
            if separator:
                settings[key] = value
    return settings
