"""What notebook 03a needs for the SageMaker SDK: its packages, and an end of what the notebook has made.

The SDK itself is not imported here: that takes seconds, which no other notebook should wait for.
"""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable

from botocore.exceptions import ClientError

from lab_helpers.aws_errors import is_gone
from lab_helpers.errors import WorkshopError
from lab_helpers.lab import Lab


class SdkError(WorkshopError):
    """The SDK could not be installed; the message is the installer's last line."""


def install(lab: Lab) -> None:
    """Install the SDK if it is not installed yet, print the progress, and let this kernel import it.

    Takes a minute the first time on an instance, and less than a second after that. Raises SdkError.
    """
    script = lab.package / "lifecycle-config" / "sdk.sh"
    began = time.monotonic()
    process = subprocess.Popen(
        ["bash", script],
        env={**os.environ, "WORKSHOP_HOME": str(lab.home)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout  # noqa: S101 (a pipe was asked for)
    last = ""
    for line in process.stdout:
        if last:
            print(last, flush=True)
        last = line.rstrip()
    if process.wait() != 0:
        raise SdkError(f"The SageMaker SDK could not be installed: {last}. Run the cell again.")
    if last not in sys.path:
        sys.path.append(last)  # last: what the kernel has comes first
        importlib.invalidate_caches()
    print(f"the SDK is here after {time.monotonic() - began:.0f} s")


def remove(lab: Lab, *, pause: Callable[[float], None] = time.sleep) -> list[str]:
    """Delete the endpoint, its configuration and the model of notebook 03a; return what there was.

    Waits until the endpoint is gone, because its name is free only then. Safe to repeat.
    """
    sagemaker, name = lab.client("sagemaker"), lab.names.sdk
    steps: dict[str, Callable[[], object]] = {
        "endpoint": lambda: sagemaker.delete_endpoint(EndpointName=name),
        "endpoint configuration": lambda: sagemaker.delete_endpoint_config(EndpointConfigName=name),
        "model": lambda: sagemaker.delete_model(ModelName=name),
    }
    removed = [what for what, step in steps.items() if _existed(step)]
    while _existed(lambda: sagemaker.describe_endpoint(EndpointName=name)):
        pause(1)
    return removed


def _existed(step: Callable[[], object]) -> bool:
    try:
        step()
    except ClientError as error:
        if not is_gone(error):
            raise
        return False
    return True
