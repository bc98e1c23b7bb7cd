"""What learners write is linted and type-checked like our own code; the build files have the right parts."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT
from tests.notebooks import sources

pytestmark = pytest.mark.slow

CONFIG = str(ROOT / "pyproject.toml")


def run(*arguments: str, cwd: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr


def test_ruff_finds_nothing_in_the_written_sources(exercises: Path) -> None:
    # A server in a container binds to every interface, and its lock directory is in memory on purpose.
    own = "src = ['base_image', 'model_image']"  # in the image they lie side by side
    ignored = ("--ignore", "S104,S108")
    run("ruff", "check", "--config", CONFIG, "--config", own, *ignored, "--no-cache", ".", cwd=exercises)
    run("ruff", "format", "--config", CONFIG, "--check", "--no-cache", ".", cwd=exercises)


def test_ruff_finds_nothing_in_the_notebooks() -> None:
    run("ruff", "check", "--no-cache", "notebooks", cwd=ROOT)
    run("ruff", "format", "--check", "--no-cache", "notebooks", cwd=ROOT)


@pytest.mark.parametrize(
    "files",
    [
        ["base_image/app.py", "base_image/training.py", "model_image/model.py"],
        ["try_out/model.py"],
    ],
    ids=["images", "try_out"],
)
def test_the_written_sources_are_typed(exercises: Path, files: list[str], tmp_path: Path) -> None:
    config = tmp_path / "mypy.ini"
    config.write_text(
        "[mypy]\nstrict = True\npython_version = 3.11\n"
        "[mypy-onnxruntime.*,skl2onnx.*,sklearn.*,joblib.*]\nignore_missing_imports = True\n"
    )
    run("mypy", "--config-file", str(config), "--cache-dir", str(tmp_path / "cache"), *files, cwd=exercises)


def test_the_cells_fit_the_helpers_that_they_call(tmp_path: Path) -> None:
    modules = []
    for notebook in sources.NOTEBOOKS:
        modules.append(tmp_path / f"notebook_{notebook.stem}.py")
        modules[-1].write_text(sources.python(notebook))
    config = tmp_path / "mypy.ini"
    # What may be None is checked by a checkpoint before it is used, which mypy cannot know.
    config.write_text(
        "[mypy]\npython_version = 3.11\nignore_missing_imports = True\nfollow_imports = silent\n"
        "disable_error_code = union-attr\n"
    )
    run("mypy", "--config-file", str(config), *map(str, modules), cwd=ROOT)


@pytest.mark.parametrize("image", ["base_image", "model_image"])
def test_a_buildspec_logs_in_builds_pushes_and_exports_the_digest(image: str) -> None:
    spec = yaml.safe_load(sources.all_written()[f"{image}/buildspec.yml"])
    assert spec["version"] == 0.2
    assert spec["env"]["exported-variables"] == ["IMAGE_URI", "IMAGE_DIGEST"]
    assert list(spec["phases"]) == ["pre_build", "build", "post_build"]
    for phase in spec["phases"].values():
        assert phase["on-failure"] == "ABORT"
        assert all(isinstance(command, str) for command in phase["commands"])
    commands = [command for phase in spec["phases"].values() for command in phase["commands"]]
    assert commands[0] == (
        "aws ecr get-login-password | "
        'docker login --username AWS --password-stdin "${IMAGE_REPOSITORY_URI%%/*}"'
    )
    assert sum(command.startswith("docker build") for command in commands) == 1
    assert sum(command.startswith("docker push") for command in commands) == 2
    assert any(command.startswith("export IMAGE_URI IMAGE_DIGEST=") for command in commands)


@pytest.mark.parametrize("image", ["base_image", "model_image"])
def test_a_buildspec_is_plain_shell(image: str, exercises: Path) -> None:
    spec = yaml.safe_load(sources.all_written()[f"{image}/buildspec.yml"])
    script = "\n".join(command for phase in spec["phases"].values() for command in phase["commands"])
    result = subprocess.run(
        [
            str(Path(sys.executable).with_name("shellcheck")),
            "--shell=sh",
            "--exclude=SC2034,SC2016,SC2086",
            "-",
        ],
        input="#!/bin/sh\n" + script,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr


class Docker:
    """A `docker` that writes down its arguments, for an engine without images and a busy registry."""

    def __init__(self, directory: Path, store: str, refusals: int) -> None:
        self.calls = directory / "calls"
        (directory / "refusals").write_text("\n" * refusals)
        for name, text in {
            "docker": f"""echo "$*" >> {self.calls}
                case $1 in
                    info) echo '[[driver-type {store}]]' ;;
                    image) exit 1 ;;
                    pull) [ -s {directory}/refusals ] || exit 0; sed -i 1d {directory}/refusals; exit 1 ;;
                esac""",
            "sleep": f'echo "sleep $*" >> {self.calls}',
        }.items():
            (directory / name).write_text(f"#!/bin/sh\n{text}\n")
            (directory / name).chmod(0o755)
        (directory / "Dockerfile").write_text(sources.all_written()["base_image/Dockerfile"])
        self._directory = directory

    def build(self, image: str) -> list[str]:
        """Run the commands of a buildspec after the login, and return the calls."""
        spec = yaml.safe_load(sources.all_written()[f"{image}/buildspec.yml"])
        phases = [spec["phases"][name]["commands"] for name in ("pre_build", "build")]
        script = "\n".join([*phases[0][1:], *phases[1]])
        environment = {
            "PATH": f"{self._directory}:/usr/bin:/bin",
            "IMAGE_REPOSITORY_URI": "R", "BASE_IMAGE_REPOSITORY_URI": "B",
            "CODEBUILD_RESOLVED_SOURCE_VERSION": "c0ffee", **spec["env"]["variables"],
        }  # fmt: skip
        subprocess.run(["sh", "-c", script], cwd=self._directory, env=environment, check=True)
        return self.calls.read_text().splitlines()


@pytest.mark.parametrize("image", ["base_image", "model_image"])
@pytest.mark.parametrize(
    ("store", "options"),
    [("overlay2", ""), ("io.containerd.snapshotter.v1", "--output=type=image,oci-mediatypes=false ")],
)
def test_an_image_gets_the_manifest_that_sagemaker_serves(
    image: str, store: str, options: str, tmp_path: Path
) -> None:
    spec = yaml.safe_load(sources.all_written()[f"{image}/buildspec.yml"])
    assert spec["env"]["variables"] == {"BUILDX_NO_DEFAULT_ATTESTATIONS": "1"}
    (build,) = [call for call in Docker(tmp_path, store, 0).build(image) if call.startswith("build ")]

    assert build.startswith(f"build {options}-")
    assert build.endswith("--tag R:c0ffee --tag R:latest .")


@pytest.mark.parametrize(("refusals", "pulls", "pauses"), [(0, 1, 0), (2, 3, 2), (9, 4, 4)])
def test_a_build_that_the_public_registry_turns_away_comes_back_later(
    refusals: int, pulls: int, pauses: int, tmp_path: Path
) -> None:
    calls = Docker(tmp_path, "overlay2", refusals).build("base_image")

    assert calls.count("pull --quiet public.ecr.aws/docker/library/python:3.12-slim") == pulls
    assert sum(call.startswith("sleep ") for call in calls) == pauses
    assert calls[-1].startswith("build ")


def test_the_base_image_starts_app_py_as_process_1_and_pins_every_library() -> None:
    dockerfile = sources.all_written()["base_image/Dockerfile"]
    assert "FROM public.ecr.aws/docker/library/python:3.12-slim\n" in dockerfile
    assert 'ENTRYPOINT ["python", "/opt/program/app.py"]' in dockerfile
    # Without --no-deps pip would add what is not in the list; pip check finds what is missing.
    assert "--no-deps --only-binary=:all:" in dockerfile
    assert "pip check" in dockerfile
    lines = sources.all_written()["base_image/requirements.txt"].splitlines()
    libraries = [line for line in lines if line and not line.startswith("#")]
    assert libraries
    assert all(re.fullmatch(r"[a-z0-9_-]+==[0-9.]+", library) for library in libraries)


def test_the_base_image_copies_every_program() -> None:
    written = {target.removeprefix("base_image/") for target in sources.all_written()}
    programs = {name for name in written if name.endswith(".py") and "/" not in name}
    programs |= set(sources.given("base_image"))
    copied = re.search(r"^COPY (.*\.py) /opt/program/$", sources.all_written()["base_image/Dockerfile"], re.M)
    assert copied
    assert set(copied[1].split()) == programs


def test_no_dockerfile_needs_buildkit() -> None:
    for target, content in sources.all_written().items():
        if target.endswith("Dockerfile"):
            assert not re.search(r"# ?syntax=|--mount|<<|COPY --(link|chmod)|ADD --", content)


def test_the_tests_run_with_the_libraries_of_the_images() -> None:
    image = sources.all_written()["base_image/requirements.txt"]
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)$", image, flags=re.MULTILINE))
    listed = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8")
    ours = dict(re.findall(r"^([\w-]+)==(\S+)$", listed, flags=re.MULTILINE))
    assert {name: version for name, version in ours.items() if name in pinned} == {
        name: pinned[name] for name in ours
    }
    assert {name: metadata.version(name) for name in ours} == ours
