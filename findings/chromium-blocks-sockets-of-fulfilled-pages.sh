#!/usr/bin/env bash
# Chromium refuses the WebSockets of a page that Playwright has answered with `route.fulfill`, although the page
# and the socket have the same origin (ERR_BLOCKED_BY_LOCAL_NETWORK_ACCESS_CHECKS): such a page has come from no
# address, so it does not count as local, and may not reach the loopback interface. fetch() of the same origin
# works. Give the page what a test needs with `add_init_script`, and let the page itself come from the server;
# or start Chromium with --disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebSockets.
#
# Seen with Playwright 1.65.2 and Debian's Chromium 156, on the path as `chromium`:
#   from the server: the socket opens
#   from route.fulfill: the socket fails
set -euo pipefail

browser=$(command -v chromium) || {
  echo "needs Chromium on the path (apt-get install chromium)" >&2
  exit 1
}
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

python3 -m venv "$directory/venv"
"$directory/venv/bin/pip" install --quiet 'playwright==1.65.2'
"$directory/venv/bin/python" - "$browser" <<'PYTHON'
import base64
import hashlib
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from playwright.sync_api import sync_playwright

PAGE = "<!doctype html><title>page</title>"
TRY = """
path => new Promise(resolve => {
  const socket = new WebSocket(`ws://${location.host}${path}`);
  socket.onopen = () => resolve("opens");
  socket.onerror = () => resolve("fails");
})
"""


class Server(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/socket":
            key = self.headers["Sec-WebSocket-Key"] + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            accept = base64.b64encode(hashlib.sha1(key.encode()).digest()).decode()
            self.send_header("Sec-WebSocket-Accept", accept)
            self.end_headers()
            self.rfile.read(1)
        else:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(PAGE)))
            self.end_headers()
            self.wfile.write(PAGE.encode())

    def log_message(self, *_: object) -> None:
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
address = f"http://127.0.0.1:{server.server_port}/"
root = ["--no-sandbox"] if os.geteuid() == 0 else []
found = {}
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[1], args=root)
    for name, fulfilled in (("the server", False), ("route.fulfill", True)):
        page = browser.new_page()
        if fulfilled:
            page.route(address, lambda route: route.fulfill(body=PAGE, content_type="text/html"))
        page.goto(address)
        found[name] = page.evaluate(TRY, "/socket")
        print(f"from {name}: the socket {found[name]}")
    browser.close()
assert found == {"the server": "opens", "route.fulfill": "fails"}, found
PYTHON
echo "as described"
