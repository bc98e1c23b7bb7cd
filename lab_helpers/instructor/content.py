"""The workshop as content of AWS Workshop Studio, which runs events with an account for each participant.

What Workshop Studio reads is in `workshop-studio/`: `contentspec.yaml`, pages and the participants' policy.
The template, the package and a page with the notebooks are made from this checkout.

Source of the format: contentspec.yaml and static/ of awslabs/multi-az-workshop and of
aws-samples/eks-fsx-workshop. Its documentation is for those who have an account there.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from lab_helpers.exercises import cells
from lab_helpers.instructor.package import package

SPEC = "contentspec.yaml"
PACKAGE = "workshop.zip"
_NESTED = re.compile(r"^(?P<key> +TemplateURL: )(?P<name>[A-Za-z0-9-]+\.yml)\b.*$", re.MULTILINE)
_BESIDE = (
    '!Sub ["https://s3.${AWS::Region}.${AWS::URLSuffix}/${Folder}NAME", { Folder: !Select [0, !Split '
    f'["{PACKAGE}", !Select [1, !Split ["s3://", !Ref PackageUri]]]] }}]'
)
"""The address of a template beside the package, whose place Workshop Studio gives for each event."""


def write(root: Path, output: Path) -> list[Path]:
    """Write the content of a checkout into a folder, which is replaced, and return its files.

    `assets/` goes to the workshop's assets; everything else into its repository.
    """
    shutil.rmtree(output, ignore_errors=True)
    shutil.copytree(root / "workshop-studio", output)
    assets = output / "assets"
    assets.mkdir()
    (assets / PACKAGE).write_bytes(package(root))

    def beside(match: re.Match[str]) -> str:
        shutil.copy(root / "cfn" / match["name"], assets)
        return match["key"] + _BESIDE.replace("NAME", match["name"])

    template = (root / "cfn" / "m.yml").read_text(encoding="utf-8")
    (output / "static" / "m.yml").write_text(_NESTED.sub(beside, template), encoding="utf-8")
    page = output / "content" / "notebooks" / "index.en.md"
    page.parent.mkdir()
    page.write_text(_notebooks(root / "notebooks"), encoding="utf-8")
    return sorted(path for path in output.rglob("*") if path.is_file())


def _notebooks(folder: Path) -> str:
    lessons = "".join(
        f"- `notebooks/{notebook.name}`: {_title(notebook)}\n" for notebook in sorted(folder.glob("*.ipynb"))
    )
    return (
        '---\ntitle: "Work through the notebooks"\nweight: 20\n---\n\n'
        "Run cell after cell, with Shift-Enter. Each notebook begins with what you learn "
        "and how long it takes, and ends with exercises; their solutions are in `notebooks/solutions/`.\n\n"
        + lessons
    )


def _title(notebook: Path) -> str:
    text = "\n".join(cell["source"] for cell in cells(notebook, "markdown"))
    heading = re.search(r"^# +(.+)$", text, re.MULTILINE)
    return heading.group(1).strip() if heading else notebook.stem
