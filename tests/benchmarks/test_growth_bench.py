"""The growth benchmark sends what it says, counts only right answers, and compares at the same fill."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import os
import threading
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from benchmarks.figures import Figure
from benchmarks.growth import lines as lines_part
from benchmarks.growth import part as growth_part
from benchmarks.growth.channel import Placed
from benchmarks.growth.curves import draw
from benchmarks.growth.figures import Results
from benchmarks.growth.large import large
from benchmarks.growth.lines import lines
from benchmarks.growth.listing import listing
from benchmarks.growth.objects import BOTO3, LEAN, LEAN_SEVERAL, SMALL, Point, objects
from benchmarks.growth.plan import Notes, Plan, Stage
from benchmarks.growth.rest import Resting
from benchmarks.growth.servers import ACCOUNT, EMPTY_ACCOUNT, MINISTACK, MOTO, Server, peer
from benchmarks.growth.wire import Connection, Payload, Request, Signer, WireError, load

TINY = Plan(
    stages=(Stage("empty", 0, 0), Stage("some", 100_000, 0), Stage("many", 100_000, 30)),
    big=60_000,
    fill_seconds=20,
    rounds=2,
    requests=8,
    transfer=300_000,
    transfer_rounds=1,
    lines=10,
    stored_lines=(0, 40),
    batches=3,
    rest_seconds=0,
)


class Recorder(http.server.ThreadingHTTPServer):
    """Answers as `how` says, and keeps what came."""

    daemon_threads = True
    how = "length"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.connections = 0

    @property
    def signer(self) -> Signer:
        return Signer(self.server_port, "AKIAIOSFODNN7EXAMPLE", "secret", "us-east-1")


class Answering(http.server.BaseHTTPRequestHandler):
    server: Recorder
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def setup(self) -> None:
        super().setup()
        self.server.connections += 1

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.seen.append((self.command, self.path, {**self.headers}, body))
        how = self.server.how
        if how == "chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"7\r\n0\r\n\r\nab\r\n3\r\ncde\r\n0\r\n\r\n")
            return
        said = self.path.encode()
        self.send_response(503 if how == "busy" else 200)
        self.send_header("Content-Length", str(len(said)))
        if how == "close":
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(said)

    def do_GET(self) -> None:
        self.answer()

    def do_PUT(self) -> None:
        self.answer()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_a_request_has_the_digests_of_its_body_and_is_signed_with_them(recorder: Recorder) -> None:
    body = b"one kilobyte, nearly"
    Connection(recorder.server_port).call(recorder.signer.s3("PUT", "/bucket/key", Payload.of(body)))
    [(method, path, headers, received)] = recorder.seen
    assert (method, path, received) == ("PUT", "/bucket/key", body)
    assert headers["X-Amz-Content-SHA256"] == hashlib.sha256(body).hexdigest()
    assert int.from_bytes(base64.b64decode(headers["x-amz-checksum-crc32"])) == zlib.crc32(body)
    signed = headers["Authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    assert {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-checksum-crc32"} <= {*signed}


def test_a_file_is_sent_whole_and_known_by_its_digest(recorder: Recorder, tmp_path: Path) -> None:
    source = tmp_path / "body"
    source.write_bytes(content := os.urandom(3_000_000))
    payload = Payload.of(source)
    assert (payload.size, payload.sha256) == (3_000_000, hashlib.sha256(content).hexdigest())
    Connection(recorder.server_port).call(recorder.signer.s3("PUT", "/bucket/key", payload))
    assert recorder.seen[0][3] == content


def test_a_query_is_sent_as_it_was_signed(recorder: Recorder) -> None:
    request = recorder.signer.s3("GET", "/bucket", query={"prefix": "a/b", "continuation-token": "x=+/"})
    Connection(recorder.server_port).call(request)
    assert recorder.seen[0][1] == "/bucket?prefix=a%2Fb&continuation-token=x%3D%2B%2F"


@pytest.mark.parametrize(("how", "connections"), [("length", 1), ("close", 3)])
def test_a_connection_is_kept_for_as_long_as_the_server_keeps_it(
    recorder: Recorder, how: str, connections: int
) -> None:
    recorder.how = how
    connection = Connection(recorder.server_port)
    for number in range(3):
        assert connection.call(recorder.signer.s3("GET", f"/b/{number}")).body == f"/b/{number}".encode()
    assert recorder.connections == connections


def test_a_chunked_answer_ends_with_its_last_chunk_only(recorder: Recorder) -> None:
    recorder.how = "chunked"
    connection = Connection(recorder.server_port)
    for _ in range(2):
        assert connection.call(recorder.signer.s3("GET", "/b/k")).body == b"0\r\n\r\nabcde"


def test_an_answer_that_is_not_a_success_is_never_counted(recorder: Recorder) -> None:
    recorder.how = "busy"
    with pytest.raises(WireError, match="status 503: /b/k"):
        load(recorder.server_port, [recorder.signer.s3("GET", "/b/k")] * 3)


@pytest.mark.parametrize("connections", [1, 4])
def test_a_load_sends_each_request_once_over_its_connections(recorder: Recorder, connections: int) -> None:
    signer = recorder.signer
    found = load(recorder.server_port, (signer.s3("GET", f"/b/{n}") for n in range(20)), connections)
    assert sorted(path for _, path, _, _ in recorder.seen) == sorted(f"/b/{n}" for n in range(20))
    assert (len(found.milliseconds), recorder.connections) == (20, connections)
    assert found.per_second == pytest.approx(20 / found.seconds)


def test_a_load_ends_when_its_seconds_are_over(recorder: Recorder) -> None:
    def endless() -> Iterator[Request]:
        while True:
            yield recorder.signer.s3("GET", "/b/k")

    assert len(load(recorder.server_port, endless(), seconds=0.05).milliseconds) == len(recorder.seen) > 0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    """moto's server under both names: how it is measured does not depend on what it is."""
    with peer(MOTO, tmp_path_factory.mktemp("moto")) as moto:
        yield [replace(moto, name=ACCOUNT), moto]


@pytest.mark.slow
def test_a_peer_listens_on_loopback_only_and_ends_with_its_context(tmp_path: Path) -> None:
    with peer(MOTO, tmp_path) as moto:
        process = psutil.Process(moto.pid)
        listening = [one.laddr for one in process.net_connections("tcp") if one.status == psutil.CONN_LISTEN]
        assert [(address.ip, address.port) for address in listening] == [("127.0.0.1", moto.port)]
    assert not process.is_running()


@pytest.mark.slow
def test_every_part_measures_a_real_server(servers: list[Server], tmp_path: Path) -> None:
    ours, notes = servers[0], Notes()
    points = objects([ours], TINY, notes)
    assert [(one.stage, one.stored, one.objects) for one in points[::6]] == [
        ("empty", 0, 0),
        ("some", 100_000, 0),
        ("many", 100_000, 30),
    ]
    assert {(one.operation, one.client) for one in points} == {
        (operation, client) for operation in ("put", "get") for client in (LEAN, LEAN_SEVERAL, BOTO3)
    }
    assert all(0 < one.p50_ms <= one.p99_ms for one in points)
    assert {(one.client, one.keys) for one in listing([ours], TINY, notes)} == {(LEAN, 30), (BOTO3, 30)}
    transfers = large([ours], TINY, tmp_path, notes)
    assert {(one.client, one.direction) for one in transfers} == {
        (client, direction) for client in ("boto3", "one_stream") for direction in ("upload", "download")
    }
    assert [one.stored for one in lines([ours], TINY, notes)] == [0, 0, 40, 40]
    stored = ours.client("logs").describe_log_streams(logGroupName="growth")["logStreams"]
    assert len(stored) == 1
    assert ours.client("s3").list_objects_v2(Bucket=SMALL)["KeyCount"] == 30
    assert notes.left_out == []
    assert [*tmp_path.iterdir()] == []


@pytest.mark.slow
def test_a_server_that_is_not_filled_in_time_is_left_out_and_said(servers: list[Server]) -> None:
    stages = (Stage("far away", 10_000_000, 0),)
    plan, notes = replace(TINY, stages=stages, fill_seconds=0), Notes()
    moto = servers[1]
    assert objects([replace(moto, name=ACCOUNT)], plan, notes) == []
    [line] = notes.left_out
    assert "account from far away on: 0 MB and 0 objects" in line
    assert notes.failed == notes.left_out
    assert objects([moto], plan, peers := Notes()) == []
    assert (len(peers.left_out), peers.failed) == (1, [])


@pytest.mark.slow
def test_lines_that_are_not_there_are_never_counted(
    servers: list[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that answers 200 and keeps nothing would be the fastest."""
    monkeypatch.setattr(lines_part, "GROUP", "growth-other")
    monkeypatch.setattr(lines_part, "_events", lambda *_: [{"timestamp": 1, "message": "too old"}])
    notes = Notes()
    assert lines([servers[0]], TINY, notes) == []
    assert "from 0 lines on: 0 lines to [] were read" in notes.failed[0]


def point(server: str, stage: str, operation: str = "put", client: str = LEAN, ms: float = 1) -> Point:
    return Point(server, stage, operation, client, ms, 3 * ms, 1000 / ms, 0, 0, 100)


def by_name(results: Results, *failed: str) -> dict[str, Figure]:
    return {figure.name: figure for figure in results.figures(failed)}


def test_growth_is_judged_against_an_empty_account_of_the_same_minute() -> None:
    found = by_name(
        Results(
            objects=[
                point(ACCOUNT, "empty", ms=1),
                point(EMPTY_ACCOUNT, "empty", ms=1),
                point(ACCOUNT, "5 GB", ms=2.2),
                point(EMPTY_ACCOUNT, "5 GB", ms=2),
            ]
        )
    )
    ratio = found["growth.put_1kb_lean_growth_ratio"]
    assert ratio.value == pytest.approx(1.1)
    assert ratio.kept is True
    assert found["growth.put_1kb_lean_first_to_last_ratio"].value == pytest.approx(2.2)
    assert found["growth.put_1kb_lean_last_p99_ms"].value == pytest.approx(6.6)


def test_a_peer_is_compared_at_the_stage_where_it_does_best() -> None:
    found = by_name(
        Results(
            objects=[
                *(point(ACCOUNT, stage, ms=1) for stage in ("empty", "50 MB", "5 GB")),
                point(MOTO, "empty", ms=3),
                point(MOTO, "50 MB", ms=2),
                point(MINISTACK, "empty", ms=1.6),
            ]
        )
    )
    moto = found["growth.put_lean_to_moto_server_ratio"]
    assert moto.value == pytest.approx(2)
    assert moto.kept is False
    assert "50 MB" in moto.about
    assert found["growth.put_lean_to_ministack_ratio"].kept is True


def test_what_failed_is_a_figure_beyond_its_limit() -> None:
    assert by_name(Results())["growth.left_out"].kept is True
    failed = by_name(Results(), "part large: no such bucket")["growth.left_out"]
    assert (failed.kept, failed.about) == (False, "part large: no such bucket")


def test_only_this_account_has_limits_and_rows() -> None:
    found = by_name(
        Results(
            resting=[Resting(ACCOUNT, 149, 0.5), Resting(MOTO, 900, 1)],
            channel=[Placed(3, 1, 1, 2), Placed(6, 3, 1, 2), Placed(3, 2, 1, 2)],
        )
    )
    assert (
        found["growth.rest.account.resident_mb"].limit,
        found["growth.rest.account.resident_mb"].kept,
    ) == (
        150,
        True,
    )
    assert found["growth.rest.moto_server.resident_mb"].detail
    assert found["growth.channel_to_hand_ratio"].value == pytest.approx(5 / 3)


def test_a_part_that_fails_loses_its_own_figures_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Lab:
        docker_host = ""

        class daemon:  # noqa: N801 - an attribute of a BenchLab
            reset = staticmethod(lambda: None)

    def fails(*_: object) -> Any:
        raise RuntimeError("no such bucket")

    server = Server(ACCOUNT, "", 1, os.getpid(), "a", "b")
    moto = replace(server, name=MOTO)
    monkeypatch.setattr(growth_part, "account", lambda *_: server)
    monkeypatch.setattr(growth_part, "account_directory", lambda _: contextlib.nullcontext())
    monkeypatch.setattr(growth_part, "peer", lambda *_: contextlib.nullcontext(moto))
    monkeypatch.setattr(growth_part, "at_rest", lambda *_: [Resting(ACCOUNT, 100, 1)])
    monkeypatch.setattr(growth_part, "objects", lambda *_: [point(ACCOUNT, "empty")])
    monkeypatch.setattr(growth_part, "large", fails)
    found = growth_part.growth(Lab(), ("objects", "large"))  # type: ignore[arg-type]
    figures = {figure.name: figure.kept for figure in found}
    assert figures["growth.left_out"] is False
    assert figures["growth.rest.account.resident_mb"] is True
    assert "growth.put_1kb_lean_first_p50_ms" in figures
    assert "no such bucket" in capsys.readouterr().out


def test_a_curve_is_drawn_once_it_is_measured(tmp_path: Path) -> None:
    points = [point(server, stage) for server in (ACCOUNT, MOTO) for stage in ("empty", "10,000 objects")]
    drawn = draw(points, [], lambda name: tmp_path / f"growth-{name}.svg")
    assert [path.name for path in drawn] == ["growth-put-ms.svg"]
    first = drawn[0].read_text()
    assert "moto_server" in first
    draw(points, [], lambda name: tmp_path / f"growth-{name}.svg")
    assert drawn[0].read_text() == first


def test_a_scaled_plan_is_smaller_in_everything() -> None:
    small = Plan().scaled(0.01)
    assert (small.stages[-1].stored, small.stages[-1].objects) == (50_000_000, 1_000)
    assert (small.transfer, small.stored_lines[-1], small.labs) == (10_000_000, 10_000, 1)
    assert Plan().scaled(1) == Plan()
