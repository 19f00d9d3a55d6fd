"""The server of a live page: this machine only, one page, one question that it answers.

A browser lets any page of the world send requests to a local server. So the `Host` has to be ours (a foreign name that
was bent to this address is refused), and questions carry a token that only our page knows.
"""

from __future__ import annotations

import hmac
import json
import secrets
import sys
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from retrograd.errors import RetrogradError
from retrograd.explain.page.document import html
from retrograd.explain.page.player import Player

HERE = "127.0.0.1"
LARGEST = 4_000_000  # bytes of a request
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is not answered: its status, and why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class PageServer(ThreadingHTTPServer):
    """Serves the page of a network.

    Args:
        player: computes.
        port: 0 for any free one.

    Attributes:
        url: where the page is.
        token: what questions have to carry.
    """

    daemon_threads = True

    def __init__(self, player: Player, port: int = 0) -> None:
        self.player, self.token = player, secrets.token_urlsafe(24)
        self.page = html(player.opening(), token=self.token).encode()
        super().__init__((HERE, port), _Handler)
        self.hosts = {f"{name}:{self.server_port}" for name in (HERE, "localhost")}
        self.url = f"http://{HERE}:{self.server_port}/"

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):  # a reader may close the page at any time
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: PageServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "retrograd", ""
    timeout = 60
    disable_nagle_algorithm = True  # head and body are written apart: the second would wait for the first's receipt
    wbufsize = -1

    def do_GET(self) -> None:
        try:
            self._check_host()
            if self.path != "/":
                raise Refused(404, "there is nothing here but the page, at /")
            self._send(200, "text/html; charset=utf-8", self.server.page)
        except Refused as refused:
            self._refuse(refused)

    def do_POST(self) -> None:
        try:
            self._check_host()
            answer = self.server.player.answer(self._body())
        except Refused as refused:
            self._refuse(refused)
        except RetrogradError as error:
            self._send_json(400, {"error": " ".join(str(error).split())})
        except Exception as error:  # noqa: BLE001 - the page has to hear of a defect too
            traceback.print_exc()
            self._send_json(500, {"error": f"the engine failed: {' '.join(str(error).split())[:200]}"})
        else:
            self._send_json(200, answer)

    def _check_host(self) -> None:
        if self.headers.get("Host", "") not in self.server.hosts:
            raise Refused(403, f"this server answers to {self.server.url} alone")

    def _body(self) -> bytes:
        """The body of a question from our own page."""
        if self.path != "/api/trace":
            raise Refused(404, "there is no such question; the page asks /api/trace")
        token = self.headers.get("X-Retrograd-Token", "")
        if not hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode()):
            raise Refused(403, "the token is missing or of an earlier start: load the page again")
        if self.headers.get_content_type() != "application/json":
            raise Refused(415, "a question is application/json")
        length = self.headers.get("Content-Length", "")
        if not (length.isascii() and length.isdecimal()):
            raise Refused(411, "the length of the question is missing")
        if len(length) > 12 or int(length) > LARGEST:
            raise Refused(413, f"a question has at most {LARGEST // 1_000_000} MB")
        return self.rfile.read(int(length))

    def _refuse(self, refused: Refused) -> None:
        """Say why; what may still come on this connection is not read."""
        self.close_connection = True
        self._send_json(refused.status, {"error": str(refused)})

    def _send_json(self, status: int, content: dict[str, Any]) -> None:
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        self._send(status, "application/json; charset=utf-8", text.encode())

    def _send(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        for name, value in {**HEADERS, "Content-Type": kind, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal shows the address alone."""
