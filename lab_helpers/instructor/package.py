"""The package: `workshop.zip` with what a notebook instance needs, and nothing else."""

from __future__ import annotations

import io
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

PACKAGED = (
    "cfn",
    "lab_helpers",
    "lifecycle-config",
    "notebooks",
    "requirements.txt",
    "requirements-sdk.txt",
    "README.md",
)
LEFT_OUT = (
    "cfn/m.yml",
    "cfn/notebook-policies.yml",
    "lab_helpers/cli/instructor",
    "lab_helpers/cli/local",
    "lab_helpers/instructor",
)
"""What a notebook instance does not need: a change there does not outdate running labs."""
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


def package(root: Path) -> bytes:
    """Return the bytes of `workshop.zip`; the same tree gives the same bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(files(root)):
            entry = zipfile.ZipInfo(path.relative_to(root).as_posix(), _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if path.stat().st_mode & 0o100 else 0o100644) << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def files(root: Path) -> Iterator[Path]:
    """Yield the files of a checkout that go into the package."""
    listed = subprocess.run(
        [
            "git",
            "-C",
            str(root),
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
            "--",
            *PACKAGED,
        ],
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = {root / name.decode() for name in listed.stdout.split(b"\0") if name}
    else:  # an unpacked archive of the repository
        found = {path for top in PACKAGED for path in [root / top, *(root / top).rglob("*")]}
        found = {p for p in found if not {"__pycache__", ".ipynb_checkpoints"} & set(p.parts)}
    left_out = {root / one for one in LEFT_OUT}
    return (path for path in found if path.is_file() and not left_out & {path, *path.parents})
