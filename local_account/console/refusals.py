"""Who gets no page: other names of this machine, other sites, and requests that would change something.

A page on the web can send a browser to this address, under a name of its own that it points to 127.0.0.1 (DNS
rebinding). The browser says so in Host, Origin and Sec-Fetch-Site (Fetch Metadata Request Headers, W3C).
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from werkzeug.datastructures import Headers


def refusal(method: str, headers: Headers) -> tuple[int, str] | None:
    """Return the status and the sentence that a request gets instead of a page; None if it gets one."""
    host = headers.get("Host", "")
    if not is_own(host):
        return 421, (f"The console does not answer for the host {host!r}: open it at 127.0.0.1 or localhost.")
    if method not in ("GET", "HEAD"):
        return 405, f"The console only shows: it answers GET and HEAD, not {method}."
    origin = headers.get("Origin")
    if origin and not (_is_web(origin) and urlsplit(origin).netloc == host):
        return 403, f"The console does not answer requests from {origin!r}, another site."
    site = headers.get("Sec-Fetch-Site", "")
    # A link is followed from anywhere: JupyterLab at `localhost` and the account at 127.0.0.1 are two sites
    # to a browser. Nothing of the page can be read from there, since a frame is refused, too.
    follows_link = headers.get("Sec-Fetch-Mode") == "navigate" and headers.get("Sec-Fetch-Dest") == "document"
    if site not in ("", "none", "same-origin") and not follows_link:
        return 403, "The console does not answer requests from another site."
    return None


def is_own(host: str) -> bool:
    """Return whether a Host header names this machine's loopback interface, with any port."""
    try:
        name = urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return False
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_web(origin: str) -> bool:
    return origin.startswith(("http://", "https://"))
