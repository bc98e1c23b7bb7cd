"""An account keeps its ports, and says which one is in use."""

import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from local_account.foundation.config import AccountConfig, PortInUseError

FREE = {"gateway_port": 0, "git_port": 0, "registry_port": 0}


def test_the_ports_stay_with_the_state(tmp_path: Path) -> None:
    first = AccountConfig.load(tmp_path, FREE)
    assert AccountConfig.load(tmp_path) == first
    assert AccountConfig.load(tmp_path, FREE) == first


def test_another_port_can_be_asked_for(tmp_path: Path) -> None:
    AccountConfig.load(tmp_path, FREE)
    assert AccountConfig.load(tmp_path, {"git_port": 4999}).git_port == 4999


def test_a_port_in_use_is_named_with_the_way_out(tmp_path: Path) -> None:
    config = AccountConfig.load(tmp_path, FREE)
    with socket.socket() as other:
        other.bind(("127.0.0.1", config.registry_port))
        other.listen()
        with pytest.raises(PortInUseError, match=rf"port {config.registry_port} .*--registry-port"):
            config.check_ports()


def test_many_may_load_it_at_the_same_time(tmp_path: Path) -> None:
    first = AccountConfig.load(tmp_path, FREE)
    written = first.path.stat().st_mtime_ns
    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(lambda _: AccountConfig.load(tmp_path), range(400))) == {first}
    assert first.path.stat().st_mtime_ns == written
    assert [path.name for path in tmp_path.iterdir()] == ["account.json"]
