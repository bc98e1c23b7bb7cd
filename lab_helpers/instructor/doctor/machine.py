"""Checks of this machine: network, disk, Docker Engine, Python packages."""

from __future__ import annotations

import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from packaging.requirements import Requirement

from lab_helpers.containers import BASE_IMAGE
from lab_helpers.instructor.doctor.findings import Finding, error, ok, warning
from lab_helpers.instructor.doctor.room import ROOT, Room

if TYPE_CHECKING:
    from docker import DockerClient

T = TypeVar("T")

IMAGE_BYTES = 3 * 1024**3
"""Disk space that a local account's images and environments need (`local_account.engine.home`)."""
REGISTRY = "https://public.ecr.aws/v2/"
_SECONDS = 5.0
_PYTHON = (3, 11)


def image_sources(room: Room, get: Callable[[str], int] | None = None) -> Iterator[Finding]:
    """Whether the base image is available: locally, or from the ECR public gallery.

    Docker Hub is not used: a room that builds at the same time would exceed its limits for anonymous pulls.
    """
    if room.is_local and _has_base_image(room):
        yield ok("image sources", f"{BASE_IMAGE} is in the engine")
        return
    try:
        status = (get or _status)(REGISTRY)
    except OSError as failure:
        text = f"{REGISTRY} is unreachable: {failure}"
        if room.is_local:
            yield warning(
                "image sources",
                text,
                "`make up` builds the base image from Debian packages instead",
            )
        else:
            yield warning(
                "image sources",
                f"{text} (from this machine; builds run in AWS)",
                "check the proxy, if builds in your account use one too",
            )
        return
    if status in (200, 401):  # 401: it requires a token, which docker fetches
        yield ok("image sources", "public.ecr.aws answers; Docker Hub is not used")
    else:
        yield warning(
            "image sources", f"{REGISTRY} answers {status}", "try again; `docker pull` shows details"
        )


def _status(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the address above
            return int(answer.status)
    except urllib.error.HTTPError as answer:
        return answer.code


class _NoEngineError(Exception):
    """No Docker Engine answers; the message says why."""


def _ask_engine(room: Room, question: Callable[[DockerClient], T]) -> T:
    """Return what the engine's client returns. Raises _NoEngineError."""
    try:
        docker = import_module("docker")  # required only by the local account
    except ImportError as failure:
        raise _NoEngineError("docker-py is missing") from failure
    try:
        return question(docker.from_env(environment=dict(room.environ), timeout=int(_SECONDS)))
    except (docker.errors.DockerException, OSError) as failure:
        raise _NoEngineError(str(failure)) from failure


def _has_base_image(room: Room) -> bool:
    try:
        return bool(_ask_engine(room, lambda client: client.images.get(BASE_IMAGE)))
    except _NoEngineError:
        return False


def engine(room: Room) -> Iterator[Finding]:
    """Whether a Docker Engine answers. On AWS, notebook instances have their own."""
    try:
        version = _ask_engine(room, lambda client: client.version()["Version"])
    except _NoEngineError as failure:
        if room.is_local:
            yield error("Docker Engine", f"does not answer: {failure}", "start it: `make up`")
        else:
            yield ok("Docker Engine", "not needed here; notebook instances have their own")
        return
    yield ok("Docker Engine", f"{version} answers")


def disk(room: Room, free: Callable[[Path], int] | None = None) -> Iterator[Finding]:
    """Whether there is disk space for a local account's images, registry and environments."""
    home = room.images
    there = next(path for path in (home, *home.parents) if path.exists())
    left = free(there) if free else shutil.disk_usage(there).free
    needed = IMAGE_BYTES if room.is_local else IMAGE_BYTES // 10
    if left < needed:
        yield error(
            "disk",
            f"{left / 1e9:.1f} GB free at {there}, {needed / 1e9:.1f} GB are needed",
            "free some space, or choose other directories with MLOPS_ENGINE_HOME and MLOPS_LOCAL_STATE",
        )
    else:
        yield ok("disk", f"{left / 1e9:.0f} GB free")


def versions(
    room: Room,
    installed: Callable[[str], str] = metadata.version,
    requirements: Path = ROOT / "requirements.txt",
) -> Iterator[Finding]:
    """Whether Python and the packages have the versions that the workshop was tested with."""
    remedy = f"uv pip install -r {requirements.name}"
    if sys.version_info < _PYTHON:
        yield error("versions", f"Python {sys.version.split()[0]}", "use Python 3.11 or later")
    wrong = []
    lines = (line.partition("#")[0].strip() for line in requirements.read_text().splitlines())
    wanted = [Requirement(line) for line in lines if line and not line.startswith("-")]
    for one in wanted:
        if one.marker and not one.marker.evaluate():
            continue
        try:
            version = installed(one.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{one.name} is missing")
            continue
        if not one.specifier.contains(version, prereleases=True):
            wrong.append(f"{one.name} {version} is not {one.specifier}")
    if wrong:
        yield error("versions", "; ".join(wrong), remedy)
    else:
        yield ok("versions", f"Python {sys.version.split()[0]} and {len(wanted)} packages as tested")
