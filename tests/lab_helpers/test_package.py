"""The package for an instance: only what runs there, and importable with `requirements.txt` alone."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from lab_helpers.instructor.package import LEFT_OUT, package
from local_account.engine.package_index import child_environment
from tests.checkout import ROOT

EVERY_MODULE = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import lab_helpers
names = [module.name for module in pkgutil.walk_packages(lab_helpers.__path__, "lab_helpers.")]
for name in names:
    if not name.endswith(("__main__", "runner.standby")):
        importlib.import_module(name)
print(len(names))
"""


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package, unpacked as on an instance."""
    directory = tmp_path_factory.mktemp("workshop")
    with zipfile.ZipFile(io.BytesIO(package(ROOT))) as archive:
        archive.extractall(directory)
    return directory


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with only `requirements.txt`."""
    uv = Path(sys.executable).with_name("uv")
    environment = tmp_path_factory.mktemp("kernel")
    clean = {**os.environ, **child_environment()}
    clean.pop("PYTHONPATH", None)
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, environment], check=True, env=clean)
    python = environment / "bin" / "python"
    subprocess.run(
        [uv, "pip", "install", "--quiet", "--python", python, "-r", ROOT / "requirements.txt"],
        check=True,
        env=clean,
    )
    return python


@pytest.mark.slow  # makes an environment
def test_every_module_of_the_package_imports_with_the_requirements_alone(
    unpacked: Path, kernel: Path
) -> None:
    done = subprocess.run(
        [kernel, "-I", "-c", EVERY_MODULE, str(unpacked)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    modules = [path for path in (unpacked / "lab_helpers").rglob("*.py") if path.name != "__init__.py"]
    assert int(done.stdout) >= len(modules)


def test_what_does_not_run_on_an_instance_is_not_in_the_package(unpacked: Path) -> None:
    assert not [one for one in LEFT_OUT if (unpacked / one).exists()]
    assert not (unpacked / "local_account").exists()
    assert all((ROOT / one).exists() for one in LEFT_OUT)


@pytest.mark.parametrize(
    "arguments", ["doctor --participants 3", "fleet up", "local up --port 0", "deploy --help"]
)
def test_a_command_that_is_not_in_the_package_says_where_to_run_it(
    unpacked: Path, kernel: Path, arguments: str
) -> None:
    command = arguments.split(maxsplit=1)[0]
    done = subprocess.run(
        [kernel, "-m", "lab_helpers", *arguments.split()],
        cwd=unpacked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"`{command}` is not available here" in done.stderr
    assert "Run the command from a checkout" in done.stderr
    assert "Traceback" not in done.stderr
