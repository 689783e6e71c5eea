"""Where alerts arrive in tests: an HTTP server and a mail server on loopback that write down."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """``posts`` holds path and body of each request, ``mails`` the text of each message."""

    http_port: int = 0
    smtp_port: int = 0
    status: int = 200
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    mails: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def connections(self) -> dict[str, dict[str, object]]:
        """One Airflow Connection for each kind of channel."""
        local = {"disable_ssl": True, "disable_tls": True, "from_email": "airflow@example.org"}
        return {
            "my_slack": {
                "conn_type": "slack",
                "password": "xoxb-secret",
                "extra": {"base_url": f"{self.url}/api/"},
            },
            "my_hook": {"conn_type": "slackwebhook", "password": f"{self.url}/services/T/B/secret"},
            "my_pager": {"conn_type": "http", "host": self.url},
            "my_mail": {
                "conn_type": "smtp",
                "host": "127.0.0.1",
                "port": self.smtp_port,
                "extra": {**local, "timeout": 5, "retry_limit": 1},
            },
        }


@contextmanager
def receiving() -> Iterator[Received]:
    """Both servers, until the end of the block."""
    received = Received()
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), _http_handler(received))) as http_port:
        mail_server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _mail_handler(received))
        with serving(mail_server) as smtp_port:
            received.http_port, received.smtp_port = http_port, smtp_port
            yield received


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[int]:
    """The server at work, until the end of the block: its port."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def _http_handler(received: Received) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.posts.append((self.path, json.loads(body)))
            # Slack's web API says ok in JSON, its webhooks in a word.
            answer = b'{"ok": true}' if self.path.startswith("/api/") else b"ok"
            self.send_response(received.status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    return Handler


def _mail_handler(received: Received) -> type[socketserver.StreamRequestHandler]:
    class Handler(socketserver.StreamRequestHandler):
        timeout = 10

        def handle(self) -> None:
            self._say("220 test")
            while line := self.rfile.readline().decode().strip():
                verb = line.split()[0].upper()
                if verb == "DATA":
                    self._say("354 go on")
                    received.mails.append(self._message())
                if verb == "QUIT":
                    return self._say("221 bye")
                self._say("250 ok")
            return None

        def _message(self) -> str:
            lines: list[str] = []
            while (line := self.rfile.readline().decode().rstrip("\r\n")) != ".":
                lines.append(line)
            return "\n".join(lines)

        def _say(self, answer: str) -> None:
            self.wfile.write(f"{answer}\r\n".encode())

    return Handler
