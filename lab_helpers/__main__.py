"""`python -m lab_helpers --help`."""

import gc

if __name__ == "__main__":
    # Imports make many objects and hardly any garbage; looking for it would be a fifth of their time.
    gc.set_threshold(50_000)
    from lab_helpers.cli import main

    main()
