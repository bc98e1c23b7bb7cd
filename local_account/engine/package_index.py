"""pip's settings for the package index, translated for uv.

uv reads neither pip.conf nor pip's environment variables. A machine behind a mirror of the package index is
configured for pip; this module translates that (pip's "Configuration", uv's "Environment variables" pages).
Standard library only: `.ci/bootstrap` evaluates ``python3 -m local_account.engine.package_index`` before
anything is installed.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping

UV_VARIABLES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "timeout": "UV_HTTP_TIMEOUT",
    "default-timeout": "UV_HTTP_TIMEOUT",
}


def pip_settings() -> dict[str, str]:
    """Return pip's effective options by long name; environment over files, `install` over `global`."""
    listing = ""
    # An environment made by uv has no pip, but the system's pip reads the same files.
    for pip in ([sys.executable, "-m", "pip"], ["python3", "-m", "pip"], ["pip3"]):
        if pip[0] != sys.executable and shutil.which(pip[0]) is None:
            continue
        listed = subprocess.run(
            [*pip, "config", "list"], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if listed.returncode == 0:
            listing = listed.stdout
            break
    return parse_settings(listing) | environment_settings(os.environ)


def parse_settings(listing: str) -> dict[str, str]:
    """Return the options in the sections `global` and `install` of the output of ``pip config list``."""
    sections: dict[str, dict[str, str]] = {"global": {}, "install": {}}
    for line in listing.splitlines():
        name, _, quoted = line.partition("=")
        section, _, option = name.rpartition(".")
        if section in sections:
            sections[section][option] = quoted.strip().strip("'\"").replace("\\n", " ")
    return sections["global"] | sections["install"]


def environment_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the options that `PIP_...` variables set."""
    return {
        option: value
        for option in UV_VARIABLES
        if (value := environment.get("PIP_" + option.upper().replace("-", "_")))
    }


def uv_environment(settings: Mapping[str, str], environment: Mapping[str, str]) -> dict[str, str]:
    """Return uv's variables for pip's settings; a variable already set for uv stays."""
    variables = {
        variable: value for option, variable in UV_VARIABLES.items() if (value := settings.get(option))
    }
    if "UV_INDEX" in variables:
        # pip takes the best version from all indexes; uv by default stops at the first that has the name.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in variables.items() if name not in environment}


def child_environment() -> dict[str, str]:
    """Return variables that pass the package index to processes with another home directory."""
    settings = pip_settings()
    pip = {
        "PIP_" + option.upper().replace("-", "_"): settings[option]
        for option in UV_VARIABLES
        if option in settings
    }
    return pip | uv_environment(settings, os.environ)


def main() -> None:
    """Print export lines for a shell."""
    for name, value in uv_environment(pip_settings(), os.environ).items():
        print(f"export {name}={shlex.quote(value)}")


if __name__ == "__main__":
    main()
