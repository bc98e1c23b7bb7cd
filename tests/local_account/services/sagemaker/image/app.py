"""Trains and serves without any library; environment and hyperparameters make it misbehave."""

import http.server
import json
import os
import pathlib
import signal
import sys
import time

ML = pathlib.Path("/opt/ml")
sick: dict[str, str] = {}


def train() -> None:
    parameters = json.loads((ML / "input/config/hyperparameters.json").read_text())
    if parameters.get("stubborn"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("accuracy=0.5 loss=2e-1", flush=True)
    if parameters.get("say"):
        print(parameters["say"].replace("|", "\n"), flush=True)
    if parameters.get("fail"):
        (ML / "output/failure").write_text(parameters["fail"])
        sys.exit(3)
    (ML / "model/partial.txt").write_text("saved early")
    time.sleep(float(parameters.get("sleep", 0)))
    seen = {
        "environment": dict(os.environ),
        "files": {str(p.relative_to(ML)): p.read_text() for p in (ML / "input").rglob("*") if p.is_file()},
        "checkpoints": sorted(str(p.relative_to(ML)) for p in (ML / "checkpoints").rglob("*") if p.is_file()),
        "arguments": sys.argv[1:],
    }
    (ML / "model/model.json").write_text(json.dumps({"answer": parameters.get("answer", "42")}))
    (ML / "output/data/seen.json").write_text(json.dumps(seen))
    print("accuracy=0.75 loss=1e-1", flush=True)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one packet per answer: a second one would wait 40 ms (Nagle)

    def do_GET(self) -> None:
        if self.path == "/execution-parameters":
            wishes = os.environ.get("PARAMETERS", "")
            self.answer(200 if wishes else 404, wishes.encode())
            return
        health = sick.get("ping", os.environ.get("PING", "200"))
        if health == "hang":
            time.sleep(3600)
        self.answer(int(health), b"")

    def do_POST(self) -> None:
        body = self.chunks() if "Content-Length" not in self.headers else self.rfile.read(self.length())
        attributes = self.headers.get("X-Amzn-SageMaker-Custom-Attributes", "")
        if attributes == "die":
            os._exit(9)
        if attributes.startswith("sick="):
            sick["ping"] = attributes.removeprefix("sick=")
        if attributes.startswith("sleep"):
            time.sleep(float(attributes.removeprefix("sleep")))
        time.sleep(float(os.environ.get("SLOW", "0")))
        if attributes.startswith("status"):
            self.answer(int(attributes.removeprefix("status")), b"no such thing")
            return
        word = os.environ.get("REFUSE", "")
        if word and word.encode() in body:
            self.answer(int(os.environ.get("STATUS", "400")), b"cannot read it")
            return
        if os.environ.get("BRACKETS"):
            body = b"[" + body.strip().replace(b"\n", b"|") + b"]"
        if attributes == "describe" or os.environ.get("DESCRIBE"):
            model = ML / "model"
            try:
                (model / "new").write_text("x")
                writable = True
            except OSError:
                writable = False
            body = json.dumps(
                {
                    "host": os.uname().nodename,
                    "model": {p.name: p.read_text() for p in sorted(model.glob("*.json"))},
                    "writable": writable,
                    "environment": dict(os.environ),
                    "arguments": sys.argv[1:],
                    "headers": dict(self.headers),
                }
            ).encode()
        self.answer(200, body, attributes)

    def length(self) -> int:
        return int(self.headers["Content-Length"])

    def chunks(self) -> bytes:
        body = b""
        while size := int(self.rfile.readline(), 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return body

    def answer(self, status: int, body: bytes, attributes: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", self.headers.get("Accept") or "application/octet-stream")
        self.send_header("Content-Length", str(len(body)))
        if attributes:
            self.send_header("X-Amzn-SageMaker-Custom-Attributes", attributes)
        self.end_headers()
        self.wfile.write(body)


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0 if sys.argv[1:] == ["serve"] else 143))
if sys.argv[1:] == ["train"]:
    train()
else:
    print("serving", flush=True)
    if os.environ.get("CRASH") or (ML / "model/crash").exists():
        sys.exit("cannot serve")
    http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
