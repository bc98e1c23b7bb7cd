"""A runner that is ready before its notebook instance is: its libraries are loaded while the stacks are made.

``python -P standby.py`` reads one JSON document with `directory`, `environment` and `arguments` from its
input and becomes ``python -m lab_helpers ARGUMENTS`` there; it ends where there is nothing to read. It
imports nothing of the workshop: that is in the package of the instance.
"""

import contextlib
import importlib
import json
import os
import runpy
import sys

LIBRARIES = ("typer", "rich.live", "rich.table", "boto3", "papermill.execute", "nbclient", "jupyter_client")


def main() -> None:
    """Load, wait, and become the runner."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # the runner will say what is missing
            importlib.import_module(name)
    line = sys.stdin.readline()
    if not line:
        return
    orders = json.loads(line)
    os.chdir(orders["directory"])
    os.environ.clear()
    os.environ.update(orders["environment"])
    sys.path.insert(0, orders["directory"])
    sys.argv[1:] = orders["arguments"]
    runpy.run_module("lab_helpers", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
