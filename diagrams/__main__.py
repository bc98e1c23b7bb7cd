"""`python -m diagrams`: draw what has changed since its picture was drawn, with Graphviz."""

from __future__ import annotations

import sys

from diagrams.drawing import DiagramError, digest, draw, source_of
from diagrams.pictures import PICTURES, wanted


def main() -> int:
    """Draw, remove what nothing is drawn from any more, and return the exit code."""
    PICTURES.mkdir(exist_ok=True)
    pictures = wanted()
    for old in set(PICTURES.glob("*.svg")) - set(pictures):
        old.unlink()
        print(f"removed {old.name}")
    for path, text in pictures.items():
        if path.exists() and source_of(path) == digest(text):
            continue
        try:
            path.write_text(draw(text), encoding="utf-8")
        except FileNotFoundError:
            print(
                "`dot` is missing: install Graphviz (apt-get install graphviz), and try again",
                file=sys.stderr,
            )
            return 1
        except DiagramError as error:
            print(f"{path.stem}: {error}", file=sys.stderr)
            return 1
        print(f"drew {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
