"""What the account has on the Docker Engine: labeled containers, and images named after its registry.

Differs from AWS (everywhere): nothing has a machine of its own. Containers, builds, functions and notebook
instances share this machine's processors and memory, whatever their instance type, compute type or memory
size says. There is no GPU, and no wait for machines to start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container

ACCOUNT_LABEL = "mlops-workshop.account"
GROUP_LABEL = "mlops-workshop.group"


class Containers:
    """Containers by group, such as ``endpoint-iris-model-dev``."""

    def __init__(self, uid: str, client: DockerClient | None = None) -> None:
        self._uid = uid
        self._client = client
        self._lock = threading.Lock()

    @property
    def client(self) -> DockerClient:
        """The client given, or one for the engine at ``DOCKER_HOST``, made at first use."""
        import docker

        with self._lock:
            if self._client is None:
                self._client = docker.from_env(version="auto", timeout=600)
            return self._client

    def run(self, group: str, image: str, **options: Any) -> Container:
        """Start a detached container; ``options`` go to docker-py's ``containers.run``."""
        return self.client.containers.run(image, detach=True, labels=self._labels(group, options), **options)

    def create(self, group: str, image: str, **options: Any) -> Container:
        """Create a container without starting it; ``options`` go to docker-py's ``containers.create``."""
        return self.client.containers.create(image, labels=self._labels(group, options), **options)

    def _labels(self, group: str, options: dict[str, Any]) -> dict[str, str]:
        return {ACCOUNT_LABEL: self._uid, GROUP_LABEL: group, **options.pop("labels", {})}

    def members(self, group: str | None = None) -> list[Container]:
        """Return the containers of a group, or all of the account's, including stopped ones."""
        labels = [f"{ACCOUNT_LABEL}={self._uid}"] + ([f"{GROUP_LABEL}={group}"] if group else [])
        return self.client.containers.list(all=True, filters={"label": labels}, ignore_removed=True)

    def end(self, group: str | None = None) -> bool:
        """Kill and remove the containers of a group, or of the whole account; True if there were any."""
        found = self.members(group)
        for container in found:
            with _missing_or_busy():
                container.remove(force=True, v=True)
        return bool(found)


def forget_images(client: DockerClient, registry: str) -> None:
    """Remove image names that begin with ``registry`` (``host:port``) from the engine.

    An image stays under its other names, such as ``scikit-base:local``, and so does the layer cache.
    """
    for image in client.api.images():
        for name in [*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())]:
            if name.startswith(f"{registry}/"):
                with _missing_or_busy():  # a digest goes with the last tag
                    client.api.remove_image(name, noprune=True)


@contextmanager
def _missing_or_busy() -> Iterator[None]:
    """Ignore that the engine no longer has the image, or is removing it."""
    from docker.errors import APIError

    try:
        yield
    except APIError as error:
        if error.status_code not in (404, 409):
            raise
