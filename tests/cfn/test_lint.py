"""cfn-lint and shellcheck find nothing, and the templates are within the size limits."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.checkout import ROOT

TEMPLATES = sorted((ROOT / "cfn").glob("*.yml"))


@pytest.mark.slow  # `make check` has run it already, as part of `make lint`
def test_cfn_lint_at_its_strictest_prints_nothing() -> None:
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "-c", "I", "--", *map(str, TEMPLATES)]
    done = subprocess.run(lint, capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_a_template_fits_into_a_request(path: Path) -> None:
    # CloudFormation quotas: a template body in a request has at most 51,200 bytes.
    assert path.stat().st_size < 51_200


def test_shellcheck_prints_nothing() -> None:
    check = [Path(sys.executable).with_name("shellcheck"), *sorted((ROOT / "lifecycle-config").glob("*.sh"))]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stdout + done.stderr, done.returncode) == ("", 0)
