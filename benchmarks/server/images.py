"""The images of the benchmark: each is tagged with the digest of everything in it, and built once."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import docker.errors

from benchmarks.server.peers import Peer
from benchmarks.server.running import started
from lab_helpers import exercises
from local_account.engine.base_image import BASE_IMAGE

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent
NOTEBOOKS = HERE.parents[1] / "notebooks"
VERSIONS = {"SCIKIT_LEARN": "scikit-learn", "NUMPY": "numpy", "ONNXRUNTIME": "onnxruntime"}
"""Peers get exactly the versions in the model image; build argument -> distribution."""


class BuildError(RuntimeError):
    """An image could not be built; the message ends with the output of the failing step."""


class Images:
    """Builds images in one engine; `report` gets a line about each build."""

    def __init__(self, client: docker.DockerClient, report: Callable[[str], None]) -> None:
        self._client, self._report = client, report
        self._base = str(client.images.get(BASE_IMAGE).id)

    def model(self, scratch: Path) -> str:
        """Build the base image and the model image as a learner does in notebooks 01 and 02."""
        for number in ("01", "02"):
            write_sources(exercises.find(NOTEBOOKS, number), scratch)
        base = self._build("ours-base", scratch / "base_image", {})
        return self._build("ours", scratch / "model_image", {"BASE_IMAGE": base})

    def peer(self, peer: Peer, model_image: str) -> str:
        """Build a peer's image with the model image's library versions."""
        return self._build(
            peer.folder,
            HERE / "peers" / peer.folder,
            {"BASE_IMAGE": BASE_IMAGE, **self._versions(model_image)},
        )

    def wrk(self) -> str:
        """Build the load generator's image."""
        return self._build("wrk", HERE / "wrk", {"BASE_IMAGE": BASE_IMAGE})

    def megabytes(self, image: str) -> float:
        """Return the size of an image with all its layers, unpacked."""
        return float(self._client.images.get(image).attrs["Size"]) / 1e6

    def _versions(self, image: str) -> dict[str, str]:
        program = "import importlib.metadata as m, sys; print(*map(m.version, sys.argv[1:]))"
        with started(
            self._client, image, ["-c", program, *VERSIONS.values()], entrypoint="python"
        ) as container:
            status, printed = container.wait()["StatusCode"], container.logs()
        if status != 0:
            raise BuildError(f"{image} does not report its versions: {printed.decode(errors='replace')}")
        return dict(zip(VERSIONS, printed.decode().split(), strict=True))

    def _build(self, name: str, context: Path, arguments: Mapping[str, str]) -> str:
        wanted = f"mlops-bench-{name}:{digest(context, {**arguments, 'base': self._base})}"
        try:
            self._client.images.get(wanted)
        except docker.errors.ImageNotFound:
            self._report(f"building {name}")
            try:
                self._client.images.build(
                    path=str(context), tag=wanted, buildargs=dict(arguments), rm=True, forcerm=True
                )
            except docker.errors.BuildError as error:
                log = "".join(part.get("stream", "") for part in error.build_log)
                raise BuildError(f"the image {name} could not be built: {error}\n{log[-3000:]}") from error
            self._remove_former(f"mlops-bench-{name}", wanted)
        return wanted

    def _remove_former(self, repository: str, kept: str) -> None:
        for image in self._client.images.list(name=repository):
            for tag in set(image.tags) - {kept}:
                if tag.startswith(f"{repository}:"):
                    with contextlib.suppress(docker.errors.APIError):  # one in use stays
                        self._client.images.remove(tag)


def digest(context: Path, arguments: Mapping[str, str]) -> str:
    """Return the digest of a build: names and contents of all files, and its arguments."""
    found = hashlib.sha256(json.dumps(dict(arguments), sort_keys=True).encode())
    for path in sorted(
        path for path in context.rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ):
        found.update(f"\n{path.relative_to(context)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:16]


def write_sources(notebook: Path, directory: Path) -> None:
    """Write the folders of a notebook under `directory`: what it writes there, and the programs beside it."""
    for folder in {target.partition("/")[0] for target, _ in exercises.written_by(notebook)}:
        (directory / folder).mkdir(parents=True, exist_ok=True)
        for name, content in exercises.files_in(notebook, folder).items():
            (directory / folder / name).write_bytes(content)
