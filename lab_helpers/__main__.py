"""`python -m lab_helpers --help`."""

import atexit
import gc

if __name__ == "__main__":
    # Imports make many objects and hardly any garbage; looking for it would be a fifth of their time, and
    # a quarter of a second once more at the end.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    from lab_helpers.cli import main

    main()
