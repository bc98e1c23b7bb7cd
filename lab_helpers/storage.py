"""What stays in S3: each object with who wrote it and who reads it."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers.display import Table, size
from lab_helpers.lab import Lab

OWNERS = (
    ("training/input/", "", "notebook 03", "training job (channel training)"),
    ("training/source/", "", "notebook 03", "Source action of the training pipeline"),
    ("training/output/", "model.tar.gz", "SageMaker training", "models of the DEV and PRD endpoints"),
    ("training/output/", "output.tar.gz", "SageMaker training", "monitor function (evaluation.json)"),
    ("training/output/", "", "SageMaker training", "people who look into a job"),
    ("training/reports/", "", "monitor function", "people at DeployApproval, notebook 04"),
    ("pipelines/", "", "CodePipeline, CodeBuild", "CodePipeline, CodeBuild, launcher function"),
    ("", "", "somebody else", "nobody in the workshop"),
)
"""Key prefix, key suffix, writer, reader: the first line that fits counts (docs/architecture.md)."""


@dataclass(frozen=True)
class Stored:
    """An object of a bucket, with the number of its versions."""

    key: str
    bytes: int
    versions: int

    @property
    def owners(self) -> tuple[str, str]:
        """Who wrote it, and who reads it."""
        return next(
            (writer, reader)
            for prefix, suffix, writer, reader in OWNERS
            if self.key.startswith(prefix) and self.key.endswith(suffix)
        )


def objects(lab: Lab) -> list[Stored]:
    """Return everything that the lab's bucket holds, in the order of the keys (S3 ListObjectVersions)."""
    sizes: dict[str, int] = {}
    versions: dict[str, int] = {}
    pages = lab.client("s3").get_paginator("list_object_versions").paginate(Bucket=lab.bucket)
    for page in pages:
        for version in page.get("Versions", []):
            versions[version["Key"]] = versions.get(version["Key"], 0) + 1
            if version["IsLatest"]:
                sizes[version["Key"]] = version["Size"]
    return [Stored(key, count, versions[key]) for key, count in sorted(sizes.items())]


def tree(lab: Lab) -> Table:
    """Show the bucket as a tree: artefacts of pipelines summed up per folder, everything else by name."""
    groups: dict[str, list[Stored]] = {}
    for stored in objects(lab):
        parts = stored.key.split("/")
        shown = "/".join(parts[:3]) + "/" if parts[0] == "pipelines" and len(parts) > 3 else stored.key
        groups.setdefault(shown, []).append(stored)
    rows: list[list[str]] = []
    above: list[str] = []
    for shown, members in groups.items():
        folders, name = shown.rstrip("/").split("/")[:-1], shown.rstrip("/").rpartition("/")[2]
        for depth, folder in enumerate(folders):
            if above[: depth + 1] != folders[: depth + 1]:
                rows.append(["\u2003" * depth + folder + "/", "", "", "", ""])
        above = folders
        writer, reader = members[0].owners
        held = f"{len(members)} objects" if shown.endswith("/") else f"{members[0].versions}"
        rows.append(
            [
                "\u2003" * len(folders) + name + ("/" if shown.endswith("/") else ""),
                size(sum(member.bytes for member in members)),
                held,
                writer,
                reader,
            ]
        )
    return Table(["key", "size", "versions", "written by", "read by"], rows, caption=f"s3://{lab.bucket}")
