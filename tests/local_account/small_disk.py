"""A file system of a few megabytes, and how it gets full."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def small_file_system(directory: Path, *, megabytes: int) -> Iterator[Path]:
    """Mount a small file system in a directory; skip the test where that is not allowed."""
    where = directory / "disk"
    where.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(where)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("mounting a small file system takes root")
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", str(where)], check=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
    with pytest.raises(OSError, match="No space left"):
        while True:
            os.write(descriptor, b"\0" * 4096)
    os.close(descriptor)
