"""A runner that is ready before its notebook instance is: its libraries are loaded while the stacks are made.

``python -P standby.py`` reads one JSON document with `directory`, `environment` and `arguments` from its
input and becomes ``python -m lab_helpers ARGUMENTS`` there; it ends where there is nothing to read. It
imports nothing of the workshop: that is in the package of the instance.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import sys

LIBRARIES = ("typer", "rich.live", "rich.table", "boto3", "papermill.execute", "nbclient", "jupyter_client")
# See lab_helpers.runner; papermill speaks to Hadoop by the other, which scikit-learn takes for loaded then.
WITHOUT_NEED = ("rfc3987_syntax", "pyarrow")


def main() -> None:
    """Load, wait, and become the runner."""
    gc.set_threshold(50_000)  # as in lab_helpers.__main__
    for name in WITHOUT_NEED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]
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
