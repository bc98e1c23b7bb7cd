"""A build whose role lacks a permission fails as docs/permissions.md says."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.local_account.permission_tables import Entry, entries, role_without
from tests.local_account.services.codebuild.codebuild_lab import CodeBuildLab
from tests.zips import zipped

pytestmark = pytest.mark.slow

ENTRIES = entries("CodeBuild")
SPEC = "version: 0.2\nphases: {build: {commands: ['echo hi > out.txt']}}\nartifacts: {files: [out.txt]}"


def plain(_lab: CodeBuildLab) -> dict[str, Any]:
    return {}


def downloading(lab: CodeBuildLab) -> dict[str, Any]:
    bucket = lab.bucket()
    lab.client("s3").put_object(Bucket=bucket, Key="source.zip", Body=zipped({"buildspec.yml": SPEC}))
    return {"source": {"type": "S3", "location": f"{bucket}/source.zip"}}


def listing(lab: CodeBuildLab) -> dict[str, Any]:
    bucket = lab.bucket()
    lab.client("s3").put_object(Bucket=bucket, Key="source/buildspec.yml", Body=SPEC.encode())
    return {"source": {"type": "S3", "location": f"{bucket}/source/"}}


def uploading(lab: CodeBuildLab) -> dict[str, Any]:
    return {"artifacts": {"type": "S3", "location": lab.bucket(), "name": "out"}}


PROJECTS: dict[str, tuple[str, Callable[[CodeBuildLab], dict[str, Any]]]] = {
    "a build starts": ("QUEUED", plain),
    "it downloads the source": ("DOWNLOAD_SOURCE", downloading),
    "it lists a source folder": ("DOWNLOAD_SOURCE", listing),
    "it uploads artifacts": ("UPLOAD_ARTIFACTS", uploading),
}


def test_every_row_has_a_project() -> None:
    assert {entry.when for entry in ENTRIES} == set(PROJECTS)


@pytest.mark.parametrize("entry", ENTRIES, ids=[f"{one.when}-{one.permission}" for one in ENTRIES])
def test_a_build_without_a_permission_fails_as_documented(lab: CodeBuildLab, entry: Entry) -> None:
    name = f"rest-{uuid.uuid4().hex[:8]}"
    role = role_without(lab.client("iam"), name, entry.permission, "codebuild.amazonaws.com")
    phase, project = PROJECTS[entry.when]
    build = lab.run(SPEC, serviceRole=role, **project(lab))

    assert build["buildStatus"] == "FAILED"
    (failed,) = (one for one in build["phases"] if one.get("phaseStatus") == "FAILED")
    (context,) = failed["contexts"]
    assert (failed["phaseType"], context["statusCode"]) == (phase, entry.code)
    assert entry.words.strip() in context["message"]
