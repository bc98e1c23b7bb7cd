"""`python -m local_account.scaffold operation SERVICE OPERATION`."""

from __future__ import annotations

import argparse
import sys

from local_account.scaffold.models import ScaffoldError, find_operation
from local_account.scaffold.writing import write


def main(arguments: list[str] | None = None) -> int:
    """Write the files and print the next steps; return 1, and say why, if nothing was written."""
    parser = argparse.ArgumentParser(prog="python -m local_account.scaffold", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    operation = kinds.add_parser(
        "operation",
        help="a failing test, a method and the IAM entry of one operation",
        description="Write a failing test, the method, and the IAM entry of one operation. Existing code is "
        "never overwritten.",
    )
    operation.add_argument("service", help="boto3's name of the service, such as codebuild")
    operation.add_argument("operation", help="as the API reference names it, such as ListProjects")
    operation.add_argument(
        "--into", metavar="CLASS", help="the class to add the method to, if there are several candidates"
    )
    given = parser.parse_args(arguments)
    try:
        steps = write(find_operation(given.service, given.operation, given.into))
    except ScaffoldError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(steps))
    return 0


if __name__ == "__main__":
    sys.exit(main())
