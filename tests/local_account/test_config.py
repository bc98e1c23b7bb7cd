"""An account keeps its ports, and says which one is taken."""

import socket
from pathlib import Path

import pytest

from lab_helpers.local_account.config import AccountConfig, PortInUseError

FREE = {"gateway_port": 0, "git_port": 0, "registry_port": 0}


def test_the_ports_stay_with_the_state(tmp_path: Path) -> None:
    first = AccountConfig.load(tmp_path, FREE)
    assert AccountConfig.load(tmp_path) == first
    assert AccountConfig.load(tmp_path, FREE) == first


def test_another_port_can_be_asked_for(tmp_path: Path) -> None:
    AccountConfig.load(tmp_path, FREE)
    assert AccountConfig.load(tmp_path, {"git_port": 4999}).git_port == 4999


def test_a_taken_port_is_named_with_the_way_out(tmp_path: Path) -> None:
    config = AccountConfig.load(tmp_path, FREE)
    with socket.socket() as other:
        other.bind(("127.0.0.1", config.registry_port))
        other.listen()
        with pytest.raises(PortInUseError, match=rf"port {config.registry_port} .*--registry-port"):
            config.check_ports()
