"""`python -m lab_helpers --help`."""

import atexit
import gc

if __name__ == "__main__":
    # At its end Python would look for garbage in all that was imported: an eighth of a second of 0.5.
    atexit.register(gc.freeze)
    from lab_helpers.cli import main

    main()
