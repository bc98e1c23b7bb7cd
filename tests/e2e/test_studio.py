"""The hook of a notebook instance prepares another home, as docs/elsewhere.md does in SageMaker Studio."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.e2e.one_workshop import Workshop
from tests.waiting import eventually

pytestmark = [pytest.mark.docker, pytest.mark.e2e, pytest.mark.timeout(1200)]


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """The home of a space's user, in which nothing keeps running afterward."""
    yield tmp_path
    with_attendant = tmp_path / "mlops" / ".workshop" / "attendant.pid"
    if with_attendant.exists():
        os.kill(int(with_attendant.read_text()), signal.SIGTERM)


def test_a_space_is_prepared_by_the_hook_of_the_notebook_instance(workshop: Workshop, home: Path) -> None:
    hook = workshop.client("sagemaker").describe_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=workshop.names.notebook_instance
    )["OnStart"][0]["Content"]
    [line] = [
        line.partition("echo '")[2].partition("'; hook")[0]
        for line in (ROOT / "docs" / "elsewhere.md").read_text().splitlines()
        if line.endswith("; hook) > studio.sh")
    ]
    script = home / "studio.sh"
    script.write_bytes(line.encode() + b"\n" + base64.b64decode(hook))
    given = workshop.daemon.environment(workshop.names.notebook_instance)
    environment = {name: value for name, value in given.items() if not name.startswith("WORKSHOP_H")}
    del environment["WORKSHOP_USER"]
    environment["HOME"] = str(home)
    subprocess.run(["bash", script], env=environment, check=True, cwd=home)

    workshop_home = home / "mlops"
    status = workshop_home / ".workshop" / "provision.status"
    said = eventually(lambda: found if (found := status.read_text().strip()) != "running" else None, 300)
    assert said == "ready", (workshop_home / ".workshop" / "provision.log").read_text()
    assert (workshop_home / "notebooks" / "00_welcome.ipynb").exists()
    kernel = json.loads((home / ".local/share/jupyter/kernels/mlops-workshop/kernel.json").read_text())
    assert kernel["env"]["WORKSHOP_HOME"] == str(workshop_home)
    [layout] = (home / ".jupyter/lab/workspaces").iterdir()
    assert '"mlops/notebooks/00_welcome.ipynb"' in layout.read_text(), "as a space's JupyterLab sees it"
    opened = subprocess.check_output(
        [kernel["argv"][0], "-c", "from lab_helpers.lab import Lab; print(Lab.open().bucket)"],
        env={**environment, **kernel["env"]},
        text=True,
    )
    assert opened.strip() == workshop.bucket
    subprocess.run(["git", "status"], cwd=workshop_home / "scikit_base", env=environment, check=True)
