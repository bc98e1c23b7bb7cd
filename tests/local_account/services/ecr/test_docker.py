"""The registry through an unmodified docker client and engine."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import os
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from docker import from_env

from local_account.engine import ecr_relay
from local_account.engine.dockerd import knows_registry, name_registry
from local_account.foundation.config import AccountConfig, free_port
from local_account.foundation.containers import forget_images
from local_account.foundation.daemon import Daemon
from tests.local_account.services.served import Served

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient
    from mypy_boto3_ecr.type_defs import RepositoryTypeDef

pytestmark = pytest.mark.docker


class Docker:
    """docker with a separate configuration directory."""

    def __init__(self, config: Path) -> None:
        self.environment = {**os.environ, "DOCKER_CONFIG": str(config), "DOCKER_BUILDKIT": "0"}

    def __call__(self, *arguments: str, stdin: str = "", fails: bool = False) -> str:
        done = subprocess.run(
            ["docker", *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        output = done.stdout + done.stderr
        assert (done.returncode != 0) is fails, output
        return output


@pytest.fixture
def docker(tmp_path: Path) -> Docker:
    return Docker(tmp_path / "docker")


@pytest.fixture
def ecr(service_client: Callable[[str], Any]) -> ECRClient:
    client: ECRClient = service_client("ecr")
    return client


@pytest.fixture
def repository(ecr: ECRClient) -> Iterator[RepositoryTypeDef]:
    name = f"docker-{uuid.uuid4().hex[:8]}"
    yield ecr.create_repository(repositoryName=name)["repository"]
    ecr.delete_repository(repositoryName=name, force=True)


@pytest.fixture
def image(docker: Docker, tmp_path: Path, repository: dict[str, Any]) -> Iterator[str]:
    """A tiny image with new content, tagged for the repository."""
    context = tmp_path / "context"
    context.mkdir()
    (context / "Dockerfile").write_text("FROM scratch\nCOPY content /\n")
    (context / "content").write_bytes(os.urandom(300_000))
    name = f"{repository['repositoryUri']}:v1"
    built = docker("build", "-q", "-t", name, str(context)).split()[0]
    yield name
    docker("image", "rm", "-f", name, built)


def log_in(docker: Docker, served: Served, repository: dict[str, Any], host: str = "") -> str:
    """Log in with the AWS CLI, as in the ECR User Guide."""
    environment = {**os.environ, **served.account.environment()}
    password = subprocess.run(
        ["aws", "ecr", "get-login-password"], env=environment, capture_output=True, text=True, check=True
    ).stdout
    host = host or repository["repositoryUri"].partition("/")[0]
    return docker("login", "--username", "AWS", "--password-stdin", host, stdin=password)


def test_login_push_describe_pull(
    docker: Docker, served: Served, ecr: ECRClient, repository: dict[str, Any], image: str
) -> None:
    assert "Login Succeeded" in log_in(docker, served, repository)
    pushed = docker("push", image)
    (detail,) = ecr.describe_images(
        repositoryName=repository["repositoryName"], imageIds=[{"imageTag": "v1"}]
    )["imageDetails"]
    assert detail["imageDigest"] in pushed
    assert 300_000 < detail["imageSizeInBytes"] < 320_000
    # Remove the engine's own copy, so that the pull has to fetch every layer.
    by_digest = f"{repository['repositoryUri']}@{detail['imageDigest']}"
    docker("image", "rm", "-f", image)
    assert "Downloaded newer image" in docker("pull", by_digest)
    docker("image", "rm", "-f", by_digest)
    docker("pull", image)


def test_a_second_push_sends_no_layer_again(
    docker: Docker, served: Served, repository: dict[str, Any], image: str
) -> None:
    log_in(docker, served, repository)
    docker("push", image)
    again = image.replace(":v1", ":v2")
    docker("tag", image, again)
    assert "Layer already exists" in docker("push", again)
    docker("image", "rm", again)


def test_the_engine_forgets_a_deleted_registry(
    docker: Docker, served: Served, repository: dict[str, Any], image: str
) -> None:
    kept = f"docker-{uuid.uuid4().hex[:8]}:kept"
    docker("tag", image, kept)
    log_in(docker, served, repository)
    docker("push", image)
    pulled = docker("inspect", "--format", "{{index .RepoDigests 0}}", image).strip()
    forget_images(from_env(), repository["repositoryUri"].partition("/")[0])
    for name in (image, pulled):
        assert "No such" in docker("inspect", name, fails=True)
    assert docker("inspect", "--format", "{{.RepoTags}}", kept).strip() == f"[{kept}]"
    docker("image", "rm", kept)


def test_a_reset_only_forgets_the_images_of_its_own_registry(
    docker: Docker, tmp_path: Path, image: str
) -> None:
    state = tmp_path / "state"
    config = AccountConfig.load(state, {"gateway_port": 0, "git_port": 0, "registry_port": 0})
    (state / "docker_host").write_text(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    own = f"127.0.0.1:{config.registry_port}/own:v1"
    docker("tag", image, own)
    assert Daemon(state).reset()
    assert "No such" in docker("inspect", own, fails=True)
    docker("inspect", image)


def test_a_wrong_password_is_refused(docker: Docker, repository: dict[str, Any]) -> None:
    host = repository["repositoryUri"].partition("/")[0]
    answer = docker("login", "-u", "AWS", "--password-stdin", host, stdin="wrong", fails=True)
    assert "401" in answer or "unauthorized" in answer.lower()


def test_a_push_without_login_is_refused(docker: Docker, image: str) -> None:
    assert "no basic auth credentials" in docker("push", image, fails=True)


def test_a_push_to_an_unknown_repository_says_how_to_create_it(
    docker: Docker, served: Served, repository: dict[str, Any], image: str
) -> None:
    log_in(docker, served, repository)
    unknown = f"{image.partition('/')[0]}/not-created:v1"
    docker("tag", image, unknown)
    answer = docker("push", unknown, fails=True)
    docker("image", "rm", unknown)
    assert "aws ecr create-repository --repository-name not-created" in answer


def test_an_immutable_tag_stays(
    docker: Docker, served: Served, ecr: ECRClient, repository: dict[str, Any], image: str
) -> None:
    log_in(docker, served, repository)
    docker("push", image)
    name = repository["repositoryName"]
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="IMMUTABLE")
    docker("push", image)  # the same image is not a change
    docker("build", "-q", "-t", image, "-", stdin="FROM scratch\nLABEL other=1\n")
    assert "immutable" in docker("push", image, fails=True)


def test_the_workshops_own_engine_knows_registries_by_their_names_on_aws(
    docker: Docker, served: Served, ecr: ECRClient, repository: dict[str, Any], image: str
) -> None:
    config = served.account.config
    address = os.environ.get("DOCKER_HOST", "")
    name_registry(address, config.ecr_host)
    if not knows_registry(address, config.ecr_host):
        pytest.skip("this engine was not started by the workshop, or this machine forbids it")
    on_aws = image.replace(config.registry, config.ecr_host)
    docker("tag", image, on_aws)
    try:
        assert "Login Succeeded" in log_in(docker, served, repository, config.ecr_host)
        docker("push", on_aws)
        (shown,) = ecr.describe_images(repositoryName=repository["repositoryName"])["imageDetails"]
        assert shown["imageTags"] == ["v1"]
        docker("image", "rm", "-f", on_aws, image)
        assert "Downloaded newer image" in docker("pull", on_aws)
        built = docker("build", "-q", "-", stdin=f"FROM {on_aws}\nLABEL other=1\n").split()[0]
        docker("image", "rm", built)
    finally:
        docker("image", "rm", "-f", on_aws)


def test_one_name_leads_to_the_account_of_the_password(served: Served, ecr: ECRClient) -> None:
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    ended = base64.urlsafe_b64encode(b"1.9999999999.0000").decode()
    with relaying() as root:
        assert requests.get(f"{root}/v2/", auth=(user, password), timeout=10).status_code == 200
        nobody = requests.get(f"{root}/v2/", timeout=10)
        assert (nobody.status_code, nobody.headers["WWW-Authenticate"][:5]) == (401, "Basic")
        forged = base64.urlsafe_b64encode(f"{served.account.config.registry_port}.9999999999.00".encode())
        assert requests.get(f"{root}/v2/", auth=(user, forged.decode()), timeout=10).status_code == 401
        gone = requests.get(f"{root}/v2/", auth=(user, ended), timeout=10)
        assert "had port 1 is not running" in gone.json()["errors"][0]["message"]


def test_layers_stream_through_the_name(served: Served, ecr: ECRClient, repository: dict[str, Any]) -> None:
    data = ecr.get_authorization_token()["authorizationData"][0]
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    name, content = repository["repositoryName"], os.urandom(3_000_000)
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    with relaying() as root, requests.Session() as session:
        session.auth = (user, password)
        begun = session.post(f"{root}/v2/{name}/blobs/uploads/", timeout=10)
        where = f"{root}{begun.headers['Location']}"
        parts = (content[at : at + 65536] for at in range(0, len(content), 65536))
        assert session.patch(where, data=parts, timeout=30).status_code == 202
        assert session.put(where, params={"digest": digest}, timeout=30).status_code == 201
        assert session.get(f"{root}/v2/{name}/blobs/{digest}", timeout=30).content == content


@contextlib.contextmanager
def relaying() -> Iterator[str]:
    """Relay for as long as a process lives, which stands for the engine; yield the relay's URL."""
    engine = subprocess.Popen(["sleep", "600"])
    listener = ecr_relay.listen(free_port())
    address, port = listener.getsockname()
    running = threading.Thread(target=asyncio.run, args=(ecr_relay.serve(listener, engine.pid),))
    running.start()
    try:
        yield f"http://{address}:{port}"
    finally:
        engine.kill()
        engine.wait()
        running.join(timeout=30)
    assert not running.is_alive()
