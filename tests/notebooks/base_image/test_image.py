"""The image: small, pinned, consistent, and nothing in it that only a build needs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import packaging
import pytest

from lab_helpers.containers import docker
from tests.notebooks.base_image.model_container import run_python

pytestmark = pytest.mark.docker
FROM = "public.ecr.aws/docker/library/python:3.12-slim"
LARGEST = 300_000_000
"""Bytes that the image may weigh on top of the Python image that it starts from."""
FIND = """
import os
for folder, _, files in os.walk("/"):
    if not folder.startswith(("/proc", "/sys", "/dev")):
        for name in files:
            if {condition}:
                print(os.path.join(folder, name))
"""
INSTALLED = """
import json
from importlib.metadata import distributions
print(json.dumps({d.metadata["Name"].lower().replace("_", "-"): d.version for d in distributions()}))
"""
CONSISTENT = """
from importlib.metadata import PackageNotFoundError, distributions, version
from packaging.requirements import Requirement
for distribution in distributions():
    for text in distribution.requires or []:
        needed = Requirement(text)
        if needed.marker and not needed.marker.evaluate({"extra": ""}):
            continue
        try:
            found = version(needed.name)
        except PackageNotFoundError:
            found = None
        if found is None or not needed.specifier.contains(found, prereleases=True):
            print(f"{distribution.metadata['Name']} needs {text}, there is {found}")
"""


def size(image: str) -> int:
    return int(docker("image", "inspect", "--format", "{{.Size}}", image))


def found(image: str, condition: str) -> set[str]:
    return set(run_python(image, FIND.format(condition=condition)).split("\n")) - {""}


def installed(image: str) -> dict[str, str]:
    return dict(json.loads(run_python(image, INSTALLED)))


def test_it_is_small(image: str) -> None:
    assert size(image) - size(FROM) < LARGEST


def test_the_model_image_adds_a_file_and_no_more(image: str, base_image: str) -> None:
    assert size(image) - size(base_image) < 20_000


def test_no_build_tools_are_left(image: str) -> None:
    tools = r"(.+-)?(gcc|g\+\+|cc|c\+\+|clang|ld|ld\.bfd|as|make|cmake|ninja|cargo|rustc)(-\d+)?"
    condition = f"os.access(os.path.join(folder, name), os.X_OK) and re.fullmatch(r'{tools}', name)"
    assert not run_python(image, "import re\n" + FIND.format(condition=condition)).split()


def test_no_headers_static_libraries_tests_or_caches_are_added(image: str) -> None:
    wanted = "name.endswith(('.h', '.hpp', '.a', '.whl')) or '/pip/cache' in folder or '/.cache' in folder"
    assert not found(image, wanted) - found(FROM, wanted)


def test_every_package_is_pinned_in_what_the_learner_writes(written: Path, base_image: str) -> None:
    sources = "\n".join(path.read_text() for path in (written / "base_image").iterdir())
    pinned = {
        name.lower().replace("_", "-"): version
        for name, version in re.findall(r"([A-Za-z0-9][\w.-]*)==([\w.]+)", sources)
    }
    before = installed(FROM)
    added = {name: version for name, version in installed(base_image).items() if name not in before}
    assert added
    assert added.items() <= pinned.items(), {n: v for n, v in added.items() if pinned.get(n) != v}


def test_packages_have_what_they_need(base_image: str) -> None:
    # What `pip check` does; the image need not contain pip for it.
    library = Path(packaging.__file__).parent
    said = run_python(
        base_image,
        "import sys; sys.path.append('/check')\n" + CONSISTENT,
        mounts=[(library, "/check/packaging")],
    )
    assert not said.strip(), said


def test_the_program_belongs_to_root_and_nobody_else_may_change_it(image: str) -> None:
    status = "os.stat(os.path.join(folder, name))"
    condition = f"folder.startswith('/opt/program') and ({status}.st_mode & 0o22 or {status}.st_uid)"
    assert not found(image, condition)
