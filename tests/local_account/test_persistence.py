"""What CodeCommit, ECR and its registry store survives a stop and a crash of the local account."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests
from botocore.exceptions import ClientError

from tests.local_account.account_process import AccountProcess

if TYPE_CHECKING:
    from mypy_boto3_ecr import ECRClient

pytestmark = pytest.mark.slow

MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def log_in(ecr: ECRClient) -> tuple[str, requests.Session]:
    data = ecr.get_authorization_token()["authorizationData"][0]
    session = requests.Session()
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    session.auth = (user, password)
    return f"{data['proxyEndpoint']}/v2", session


def push_image(root: str, session: requests.Session, name: str, tag: str, content: bytes) -> str:
    session.post(
        f"{root}/{name}/blobs/uploads/", params={"digest": digest_of(content)}, data=content
    ).raise_for_status()
    part = {"mediaType": "test/part", "digest": digest_of(content), "size": len(content)}
    manifest = json.dumps({"schemaVersion": 2, "config": part, "layers": [part]}).encode()
    session.put(
        f"{root}/{name}/manifests/{tag}", data=manifest, headers={"Content-Type": MANIFEST}
    ).raise_for_status()
    return digest_of(manifest)


def new_clone(account: AccountProcess, url: str, where: Path) -> Path:
    git(account, "clone", "-q", url, str(where), cwd=where.parent)
    git(account, "config", "user.name", "Ana", cwd=where)
    git(account, "config", "user.email", "ana@example.com", cwd=where)
    return where


def git(account: AccountProcess, *arguments: str, cwd: Path) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=cwd, env=account.environment, capture_output=True, text=True, check=True
    ).stdout.strip()


def commit(account: AccountProcess, clone: Path, name: str, content: bytes) -> str:
    (clone / name).write_bytes(content)
    git(account, "add", name, cwd=clone)
    git(account, "commit", "-qm", f"Add {name}", cwd=clone)
    return git(account, "rev-parse", "HEAD", cwd=clone)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_repositories_and_images_survive(
    own_account: AccountProcess, tmp_path: Path, how: signal.Signals
) -> None:
    account = own_account.start()
    metadata = account.client("codecommit").create_repository(repositoryName="mlops", tags={"a": "1"})
    url = metadata["repositoryMetadata"]["cloneUrlHttp"]
    clone = new_clone(account, url, tmp_path / "clone")
    tip = commit(account, clone, "a", b"1")
    git(account, "push", "-q", "origin", "HEAD:trunk", cwd=clone)
    repository = account.client("ecr").create_repository(repositoryName="app")["repository"]
    root, session = log_in(account.client("ecr"))
    digest = push_image(root, session, "app", "v1", b"layer")

    account.stop(how)
    account.start()

    after = account.client("codecommit").get_repository(repositoryName="mlops")["repositoryMetadata"]
    assert after["repositoryId"] == metadata["repositoryMetadata"]["repositoryId"]
    assert after["defaultBranch"] == "trunk"
    assert git(account, "ls-remote", url, "refs/heads/trunk", cwd=clone).split()[0] == tip
    ecr = account.client("ecr")
    assert ecr.describe_repositories()["repositories"] == [repository]
    (image,) = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": "v1"}])["imageDetails"]
    assert image["imageDigest"] == digest
    # The password from the earlier login still works: no one has to log in again.
    layer = session.get(f"{root}/app/blobs/{digest_of(b'layer')}")
    assert layer.content == b"layer"


def test_a_half_written_layer_is_dropped_and_never_part_of_an_image(own_account: AccountProcess) -> None:
    account = own_account.start()
    account.client("ecr").create_repository(repositoryName="app")
    root, session = log_in(account.client("ecr"))
    place = session.post(f"{root}/app/blobs/uploads/").headers["Location"]
    host = root.removesuffix("/v2")
    content = os.urandom(100_000)
    assert session.patch(host + place, data=content[:50_000]).status_code == 202
    uploads = account.state / "registry" / "uploads"
    assert len(list(uploads.iterdir())) == 1

    account.stop(signal.SIGKILL)
    account.start()

    assert list(uploads.iterdir()) == []
    assert session.patch(host + place, data=content[50_000:]).status_code == 404
    assert session.head(f"{root}/app/blobs/{digest_of(content)}").status_code == 404
    part = {"digest": digest_of(content), "size": len(content)}
    manifest = json.dumps({"config": part, "layers": []})
    refusal = session.put(f"{root}/app/manifests/v1", data=manifest, headers={"Content-Type": MANIFEST})
    assert refusal.json()["errors"][0]["code"] == "MANIFEST_BLOB_UNKNOWN"
    assert push_image(root, session, "app", "v1", content)


def test_a_push_cut_off_by_a_crash_can_be_repeated(own_account: AccountProcess, tmp_path: Path) -> None:
    account = own_account.start()
    codecommit = account.client("codecommit")
    url = codecommit.create_repository(repositoryName="mlops")["repositoryMetadata"]["cloneUrlHttp"]
    clone = new_clone(account, url, tmp_path / "clone")
    first = commit(account, clone, "a", b"1")
    git(account, "push", "-q", "origin", "HEAD:main", cwd=clone)
    second = commit(account, clone, "big", os.urandom(10_000_000))
    push = subprocess.Popen(
        ["git", "push", "-q", "origin", "HEAD:main"],
        cwd=clone,
        env=account.environment,
        stderr=subprocess.DEVNULL,
    )
    packs = account.state / "codecommit" / "mlops.git" / "objects"
    deadline = time.monotonic() + 30
    while not list(packs.glob("**/tmp_*")) and push.poll() is None:  # the push is being received
        assert time.monotonic() < deadline
    account.stop(signal.SIGKILL)
    push.wait(30)
    account.start()
    tip = git(account, "ls-remote", url, "refs/heads/main", cwd=clone).split()[0]
    assert tip == (second if push.returncode == 0 else first)
    git(account, "push", "-q", "origin", "HEAD:main", cwd=clone)
    branch = account.client("codecommit").get_branch(repositoryName="mlops", branchName="main")["branch"]
    assert branch["commitId"] == second
    git(account, "--git-dir", str(packs.parent), "fsck", "--connectivity-only", cwd=clone)


def test_what_was_deleted_stays_deleted(own_account: AccountProcess) -> None:
    account = own_account.start()
    account.client("codecommit").create_repository(repositoryName="gone")
    account.client("codecommit").delete_repository(repositoryName="gone")
    account.client("ecr").create_repository(repositoryName="gone")
    account.client("ecr").delete_repository(repositoryName="gone")
    account.stop(signal.SIGKILL)
    account.start()
    with pytest.raises(ClientError, match="RepositoryDoesNotExistException"):
        account.client("codecommit").get_repository(repositoryName="gone")
    assert account.client("ecr").describe_repositories()["repositories"] == []
