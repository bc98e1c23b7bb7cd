"""`python -m lab_helpers --help`."""

import atexit
import gc
import sys

if __name__ == "__main__":
    # Otherwise Python searches all imported modules for garbage at exit, which takes 0.125 s of 0.5 s.
    atexit.register(gc.freeze)
    try:
        from lab_helpers.cli import main
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(("lab_helpers", "local_account")):
            raise
        sys.exit(
            f"error: {sys.executable} does not have the package {error.name}. After `make lab`, the Python "
            "to use is .venv/bin/python of the checkout (`source .venv/bin/activate`); otherwise, run "
            "`python -m pip install -r requirements.txt` in a virtual environment."
        )

    main()
