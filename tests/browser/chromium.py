"""The browser of this machine: whatever `.ci/bootstrap --browser` found or installed."""

from __future__ import annotations

import os
import shutil

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
INSTALL = (
    f"there is no browser ({', '.join(PROGRAMS)}): `.ci/bootstrap --browser` installs Chromium with apt; "
    "elsewhere, install one and put it on the PATH"
)


def find() -> str | None:
    """Return the path of the first browser on the PATH, or None."""
    return next((path for name in PROGRAMS if (path := shutil.which(name))), None)


def arguments() -> list[str]:
    """Return what the browser needs in a container: root cannot have a sandbox, and /dev/shm is small."""
    return ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
