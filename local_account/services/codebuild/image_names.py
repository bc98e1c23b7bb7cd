"""The names that a build gives to images on an engine that outlives it.

On AWS every build has an engine of its own. Here, builds, and often several accounts, share one: a name
without a registry (``iris:latest``) must not be there for the next build, which would pass with it and fail
on AWS. The same goes for AWS's name of the registry, which accounts share. The commands of ``docker`` in a
build are noted down, and the names that they gave are taken back at its end. Layers stay, and so do names
with another registry: those of the account's own address are its own.

Differs from AWS: while they run, builds on one engine see each other's images. Names without a registry
(`docker build -t iris`), or with AWS's name of it, are taken off the engine when the build ends, and go back
to the images that had them before; what docker-py or Compose name stays.
"""

from __future__ import annotations

import logging
import os
import shlex
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from local_account.engine.dockerd import knows_registry
from local_account.services.codebuild.build_image import write_program

if TYPE_CHECKING:
    from docker import DockerClient

    from local_account.foundation.config import AccountConfig

log = logging.getLogger(__name__)

# What the engine has afterwards shows whether a name was still this build's: another build may have given
# the same name to an image of its own.
_DOCKER = """\
#!/bin/sh
{refusal}{program} "$@"
status=$?
case "$1" in build|buildx|builder|image|tag|commit|import|pull)
printf '%s\\0' "$@" >{notes}/$$.command
{program} image ls --no-trunc --format '{{{{.Repository}}}}:{{{{.Tag}}}} {{{{.ID}}}}' \\
>{notes}/$$.images 2>/dev/null
esac
exit $status
"""
# Elsewhere, AWS itself would be asked, with the local account's password.
_REFUSAL = """\
case "$*" in login*{name}*|push*{name}*|pull*{name}*|"image push"*{name}*|"image pull"*{name}*)
echo "{name} is a name for an engine that the workshop has started; this one would ask AWS. Use the" \\
"repositoryUri of the repository ({registry}/…), or stop the account, unset DOCKER_HOST and start it again" \\
"where no other engine runs." >&2
exit 1
esac
"""


class ImageNames:
    """The names that one build gives, noted down by a ``docker`` of its own."""

    def __init__(self, engine: DockerClient, notes: Path, config: AccountConfig) -> None:
        self._engine = engine
        self._notes = notes
        self._config = config
        notes.mkdir(parents=True)
        self._before = _named(engine)

    def write_docker(self, directory: Path, path: str) -> None:
        """Put a ``docker`` into ``directory`` that notes down the commands that name images."""
        if program := shutil.which("docker", path=path):
            notes = shlex.quote(str(self._notes))
            name = self._config.ecr_host
            known = knows_registry(os.environ.get("DOCKER_HOST", ""), name)
            refusal = "" if known else _REFUSAL.format(name=name, registry=self._config.registry)
            text = _DOCKER.format(program=shlex.quote(program), notes=notes, refusal=refusal)
            write_program(directory / "docker", text)

    def forget(self) -> list[str]:
        """Take the build's names off its images, give them back to those that had them; return the names."""
        given: dict[str, str] = {}
        for note in sorted(self._notes.glob("*.command"), key=lambda path: path.stat().st_mtime_ns):
            after = _listed(note.with_suffix(".images"))
            command = note.read_text().split("\0")[:-1]
            given |= {name: after[name] for name in names(command, self._config.ecr_host) if name in after}
        now = _named(self._engine) if given else {}
        for name, image in given.items():
            if now.get(name) != image:
                continue
            repository, _, tag = name.rpartition(":")
            before = self._before.get(name)
            if before is None:
                self._engine.api.remove_image(name, noprune=True)
            elif before != image:
                self._engine.api.tag(before, repository, tag)
        return sorted(given)


def names(command: list[str], shared: str) -> Iterator[str]:
    """Yield the names that the arguments of a ``docker`` command give to an image.

    Those with a registry other than ``shared`` are left out.
    """
    words = [word for word in command if word not in ("image", "buildx", "builder")]
    given = []
    if words[:1] == ["build"]:
        for word, following in zip(words, [*words[1:], ""], strict=True):
            if word in ("-t", "--tag"):
                given.append(following)
            elif word.startswith("--tag="):
                given.append(word.removeprefix("--tag="))
            elif word.startswith("-t") and not word.startswith("--"):
                given.append(word[2:].removeprefix("="))
    elif words[:1] in (["tag"], ["commit"], ["import"]):
        given = words[2:][-1:]
    elif words[:1] == ["pull"]:
        given = [name for name in words[-1:] if name.startswith(f"{shared}/") and "@" not in name]
    for name in given:
        host, slash, _ = name.partition("/")
        registry = slash and (host == "localhost" or "." in host or ":" in host)
        if name and (not registry or host == shared):
            yield name if ":" in name else f"{name}:latest"


def _named(engine: DockerClient) -> Mapping[str, str]:
    return {name: image["Id"] for image in engine.api.images() for name in image["RepoTags"] or ()}


def _listed(path: Path) -> Mapping[str, str]:
    lines = path.read_text().splitlines() if path.exists() else []
    return {name: image for name, _, image in (line.partition(" ") for line in lines)}
