"""What is kept in S3: each object, its writer and its readers."""

from __future__ import annotations

from dataclasses import dataclass

from lab_helpers import keys
from lab_helpers.display import INDENT, Table, size
from lab_helpers.lab import Lab
from lab_helpers.names import Names

OWNERS = (
    (keys.LABELED, "", "notebook 08, whoever labels", "training job (channel training)"),
    (keys.INPUT, "", "notebook 03", "training job (channel training)"),
    (keys.TRAINING_SOURCE, "", "notebook 03", "Source action of the training pipeline"),
    (keys.JOBS, "", "launcher function", "monitor function (the job as requested, its quality gate)"),
    (keys.TRAINED, "", "launcher function", "launcher function (what has been trained before)"),
    (keys.OUTPUT, "model.tar.gz", "SageMaker training", "models of the DEV and PRD endpoints"),
    (
        keys.OUTPUT,
        "output.tar.gz",
        "SageMaker training",
        "monitor and tester functions (evaluation, held-out rows)",
    ),
    (keys.OUTPUT, "", "SageMaker training", "people who look into a job"),
    (keys.REPORTS, "-dev.json", "tester function", "notebook 04"),
    (keys.REPORTS, ".html", "tester function", "people at DeployApproval, notebook 04"),
    (keys.REPORTS, "", "monitor function", "people at DeployApproval, notebook 04; tester function"),
    (keys.SDK, "", "notebook 03a and its jobs", "notebook 03a"),
    (keys.CAPTURE, "", "PRD endpoint (data capture)", "checks of notebooks 07 and 08"),
    (keys.CHECKS, "", "checks of notebooks 07 and 08", "notebooks 07 and 08"),
    (keys.BATCH, "", "notebook 08 and its transform jobs", "notebook 08"),
    (keys.CANDIDATES_PROGRAM, "", "notebook 06", "the job that trains its candidates"),
    (keys.CANDIDATES, "", "a job of notebook 06", "endpoint of notebook 06"),
    (keys.MONITORING, "", "notebooks 07 and 08", "their checks"),
    (keys.DRILLS, "", "notebook 09, instructors (fleet drill)", "the same, and training jobs of drills"),
    (f"{keys.FUNCTIONS}/", "", "provisioning", "CloudFormation (code of the functions)"),
    (keys.PROVISION, "", "provisioning", "instructors (fleet)"),
    (keys.RESET_REQUEST, "", "instructors (reset), notebook 00", "the notebook instance"),
    (keys.RESET_ANSWER, "", "the notebook instance", "instructors (reset), notebook 00"),
    (keys.TRIAL, "", "the notebook instance", "instructors (doctor --trial)"),
    (keys.SOURCE, "", "git push (labs without CodeCommit)", "git, Source action of the image pipelines"),
    (keys.PIPELINES, "", "CodePipeline, CodeBuild", "CodePipeline, CodeBuild, launcher function"),
)
"""Key prefix, key suffix, writer, reader; the first match counts (docs/names-and-contracts.md)."""

UNKNOWN = ("not the workshop", "nothing in the workshop")
"""Writer and reader of every other key."""

ARTIFACT_PREFIX = 20
"""Artifact keys of CodePipeline begin with the first characters of the pipeline's name."""


@dataclass(frozen=True)
class Stored:
    """An object in a bucket, with the number of its versions, its writer and its readers."""

    key: str
    bytes: int
    versions: int
    writer: str
    reader: str


def owners(names: Names, key: str) -> tuple[str, str]:
    """Return the writer and the readers of a key in the lab's bucket."""
    pipelines = (names.base_pipeline, names.model_pipeline, names.train_pipeline)
    if key.partition("/")[0] in {name[:ARTIFACT_PREFIX] for name in pipelines}:
        key = f"pipelines/{key}"
    for prefix, suffix, writer, reader in OWNERS:
        if key.startswith(prefix) and key.endswith(suffix):
            return writer, reader
    return UNKNOWN


def objects(lab: Lab) -> list[Stored]:
    """Return everything in the lab's bucket, ordered by key (S3 ListObjectVersions)."""
    sizes: dict[str, int] = {}
    versions: dict[str, int] = {}
    pages = lab.client("s3").get_paginator("list_object_versions").paginate(Bucket=lab.bucket)
    for page in pages:
        for version in page.get("Versions", []):
            versions[version["Key"]] = versions.get(version["Key"], 0) + 1
            if version["IsLatest"]:
                sizes[version["Key"]] = version["Size"]
    return [
        Stored(key, count, versions[key], *owners(lab.names, key)) for key, count in sorted(sizes.items())
    ]


def tree(lab: Lab) -> Table:
    """Show the bucket as a tree: pipeline artifacts and captured data summed up, everything else by name."""
    groups: dict[str, list[Stored]] = {}
    for stored in objects(lab):
        folder = stored.key.rpartition("/")[0]
        summed = stored.writer.startswith("CodePipeline") and folder
        shown = f"{folder}/" if summed else stored.key
        groups.setdefault(keys.CAPTURE if stored.key.startswith(keys.CAPTURE) else shown, []).append(stored)
    rows: list[list[str]] = []
    above: list[str] = []
    for shown, members in groups.items():
        *folders, name = shown.rstrip("/").split("/")
        for depth, folder in enumerate(folders):
            if above[: depth + 1] != folders[: depth + 1]:
                rows.append([INDENT * depth + folder + "/", "", "", "", ""])
        above = folders
        is_folder = shown.endswith("/")
        count = "object" if len(members) == 1 else "objects"
        rows.append(
            [
                INDENT * len(folders) + name + ("/" if is_folder else ""),
                size(sum(member.bytes for member in members)),
                f"{len(members)} {count}" if is_folder else str(members[0].versions),
                members[0].writer,
                members[0].reader,
            ]
        )
    return Table(["key", "size", "versions", "written by", "read by"], rows, caption=f"s3://{lab.bucket}")
