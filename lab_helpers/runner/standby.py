"""A runner that is ready before its notebook instance: it loads libraries while the stacks are created.

``python -P standby.py`` reads one JSON document with `directory`, `environment` and `arguments` from
standard input and becomes ``python -m lab_helpers ARGUMENTS`` there; without input it exits. It imports
nothing from the workshop: that comes from the instance's package.
"""

import contextlib
import importlib
import json
import os
import runpy
import sys

LIBRARIES = ("typer", "rich.live", "rich.table", "boto3", "papermill.execute", "nbclient", "jupyter_client")


def main() -> None:
    """Load the libraries, wait for orders, and become the runner."""
    for name in LIBRARIES:
        with contextlib.suppress(ImportError):  # the runner reports what is missing
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
