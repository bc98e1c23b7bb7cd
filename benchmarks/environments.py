"""Python environments of peers' own: their libraries need other versions than this checkout has."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.lab import REPOSITORY
from local_account.engine.package_index import child_environment

HOME = REPOSITORY / ".local" / "bench"
PINS = "pins.txt"


class InstallError(RuntimeError):
    """Packages cannot be installed; the message says which, and what the installer said."""


def environment(name: str, *pins: str) -> Path:
    """Return an environment with these packages, such as `evidently==0.7.23`: made once, and kept.

    With other pins it is made again. Raises InstallError.
    """
    directory = HOME / name
    if _holds(directory, pins):
        return directory
    _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(directory))
    _uv("pip", "install", "--quiet", "--python", str(directory / "bin" / "python"), *pins)
    return _done(directory, pins)


def files(name: str, *pins: str) -> Path:
    """Return a folder with these packages' own files, without what they depend on. Raises InstallError."""
    directory = HOME / name
    if _holds(directory, pins):
        return directory
    shutil.rmtree(directory, ignore_errors=True)
    target = ("--python", sys.executable, "--target", str(directory))
    _uv("pip", "install", "--quiet", "--no-deps", *target, *pins)
    return _done(directory, pins)


def _holds(directory: Path, pins: tuple[str, ...]) -> bool:
    path = directory / PINS
    return path.exists() and path.read_text(encoding="utf-8").split() == list(pins)


def _done(directory: Path, pins: tuple[str, ...]) -> Path:
    # Written last: an installation that was interrupted is made again.
    (directory / PINS).write_text("\n".join(pins), encoding="utf-8")
    return directory


def _uv(*arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "uv", *arguments],
        env={**os.environ, **child_environment()},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise InstallError(f"uv {' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
