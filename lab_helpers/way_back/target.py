"""What exists at the start of each notebook: the results of the notebooks before it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from lab_helpers import exercises
from lab_helpers.names import Names


def numbers(root: Path) -> tuple[str, ...]:
    """Return the numbers of a checkout's notebooks to whose start a lab can go back, such as `03`.

    Every lesson with a number of its own is one: what comes after 05 begins with a release in PRD as 05 does.
    Notebook 00 makes nothing, and 99 deletes the lab.
    """
    found = {path.name[:2] for path in (root / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    return tuple(sorted(found - {"00", "99"}))


def blob_id(content: bytes) -> str:
    """Return git's blob id of a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Image:
    """One image of a lab: its source, its pipeline, and the files that learners push for it."""

    repository: str
    pipeline: str
    project: str
    branch: str
    files: dict[str, bytes]
    message: str

    @property
    def blobs(self) -> dict[str, str]:
        """Return git's blob ids of the files, by name."""
        return {name: blob_id(content) for name, content in self.files.items()}


@dataclass(frozen=True)
class Target:
    """The state of one lab at the start of notebook `number`, derived from a checkout's notebooks."""

    number: str
    names: Names
    root: Path
    """The checkout whose `notebooks/` and `cfn/` the lab gets."""

    @cached_property
    def images(self) -> tuple[Image, Image]:
        """Base image and model image, with the files that notebooks 01 and 02 push."""
        names, notebooks = self.names, self.root / "notebooks"
        return (
            Image(
                names.base_image,
                names.base_pipeline,
                names.base_project,
                names.base_branch,
                exercises.files_in(exercises.find(notebooks, "01"), "base_image"),
                "Base image for scikit-learn models",
            ),
            Image(
                names.model_image,
                names.model_pipeline,
                names.model_project,
                names.model_branch,
                exercises.files_in(exercises.find(notebooks, "02"), "model_image"),
                "Iris model: logistic regression and random forest",
            ),
        )

    @property
    def built(self) -> tuple[Image, ...]:
        """The images that exist at the start."""
        return self.images[: {"01": 0, "02": 1}.get(self.number, 2)]

    @property
    def trained(self) -> bool:
        """Whether an execution of the training pipeline has trained a model and starts to deploy DEV."""
        return self.number >= "04"

    @property
    def released(self) -> bool:
        """Whether PRD serves that model."""
        return self.number >= "05"

    def training_job(self, bucket: str, region: str) -> dict[str, bytes]:
        """Return the members of `trainingjob.zip` as notebook 03 packs them."""
        templates = [self.root / "cfn" / f"deploy-model-{stage}.yml" for stage in ("dev", "prd")]
        notebook = exercises.find(self.root / "notebooks", "03")
        return exercises.training_job(notebook, templates, bucket, region)

    @property
    def data(self) -> bytes:
        """The data set that notebook 03 uploads."""
        return (self.root / "notebooks" / "data" / "iris.csv").read_bytes()
