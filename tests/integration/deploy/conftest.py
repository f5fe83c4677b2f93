"""Processes that answer a probe, for whatever asks them."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from futago.launcher.certificate import make_certificate
from futago.launcher.home import Home
from shared.http.tls import ServerCertificate


class Alive(http.server.BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path in {"/healthz", "/readyz"} else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


class Ill(Alive):
    status = 503


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., int]]:
    """Starts a process that answers, with TLS or without, and tells its port."""
    servers: list[tuple[http.server.HTTPServer, threading.Thread]] = []

    def started(*, tls: bool = False, well: bool = True) -> int:
        server = http.server.HTTPServer(("127.0.0.1", 0), Alive if well else Ill)
        if tls:
            files = make_certificate(Home(tmp_path), ("futago.plant.example",))
            context = ServerCertificate(files.certificate, files.key).context
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        servers.append((server, thread))
        return int(server.server_address[1])

    yield started
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()
