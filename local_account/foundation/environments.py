"""Where provisioning keeps the Python environments that it makes, by what is in them.

`packages` in lifecycle-config/lib.sh makes them; tests/lab_helpers/test_facts.py compares.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

VARIABLE = "WORKSHOP_ENVIRONMENTS"


def cache() -> Path:
    """Return this machine's directory for caches (XDG Base Directory Specification)."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")


def shared() -> Path:
    """Return the directory of the environments that notebook instances on this machine share."""
    return cache() / "mlops-workshop" / "environments"


def environment(requirements: Path, environments: Path) -> Path:
    """Return the environment of a requirements file; a file `complete` is in it once it is made."""
    return environments / hashlib.sha256(requirements.read_bytes()).hexdigest()[:16]
