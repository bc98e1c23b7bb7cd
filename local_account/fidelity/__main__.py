"""Print the page on fidelity: `python -m local_account.fidelity > docs/fidelity.md`.

The table of conformance is `python -m tests.conformance --markdown`, a process of its own: what is shipped
imports no tests.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from local_account.fidelity import notes, page, resource_types, standing

CHECKOUT = Path(__file__).parents[2]


def main() -> str:
    """Return the page."""
    table = subprocess.run(
        [sys.executable, "-m", "tests.conformance", "--markdown"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    return generate(table)


def generate(conformance: str) -> str:
    """Return the page with a table of conformance."""
    found = notes.read(CHECKOUT / "local_account", standing.folders(), standing.operations())
    return page.render(standing.standings(found), found, resource_types.refused(), conformance)


if __name__ == "__main__":
    sys.stdout.write(main())
