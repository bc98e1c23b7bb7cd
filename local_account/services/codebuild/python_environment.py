"""A Python environment for one build: what its ``pip`` installs is gone with it.

On AWS, a build has a container of its own. Here its commands run on this machine: without an environment,
``pip install`` in a buildspec would change the one that the account itself runs in.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from local_account.services.codebuild.build_image import write_program

_PACKAGES = ("site-packages", "dist-packages")


def write(directory: Path, program: Path, version: str) -> Path:
    """Make an environment of a Python in ``directory``; return where its programs are.

    The account's own Python brings the packages that are installed beside it. The form is that of `venv`
    (Python documentation, "How venvs work"), which would take a second to make it.
    """
    minor = ".".join(version.split(".")[:2])
    bin_directory = directory / "bin"
    packages = directory / "lib" / f"python{minor}" / "site-packages"
    bin_directory.mkdir(parents=True)
    packages.mkdir(parents=True)
    real = program.resolve()
    (directory / "pyvenv.cfg").write_text(
        f"home = {real.parent}\ninclude-system-site-packages = true\nversion = {version}\n"
    )
    if program == Path(sys.executable):
        found = [path for path in sys.path if Path(path).name in _PACKAGES]
        (packages / "account.pth").write_text(
            "".join(f"import site; site.addsitedir({path!r})\n" for path in found)
        )
    for name in ("python", "python3", f"python{minor}"):
        (bin_directory / name).symlink_to(real)
    for name in ("pip", "pip3", f"pip{minor}"):
        python = shlex.quote(str(bin_directory / "python"))
        write_program(bin_directory / name, f'#!/bin/sh\nexec {python} -m pip "$@"\n')
    return bin_directory
