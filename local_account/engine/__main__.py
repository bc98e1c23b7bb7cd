"""`python3 -m local_account.engine prepare`: an engine and the base image, on the standard library alone."""

import argparse
import sys
import time

from local_account.engine import EngineError, ensure_base_image, ensure_engine, stop_engine


def main() -> int:
    """Prepare or stop; prints the engine's address as its last line."""
    parser = argparse.ArgumentParser(prog="python3 -m local_account.engine", description=__doc__)
    parser.add_argument("action", choices=["prepare", "start", "stop"])
    action = parser.parse_args().action
    start = time.monotonic()

    def report(line: str) -> None:
        print(f"[{time.monotonic() - start:5.1f} s] {line}", file=sys.stderr, flush=True)

    try:
        if action == "stop":
            report("stopped" if stop_engine() else "the workshop's engine is not running")
            return 0
        docker_host = ensure_engine(report=report)
        if action == "prepare":
            report(f"base image {ensure_base_image(docker_host, report=report)}")
    except EngineError as error:
        print(error, file=sys.stderr)
        return 1
    print(docker_host)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
