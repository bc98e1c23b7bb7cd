"""The AWS CLI as far as the lifecycle scripts call it; keeps stacks and calls in the directory `STUB_AWS`."""

import json
import os
import shutil
import sys
from pathlib import Path

STATE = Path(os.environ["STUB_AWS"])


def main(service: str, operation: str, *arguments: str) -> int:  # noqa: PLR0911
    """Carry out one call; options that it does not know are a test that is out of date."""
    options = dict(zip(arguments[::2], arguments[1::2], strict=False))
    with (STATE / "calls").open("a") as calls:
        calls.write(json.dumps([service, operation, *arguments]) + "\n")
    if (service, operation) == ("s3", "cp"):
        shutil.copyfile(STATE / "workshop.zip", arguments[-1])
        return 0
    if operation == "package":
        shutil.copyfile(options["--template-file"], options["--output-template-file"])
        return 0
    path = STATE / f"{options['--stack-name']}.json"
    stack = json.loads(path.read_text()) if path.exists() else None
    if operation == "create-stack" and stack is None:
        stack = {"status": "CREATE_IN_PROGRESS"}
    elif stack is None:
        return refuse(f"Stack with id {options['--stack-name']} does not exist")
    elif operation == "describe-stacks":
        print(stack["status"])
        broken = (STATE / "broken").exists() and (STATE / "broken").read_text() == options["--stack-name"]
        stack["status"] = {
            "CREATE_IN_PROGRESS": "ROLLBACK_COMPLETE" if broken else "CREATE_COMPLETE",
            "UPDATE_IN_PROGRESS": "UPDATE_COMPLETE",
        }.get(stack["status"], stack["status"])
    elif operation == "describe-stack-events":
        print("PushRule\tRole ana-mlops-events can not be assumed")
        return 0
    elif operation == "delete-stack":
        path.unlink()
        return 0
    elif operation == "update-stack":
        if stack["asked"] == [Path(options["--template-body"][7:]).read_text(), options["--parameters"]]:
            return refuse("No updates are to be performed.")
        stack["status"] = "UPDATE_IN_PROGRESS"
    else:
        return refuse(f"{operation} on a stack that is {stack['status']}")
    if "--template-body" in options:
        stack["asked"] = [Path(options["--template-body"][7:]).read_text(), options["--parameters"]]
    path.write_text(json.dumps(stack))
    return 0


def refuse(message: str) -> int:
    print(f"An error occurred (ValidationError) when calling the operation: {message}", file=sys.stderr)
    return 254


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
