"""What a worker answers over HTTP: its metrics, and whether its loop goes round."""

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from prometheus_client import CollectorRegistry

from shared.clock import Clock
from shared.exposition import CONTENT_TYPE, exposition

# A turn takes seconds even where database and Redis are away: each call of them has a time limit. A loop that stands
# for this long hangs in something without one, and only a new process helps [s].
STALLED_AFTER_S = 120.0


class Pulse:
    """When the loop of a worker last went round."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._beat_s = clock.monotonic_s()

    def beat(self) -> None:
        """The loop goes round."""
        self._beat_s = self._clock.monotonic_s()

    def silent_s(self) -> float:
        """Time since it last did [s]."""
        return self._clock.monotonic_s() - self._beat_s


class ProbeServer:
    """`/metrics`, and `/healthz` which is 503 once the loop has stood for too long; each call in a thread of its own.

    Parameters
    ----------
    port
        0 for any that is free.
    """

    def __init__(self, host: str, port: int, *, service: str, registry: CollectorRegistry, pulse: Pulse) -> None:
        answers = _Answers(service, registry, pulse)

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                status, content_type, body = answers.to(self.path.partition("?")[0])
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def version_string(self) -> str:
                return "futago"

            def log_message(self, *_: object) -> None:
                """Probes come every few seconds: nobody wants to read of them."""

        self._server = ThreadingHTTPServer((host, port), Handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="probes", daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Answers:
    def __init__(self, service: str, registry: CollectorRegistry, pulse: Pulse) -> None:
        self._service = service
        self._registry = registry
        self._pulse = pulse

    def to(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE, exposition(self._registry)
        if path != "/healthz":
            return HTTPStatus.NOT_FOUND, "text/plain", b"not found\n"
        silent_s = self._pulse.silent_s()
        alive = silent_s < STALLED_AFTER_S
        health = {"status": "alive" if alive else "stalled", "service": self._service, "silent_s": round(silent_s, 1)}
        status = HTTPStatus.OK if alive else HTTPStatus.SERVICE_UNAVAILABLE
        return status, "application/json", json.dumps(health).encode()
