"""The output of a build: files found by globs, uploaded to Amazon S3."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from local_account.services.codebuild import archive, globs
from local_account.services.codebuild.buildspec import ArtifactSpec

if TYPE_CHECKING:
    from mypy_boto3_codebuild.type_defs import BuildArtifactsTypeDef, ProjectArtifactsTypeDef
    from mypy_boto3_s3 import S3Client


class ArtifactError(Exception):
    """An artifact cannot be created or uploaded; the build fails in UPLOAD_ARTIFACTS (``CLIENT_ERROR``)."""


def collect(
    spec: ArtifactSpec, sources: Sequence[Path], say: Callable[[str], object]
) -> list[tuple[str, Path]]:
    """Return (name in the artifact, file) of everything that the globs of ``spec`` match.

    ``sources`` are the directories of the build's sources; paths are relative to that of the first one.
    Raises ArtifactError with CodeBuild's message if they match nothing.
    """
    say(f"Expanding base directory path: {spec.base_directory}")
    inside = next((one for one in sources if Path(spec.base_directory).is_relative_to(one)), sources[0])
    bases = globs.directories(inside, spec.base_directory)
    if not bases:
        raise ArtifactError(f"no matching base directory path found for {spec.base_directory}")
    found: dict[str, Path] = {}
    for base in bases:
        excluded = {path for pattern in spec.exclude for path in globs.excluded(base, pattern)}
        for pattern in spec.files:
            say(f"Expanding {pattern}")
            matches = globs.files(base, pattern)
            if not matches:
                say(f"Skipping invalid file path {pattern}")
            for path in matches:
                if path not in excluded:
                    name = path.name if spec.discard_paths else path.relative_to(base).as_posix()
                    found[name] = path
    say(f"Found {len(found)} file(s)")
    if not found:
        raise ArtifactError("no matching artifact paths found")
    return sorted(found.items())


def upload(
    spec: ArtifactSpec,
    files: list[tuple[str, Path]],
    target: ProjectArtifactsTypeDef,
    build_uuid: str,
    s3: S3Client,
) -> BuildArtifactsTypeDef:
    """Upload to the place given by ``target`` (ProjectArtifacts); return BuildArtifacts."""
    bucket = target["location"].removeprefix("arn:aws:s3:::")
    parts = [target.get("path", "").strip("/")]
    if target.get("namespaceType") == "BUILD_ID":
        parts = [spec.s3_prefix.strip("/") or parts[0], build_uuid]
    name = target.get("name", "").strip("/")
    key = "/".join(part for part in [*parts, name] if part)
    result: BuildArtifactsTypeDef = {"location": f"arn:aws:s3:::{bucket}/{key}"}
    if target.get("artifactIdentifier"):
        result["artifactIdentifier"] = target["artifactIdentifier"]
    try:
        if target["type"] == "S3" and target.get("packaging", "NONE") == "NONE":
            for relative, path in files:
                with path.open("rb") as file:
                    s3.put_object(Bucket=bucket, Key=f"{key}/{relative}".lstrip("/"), Body=file)
            return result
        if not key:
            raise ArtifactError("an artifact in a ZIP needs a name that is not only /")
        with tempfile.TemporaryDirectory() as directory:
            package = Path(directory) / "artifact.zip"
            archive.pack(package, files, links=spec.links)
            content = package.read_bytes()
        s3.put_object(Bucket=bucket, Key=key, Body=content, ContentType="application/zip")
    except (s3.exceptions.ClientError, OSError) as error:
        raise ArtifactError(f"the upload to s3://{bucket}/{key} failed: {error}") from error
    return result | {
        "sha256sum": hashlib.sha256(content).hexdigest(),
        "md5sum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
    }
