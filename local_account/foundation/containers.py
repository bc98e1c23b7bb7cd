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

from local_account.foundation.patience import is_disk_full

if TYPE_CHECKING:
    from docker import DockerClient
    from docker.models.containers import Container
    from docker.types import Mount

ACCOUNT_LABEL = "mlops-workshop.account"
GROUP_LABEL = "mlops-workshop.group"
LAUNCH_LABEL = "mlops-workshop.launch"
"""Says which attempt to create it a container comes from, should the engine's answer be lost."""


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

    def volume(self, group: str, target: str) -> Mount:
        """Return an empty volume for a directory of a container; it goes with the container.

        What the image has there is not seen.
        """
        from docker.types import Mount

        return Mount(target, None, no_copy=True, labels=self._labels(group, {}))

    def members(self, group: str | None = None, launch: str | None = None) -> list[Container]:
        """Return the containers of a group or an attempt, or all of the account's, also stopped ones."""
        filters = self._filters(group, launch)
        return self.client.containers.list(all=True, filters=filters, ignore_removed=True)

    def _filters(self, group: str | None, launch: str | None = None) -> dict[str, Any]:
        wanted = {ACCOUNT_LABEL: self._uid, GROUP_LABEL: group, LAUNCH_LABEL: launch}
        return {"label": [f"{label}={value}" for label, value in wanted.items() if value]}

    def end_launch(self, launch: str) -> None:
        """Remove what an attempt to create a container has made, although the engine's answer was lost."""
        for container in self.members(launch=launch):
            with _missing_or_busy():
                container.remove(force=True, v=True)

    def end(self, group: str | None = None) -> bool:
        """Kill and remove the containers of a group, or of the whole account; True if there were any.

        Volumes go with them, and those that are left of containers that others have removed.
        """
        found = self.members(group)
        for container in found:
            with _missing_or_busy():
                container.remove(force=True, v=True)
        for volume in self.client.volumes.list(filters=self._filters(group)):
            with _missing_or_busy():
                volume.remove()
        return bool(found)


def engine_errors() -> tuple[type[Exception], ...]:
    """Return docker-py's exceptions for an engine that refuses a request or disappears during one."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException
    from urllib3.exceptions import HTTPError

    return (DockerException, RequestException, HTTPError, OSError)


def is_refusal(error: BaseException) -> bool:
    """Return whether an engine has answered, and refused."""
    from docker.errors import APIError

    return isinstance(error, APIError)


def explained(error: BaseException) -> str:
    """Return why an engine refused a request, or that it did not answer and what to do."""
    if is_refusal(error):
        return str(getattr(error, "explanation", None) or error)
    if is_disk_full(error):
        return "the disk of the local account is full: free some space, and try again"
    return (
        f"the Docker Engine cannot be reached ({_cause(error)}): start it, see `docker info`, and try again"
    )


def _cause(error: BaseException) -> str:
    """Return the operating system's words, which two libraries have wrapped."""
    for inner in (*error.args, error.__cause__):
        if isinstance(inner, BaseException):
            return _cause(inner)
    return getattr(error, "strerror", None) or str(error)


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
