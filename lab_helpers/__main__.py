"""`python -m lab_helpers --help`."""

from lab_helpers.cli import main

if __name__ == "__main__":
    main()
