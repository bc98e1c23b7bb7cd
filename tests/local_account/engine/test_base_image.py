from collections.abc import Callable
from pathlib import Path

import pytest

from local_account.engine import EngineError, base_image, ensure_base_image

Machine = Callable[[str, str], Path]
"""Puts a program, a shell script, on the machine by name."""

NO_NETWORK = """case "$*" in
  *inspect*) exit 1 ;;
  *pull*) echo "Error: Get https://public.ecr.aws/v2/: dial tcp: no such host" >&2; exit 1 ;;
  *import*) cat > "$(dirname "$0")/imported"; echo "$@" > "$(dirname "$0")/changes"; echo sha256:1 ;;
  *tag*) echo "$@" > "$(dirname "$0")/tagged" ;;
esac"""


def test_an_existing_image_is_not_fetched(machine: Machine, tmp_path: Path) -> None:
    machine("docker", 'case "$*" in *inspect*) exit 0 ;; *) exit 9 ;; esac')
    assert ensure_base_image("unix:///x", home=tmp_path) == "present"


def test_an_image_is_pulled_where_the_registry_answers(machine: Machine, tmp_path: Path) -> None:
    machine(
        "docker", 'case "$*" in *inspect*) exit 1 ;; *pull*) echo Pulling from; echo Status: done ;; esac'
    )
    assert ensure_base_image("unix:///x", home=tmp_path, report=lambda _: None) == "pulled"


def test_without_a_network_the_equivalent_is_built_and_says_what_it_is(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    (tmp_path / "ca.pem").touch()
    docker = machine("docker", NO_NETWORK)
    machine("env", 'shift; exec "$@"')
    machine("mmdebstrap", 'echo "$@"')
    machine("apt-get", "echo 'http://mirror.example/debian|bookworm|main'")
    monkeypatch.setattr(base_image, "_os_release", lambda _: {"ID": "debian", "VERSION_CODENAME": "bookworm"})
    said: list[str] = []
    assert ensure_base_image("unix:///x", "python:3.12-slim", tmp_path, said.append) == "built"
    assert any("no such host" in line for line in said)
    built = docker.with_name("imported").read_text()
    assert built.strip().endswith("bookworm - deb http://mirror.example/debian bookworm main")
    assert f"upload {tmp_path}/ca.pem /etc/ssl/certs/ca-certificates.crt" in built
    changes = docker.with_name("changes").read_text()
    assert 'mlops-workshop.origin="built from bookworm packages"' in changes
    assert "ENV PIP_CERT=/etc/ssl/certs/ca-certificates.crt" in changes
    assert docker.with_name("tagged").read_text().split()[-2:] == ["sha256:1", "python:3.12-slim"]


def test_a_build_that_fails_leaves_no_image_under_the_name(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = machine("docker", NO_NETWORK)
    machine("env", 'shift; exec "$@"')
    machine("apt-get", "exit 0")
    machine("mmdebstrap", 'echo half; echo "E: no space left on device" >&2; exit 25')
    with pytest.raises(EngineError, match=r"^Disk full: .*neither pulled nor built(.|\n)*no space left"):
        ensure_base_image("unix:///x", home=tmp_path, report=lambda _: None)
    assert not docker.with_name("tagged").exists()


def test_a_registry_that_swallows_packets_costs_seconds_only(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(base_image, "PULL_ANSWER_SECONDS", 0.3)
    docker = machine("docker", 'case "$*" in *pull*) exec sleep 60 ;; *) exit 1 ;; esac')
    assert base_image._pull([str(docker)], "x", lambda _: None) == "its registry does not answer"


@pytest.mark.parametrize(
    ("os_release", "expected"),
    [
        ({"ID": "debian", "VERSION_CODENAME": "trixie"}, ("debian", "trixie")),
        ({"ID": "debian", "VERSION_CODENAME": "bullseye"}, ("debian", "bookworm")),
        ({"ID": "ubuntu", "ID_LIKE": "debian", "UBUNTU_CODENAME": "noble"}, ("ubuntu", "noble")),
        ({"ID": "linuxmint", "ID_LIKE": "ubuntu debian", "UBUNTU_CODENAME": "jammy"}, ("ubuntu", "noble")),
        ({"ID": "kali", "ID_LIKE": "debian", "VERSION_CODENAME": "kali-rolling"}, ("debian", "bookworm")),
        ({}, ("debian", "bookworm")),
    ],
)
def test_the_suite_is_the_machines_if_its_python_is_new_enough(
    os_release: dict[str, str], expected: tuple[str, str]
) -> None:
    assert base_image._release(os_release) == expected


def test_packages_come_from_the_machines_mirrors_with_their_updates() -> None:
    targets = [
        "http://mirror/ubuntu|noble|main",
        "http://mirror/ubuntu|noble|universe",
        "http://mirror/ubuntu|noble-security|main",
        "https://other/apt|stable|main",
    ]
    assert base_image.source_lines(targets, "ubuntu", "noble") == [
        "deb http://mirror/ubuntu noble main universe",
        "deb http://mirror/ubuntu noble-security main universe",
    ]
    assert base_image.source_lines(targets, "debian", "bookworm") == []


def test_nothing_of_an_unconfigured_host_goes_into_the_image(tmp_path: Path) -> None:
    assert base_image.host_bundle({}) is None
    assert base_image.host_bundle({"SSL_CERT_FILE": str(tmp_path / "missing")}) is None
    arguments = base_image.mmdebstrap_arguments(
        "bookworm", ["main"], ["deb x y z"], None, tmp_path / "pip.conf"
    )
    assert not any("upload" in argument for argument in arguments)
    assert not any("CERT" in change for change in base_image.import_changes("bookworm", False))


def test_pips_index_goes_into_the_image_but_not_the_hosts_directories(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {
        "index-url": "https://mirror.example/simple",
        "extra-index-url": "file:///x https://b.example/s",
    }
    monkeypatch.setattr("local_account.engine.package_index.pip_settings", lambda: settings)
    target = tmp_path / "pip.conf"
    base_image._write_pip_configuration(target)
    assert target.read_text().split("\n")[:3] == [
        "[global]",
        "index-url = https://mirror.example/simple",
        "extra-index-url = https://b.example/s",
    ]
    arguments = base_image.mmdebstrap_arguments("bookworm", ["main"], [], None, target)
    assert f"--customize-hook=upload {target} /etc/pip.conf" in arguments
    monkeypatch.setattr("local_account.engine.package_index.pip_settings", dict)
    base_image._write_pip_configuration(nothing := Path(tmp_path, "none.conf"))
    assert not nothing.exists()
