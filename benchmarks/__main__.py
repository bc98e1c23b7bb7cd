"""`python -m benchmarks [--only account,api,…] [--peers ours,…]`; `--help` lists the parts."""

from __future__ import annotations

import argparse
import functools
import signal
import sys
from pathlib import Path

from rich.console import Console

from benchmarks.drift.part import drift
from benchmarks.figures import Figure, table, write
from benchmarks.growth import plan
from benchmarks.growth.part import growth
from benchmarks.lab import bench_lab
from benchmarks.parts import PARTS
from benchmarks.server.part import server
from benchmarks.server.peers import PEERS


def main() -> int:
    """Measure the chosen parts; exit status 1 if a figure is beyond its limit."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "--only",
        default=",".join(PARTS),
        help=f"parts, separated by commas (default: all): {', '.join(PARTS)}",
    )
    parser.add_argument("--output", type=Path, default=Path("bench.json"), help="default: bench.json")
    parser.add_argument(
        "--peers", default=",".join(PEERS), help="servers of the part `server` (default: all)"
    )
    parser.add_argument(
        "--growth", default=",".join(plan.PARTS), help="what of the part `growth` (default: all)"
    )
    parser.add_argument(
        "--scale",
        type=float,
        default=1,
        help="sizes of the parts `growth` and `drift`: 0.01 tries them out (default: 1)",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        help="directory for the curves of `growth`, and the page and picture of `drift` (default: bench-*)",
    )
    arguments = parser.parse_args()
    chosen, peers, of_growth = (
        [name.strip() for name in text.split(",")]
        for text in (arguments.only, arguments.peers, arguments.growth)
    )
    for what, names, known in (
        ("part", chosen, list(PARTS)),
        ("peer", peers, list(PEERS)),
        ("part of growth", of_growth, list(plan.PARTS)),
    ):
        if unknown := [name for name in names if name not in known]:
            parser.error(f"no such {what}: {', '.join(unknown)}; choose from {', '.join(known)}")

    for directory in filter(None, (arguments.output.parent, arguments.pictures)):
        try:  # now, and not after an hour of measuring
            directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            parser.error(f"nothing can be written to {directory}: {error.strerror}")

    def picture(curve: str) -> Path:
        if arguments.pictures is None:
            return Path(arguments.output.with_name(f"bench-growth-{curve}.svg"))
        return Path(arguments.pictures / f"growth-{curve}.svg")

    def file(name: str) -> Path:
        if arguments.pictures is None:
            return Path(arguments.output.with_name(f"bench-{name}"))
        return Path(arguments.pictures / name)

    parts = PARTS | {
        "server": functools.partial(server, peers=peers),
        "growth": functools.partial(
            growth, parts=of_growth, plan=plan.Plan().scaled(arguments.scale), picture=picture
        ),
        "drift": functools.partial(drift, scale=arguments.scale, target=file),
    }
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything started is ended then too
    console, figures = Console(), list[Figure]()
    with bench_lab() as lab:
        for name, part in parts.items():
            if name in chosen:
                print(f"measuring {name}", file=sys.stderr, flush=True)
                figures += part(lab)
                write(arguments.output, figures)  # figures measured so far are kept, whatever comes next
    console.print(table(figures))
    console.print(f"every figure: {arguments.output}", highlight=False)
    return int(any(figure.kept is False for figure in figures))


if __name__ == "__main__":
    raise SystemExit(main())
