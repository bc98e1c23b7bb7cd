"""The image that the workshop's base image is built on: pulled, or built from Debian or Ubuntu packages."""

import configparser
import os
import shlex
import subprocess
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

from local_account.engine import host
from local_account.engine.errors import EngineError
from local_account.engine.home import Report, engine_home, locked, require_free_space

BASE_IMAGE = "public.ecr.aws/docker/library/python:3.12-slim"
"""Docker's official Python image from Amazon ECR Public: Docker Hub limits CodeBuild's shared addresses."""

PULL_ANSWER_SECONDS = 10
PULL_SECONDS = 900
PACKAGES = "usr-is-merged,python3,python3-venv,python3-pip,ca-certificates"
MINIMUM_SUITES = {"debian": "bookworm", "ubuntu": "noble"}
"""The oldest releases with at least Python 3.11, which the workshop's images need."""
OLD_SUITES = {"stretch", "buster", "bullseye", "xenial", "bionic", "focal", "jammy"}
COMPONENTS = {"debian": ["main"], "ubuntu": ["main", "universe"]}
HOST_BUNDLE_VARIABLES = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
IMAGE_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"


def ensure_base_image(
    docker_host: str, image: str = BASE_IMAGE, home: Path | None = None, report: Report = print
) -> str:
    """Make sure that the engine has `image`; return ``"present"``, ``"pulled"`` or ``"built"``.

    If the registry cannot be reached, an equivalent is built from Debian or Ubuntu packages, with the label
    ``mlops-workshop.origin``, which says so.

    Raises
    ------
    EngineError : the image can neither be pulled nor built, or the disk is full.
    """
    home = home or engine_home()
    docker = [host.program("docker") or "docker", "-H", docker_host]
    if _present(docker, image):
        return "present"
    with locked(home, "base-image", report):
        if _present(docker, image):
            return "present"
        require_free_space(home)
        refusal = _pull(docker, image, report)
        if refusal is None:
            return "pulled"
        report(f"{image} cannot be pulled ({refusal}); building its equivalent from packages (30 s)")
        _build(docker, image, report)
        return "built"


def _present(docker: list[str], image: str) -> bool:
    return host.run([*docker, "image", "inspect", image], timeout=30).returncode == 0


def _pull(docker: list[str], image: str, report: Report) -> str | None:
    """Pull the image; return None, or a short reason for the failure. A silent registry costs ten seconds."""
    report(f"docker pull {image}")
    process = subprocess.Popen(
        [*docker, "pull", image],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    answered = threading.Event()

    def read() -> None:
        assert process.stdout is not None  # noqa: S101 - Popen was given a pipe
        for line in process.stdout:
            lines.append(line.strip())
            answered.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    # The first line comes once the registry has sent the manifest; the layers may then take longer.
    try:
        process.wait(PULL_SECONDS if answered.wait(PULL_ANSWER_SECONDS) else 0.1)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
        return "its registry does not answer"
    reader.join(5)
    if process.returncode == 0:
        return None
    why = lines[-1] if lines else f"docker pull exited with status {process.returncode}"
    if "no space left on device" in why:
        raise EngineError(
            f"Disk full while pulling {image}: {why}. Free some space and run the same command again."
        )
    return why.rpartition(": ")[2][:100]


def _build(docker: list[str], image: str, report: Report) -> None:
    if host.program("mmdebstrap") is None:
        host.install_packages(["mmdebstrap"], report)
    distribution, suite = _release(_os_release(Path("/etc/os-release")))
    bundle = host_bundle(os.environ)
    with tempfile.TemporaryDirectory(prefix="mlops-base-") as scratch:
        pip_configuration = Path(scratch, "pip.conf")
        _write_pip_configuration(pip_configuration)
        sources = _sources(distribution, suite)
        components = COMPONENTS[distribution]
        argv = mmdebstrap_arguments(suite, components, sources, bundle, pip_configuration)
        errors = Path(scratch, "mmdebstrap.log")
        report(f"mmdebstrap {suite}")
        with errors.open("w") as log:
            rootfs = subprocess.Popen(
                host.as_root(["env", f"PATH={host.SYSTEM_PATH}", *argv]),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            changes = import_changes(suite, bundle is not None)
            # Untagged until it is known to be complete: a truncated archive imports without complaint.
            imported = subprocess.run(
                [*docker, "import", *changes, "-"],
                stdin=rootfs.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
            if rootfs.stdout is not None:
                rootfs.stdout.close()
            rootfs.wait()
        output = errors.read_text(errors="replace") + imported.stderr
        if rootfs.returncode or imported.returncode:
            what = "Disk full" if "no space left on device" in output.lower() else "Base image is missing"
            raise EngineError(
                f"{what}: {image} could be neither pulled nor built from packages:\n{host.tail(output)}\n"
                f"Fix that, or pull the image by hand (docker pull {image}), and run the same command again."
            )
    identity = imported.stdout.strip()
    if (tagged := host.run([*docker, "tag", identity, image])).returncode:
        raise EngineError(f"docker tag {identity} {image}: {tagged.stdout.strip()}")


def mmdebstrap_arguments(
    suite: str,
    components: Iterable[str],
    sources: Iterable[str],
    bundle: Path | None,
    pip_configuration: Path | None,
) -> list[str]:
    """Return the command that writes the root file system as a tar archive to its standard output."""
    argv = ["mmdebstrap", "--variant=minbase", f"--include={PACKAGES}", "--format=tar"]
    argv.append(f"--components={','.join(components)}")
    argv += [
        "--hook-dir=/usr/share/mmdebstrap/hooks/maybe-merged-usr",
        "--aptopt=Acquire::Check-Valid-Until false",
    ]
    argv += [f"--dpkgopt=path-exclude=/usr/share/{d}/*" for d in ("man", "locale", "doc", "info")]
    argv += [
        '--customize-hook=ln -sf python3 "$1/usr/bin/python"',
        # The official image's Python is not managed by Debian: there, `pip install` works as root.
        '--customize-hook=rm -f "$1"/usr/lib/python3*/EXTERNALLY-MANAGED',
    ]
    if bundle is not None:
        argv.append(f"--customize-hook=upload {shlex.quote(str(bundle))} {IMAGE_BUNDLE}")
    if pip_configuration is not None and pip_configuration.exists():
        argv.append(f"--customize-hook=upload {shlex.quote(str(pip_configuration))} /etc/pip.conf")
    return [*argv, suite, "-", *sources]


def import_changes(suite: str, trusts_host: bool) -> list[str]:
    """Return options of `docker import` that make the archive behave like the official image."""
    changes = [
        'CMD ["python3"]',
        "ENV LANG=C.UTF-8",
        f'LABEL mlops-workshop.origin="built from {suite} packages"',
    ]
    if trusts_host:
        changes += [f"ENV {name}={IMAGE_BUNDLE}" for name in ("PIP_CERT", "SSL_CERT_FILE")]
    return [f"--change={change}" for change in changes]


def host_bundle(environment: os._Environ[str] | dict[str, str]) -> Path | None:
    """Return the certificate bundle that the host is configured to trust, or None if there is none."""
    paths = (Path(environment[name]) for name in HOST_BUNDLE_VARIABLES if environment.get(name))
    return next((path for path in paths if path.is_file()), None)


def _write_pip_configuration(target: Path) -> None:
    """Pass on the host's package index, except file addresses, which mean nothing inside the image."""
    from local_account.engine.package_index import pip_settings

    settings = pip_settings()
    parser = configparser.ConfigParser(interpolation=None)
    parser["global"] = {
        option: value
        for option in ("index-url", "extra-index-url", "trusted-host")
        if (
            value := " ".join(
                word for word in settings.get(option, "").split() if not word.startswith("file:")
            )
        )
    }
    if parser["global"]:
        with target.open("w") as file:
            parser.write(file)


def _os_release(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    pairs = (line.partition("=") for line in path.read_text().splitlines() if "=" in line)
    return {key.strip(): value.strip().strip('"') for key, _, value in pairs}


def _release(os_release: dict[str, str]) -> tuple[str, str]:
    """Return the distribution (``debian`` or ``ubuntu``) and suite to take packages from (os-release(5))."""
    family = f"{os_release.get('ID', '')} {os_release.get('ID_LIKE', '')}"
    if "ubuntu" in family:
        suite = os_release.get("UBUNTU_CODENAME") or os_release.get("VERSION_CODENAME", "")
        distribution = "ubuntu"
    else:
        suite = os_release.get("VERSION_CODENAME", "") if os_release.get("ID") == "debian" else ""
        distribution = "debian"
    if not suite or suite in OLD_SUITES:
        suite = MINIMUM_SUITES[distribution]
    return distribution, suite


def _sources(distribution: str, suite: str) -> list[str]:
    """Return lines of sources.list(5) for the suite from the host's own mirrors; empty if it has none."""
    targets = host.run(
        ["apt-get", "indextargets", "--format", "$(SITE)|$(RELEASE)|$(COMPONENT)", "Created-By: Packages"]
    )
    return source_lines(targets.stdout.splitlines(), distribution, suite)


def source_lines(targets: Iterable[str], distribution: str, suite: str) -> list[str]:
    """Return sources for `suite` and its updates from `site|release|component` lines of apt's targets."""
    releases: dict[tuple[str, str], None] = {}
    for target in targets:
        site, _, rest = target.partition("|")
        release = rest.partition("|")[0]
        if release in {suite, f"{suite}-updates", f"{suite}-security"}:
            releases[site, release] = None
    if not any(release == suite for _, release in releases):
        return []  # a mirror of another suite may lack this one; mmdebstrap knows the public archives
    return [f"deb {site} {release} {' '.join(COMPONENTS[distribution])}" for site, release in releases]
