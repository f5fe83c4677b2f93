"""Asking a process over HTTP whether it is ready."""

import http.server
import threading
from collections.abc import Iterator

import pytest

from futago.launcher.ports import free_ports
from futago.launcher.probes import http_probe


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(("path", "expected"), [("/readyz", True), ("/healthz", False)])
async def test_only_a_200_is_ready(path: str, expected: bool, port: int):
    assert await http_probe(port, path)() is expected


async def test_where_nobody_listens_nobody_is_ready():
    assert not await http_probe(free_ports(1)[0], "/readyz")()
