"""docs/model-server.openapi.yml says what the server does: schemathesis sends valid and invalid requests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.checkout import ROOT
from tests.notebooks.base_image.model_container import Container

DESCRIPTION = ROOT / "docs/model-server.openapi.yml"


@pytest.mark.docker
def test_the_server_does_what_its_description_says(server: Container, tmp_path: Path) -> None:
    host, port = server.address
    # Its command line, not its pytest plugin, which would add more than a second to every start of pytest.
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        "run",
        str(DESCRIPTION),
        "--url",
        f"http://{host}:{port}",
    ]
    options = [
        "--max-examples=150",
        "--seed=0",
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-color",
    ]
    result = subprocess.run(
        [*command, *options, "--phases=coverage,fuzzing", "--request-timeout=10"],
        env={**os.environ, "SCHEMATHESIS_HOOKS": "schema_hooks", "PYTHONPATH": str(Path(__file__).parent)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-8000:] + result.stderr[-2000:]


def test_the_description_names_every_operation_of_the_container() -> None:
    paths = yaml.safe_load(DESCRIPTION.read_text(encoding="utf-8"))["paths"]
    operations = {(method, path) for path, methods in paths.items() for method in methods}
    assert operations == {("get", "/ping"), ("get", "/execution-parameters"), ("post", "/invocations")}
