"""What CodeCommit, ECR and its registry, and S3 store survives a stop and a crash of the local account."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from botocore.exceptions import BotoCoreError, ClientError

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


def push_image(
    root: str, session: requests.Session, name: str, tag: str, content: bytes, *, kind: str = MANIFEST
) -> str:
    session.post(
        f"{root}/{name}/blobs/uploads/", params={"digest": digest_of(content)}, data=content
    ).raise_for_status()
    part = {"mediaType": "test/part", "digest": digest_of(content), "size": len(content)}
    manifest = json.dumps({"schemaVersion": 2, "config": part, "layers": [part]}).encode()
    session.put(
        f"{root}/{name}/manifests/{tag}", data=manifest, headers={"Content-Type": kind}
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


KILLS = 6
WRITERS = 4


class Writer(threading.Thread):
    """Puts, overwrites and deletes objects until the account is gone; remembers what was acknowledged."""

    def __init__(self, s3: Any, name: str, kept: dict[str, bytes | None]) -> None:
        super().__init__(daemon=True)
        self.s3 = s3
        self.label = name
        self.kept = kept
        self.unsure: dict[str, bytes | None] = {}
        """What was being written when the account ended: it may be there or not."""

    def run(self) -> None:
        chance = random.Random(self.label)
        for number in range(10_000):
            key = f"{self.label}/{number if chance.random() < 0.7 else chance.randrange(number + 1)}"
            content = self.label.encode() * chance.choice((1, 100, 20_000))
            wanted = None if chance.random() < 0.2 else content + f" {number}".encode()
            self.unsure = {key: wanted}
            try:
                if wanted is None:
                    self.s3.delete_object(Bucket="kept", Key=key)
                else:
                    self.s3.put_object(Bucket="kept", Key=key, Body=wanted)
            except (BotoCoreError, ClientError):
                return
            self.kept[key] = wanted
            self.unsure = {}


def test_every_acknowledged_object_survives_kills_and_none_is_torn(own_account: AccountProcess) -> None:
    account = own_account.start()
    account.client("s3").create_bucket(Bucket="kept")
    kept: dict[str, bytes | None] = {}
    for kill in range(KILLS):
        writers = [Writer(account.client("s3"), f"{kill}-{number}", kept) for number in range(WRITERS)]
        before = len(kept)
        for writer in writers:
            writer.start()
        enough = before + random.randrange(20, 200)
        while len(kept) < enough and any(writer.is_alive() for writer in writers):
            time.sleep(0.001)
        account.stop(signal.SIGKILL)
        for writer in writers:
            writer.join(30)
        account.start()
        unsure = {key: value for writer in writers for key, value in writer.unsure.items()}
        found = contents(account.client("s3"))
        for key in {*kept, *unsure, *found}:
            assert found.get(key) in {kept.get(key), unsure.get(key, kept.get(key))}, key
        kept.update({key: found.get(key) for key in unsure})
    assert sum(value is not None for value in kept.values()) > KILLS * 10
    bodies = account.state / "s3" / "incoming"
    assert not list(bodies.iterdir()), "what was cut off is cleaned up"


def contents(s3: Any) -> dict[str, bytes]:
    """Return the content of each object in the bucket."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket="kept")
    keys = [one["Key"] for page in pages for one in page.get("Contents", [])]
    return {key: s3.get_object(Bucket="kept", Key=key)["Body"].read() for key in keys}


def test_uploads_and_settings_survive_a_kill(own_account: AccountProcess) -> None:
    account = own_account.start()
    s3 = account.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_bucket_versioning(Bucket="kept", VersioningConfiguration={"Status": "Enabled"})
    s3.put_bucket_tagging(Bucket="kept", Tagging={"TagSet": [{"Key": "a", "Value": "b"}]})
    versions = [s3.put_object(Bucket="kept", Key="k", Body=body)["VersionId"] for body in (b"1", b"2")]
    upload = {"Bucket": "kept", "Key": "big", "UploadId": ""}
    upload["UploadId"] = s3.create_multipart_upload(Bucket="kept", Key="big")["UploadId"]
    content = os.urandom(5 * 1024 * 1024)
    first = s3.upload_part(PartNumber=1, Body=content, **upload)["ETag"]

    account.stop(signal.SIGKILL)
    account.start()

    s3 = account.client("s3")
    assert s3.get_object(Bucket="kept", Key="k", VersionId=versions[0])["Body"].read() == b"1"
    assert s3.get_bucket_tagging(Bucket="kept")["TagSet"] == [{"Key": "a", "Value": "b"}]
    second = s3.upload_part(PartNumber=2, Body=b"end", **upload)["ETag"]
    parts = [{"PartNumber": 1, "ETag": first}, {"PartNumber": 2, "ETag": second}]
    s3.complete_multipart_upload(MultipartUpload={"Parts": parts}, **upload)
    assert s3.get_object(Bucket="kept", Key="big")["Body"].read() == content + b"end"


def test_the_state_of_an_older_build_is_refused_with_a_sentence(own_account: AccountProcess) -> None:
    own_account.start()
    own_account.stop()
    (own_account.state / "moto" / "s3.pickle").write_bytes(b"")
    with pytest.raises(
        AssertionError, match=r"of an older build, which kept it in moto/s3\.pickle: empty it"
    ):
        own_account.start()
    (own_account.state / "moto" / "s3.pickle").unlink()
    with sqlite3.connect(own_account.state / "s3" / "index.sqlite") as index:
        index.execute("PRAGMA user_version=99")
    index.close()
    with pytest.raises(AssertionError, match=r"error: the state has objects of format 99.*: empty it"):
        own_account.start()
