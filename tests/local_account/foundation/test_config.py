"""An account keeps its ports, and says which one is in use."""

import multiprocessing
import socket
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest

from local_account.foundation.config import FIRST_PORT, AccountConfig, PortInUseError, free_port

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


def test_processes_that_ask_at_the_same_time_get_different_ports(tmp_path: Path) -> None:
    cursor = tmp_path / "port"
    with ProcessPoolExecutor(3, multiprocessing.get_context("spawn")) as pool:
        ports = list(pool.map(free_port, [cursor] * 100))
    assert len(set(ports)) == 100


def test_a_port_is_below_those_that_the_kernel_assigns(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as kernels:
        assert FIRST_PORT <= free_port(tmp_path / "port") < kernels.getsockname()[1]


def test_a_port_in_use_is_skipped(tmp_path: Path) -> None:
    first = free_port(tmp_path / "one")
    with socket.create_server(("127.0.0.1", first)):
        assert free_port(tmp_path / "two") > first


@pytest.mark.parametrize("kept", ["", "no number", "99999999", "32767"])
def test_a_port_is_found_whatever_was_stored(tmp_path: Path, kept: str) -> None:
    cursor = tmp_path / "port"
    cursor.write_text(kept)
    port = free_port(cursor)
    assert port >= FIRST_PORT
    assert cursor.read_text() == str(port)
