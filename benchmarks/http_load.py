"""A load generator that costs little itself: raw sockets, kept alive, one request under way on each."""

import argparse
import json
import selectors
import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class _Connection:
    socket: socket.socket
    sent_s: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def is_answered(self) -> bool:
        head, found, body = self.received.partition(b"\r\n\r\n")
        if not found:
            return False
        lower = head.lower()
        start = lower.index(b"content-length:") + 15
        length = int(lower[start:].split(b"\r\n", 1)[0])
        if len(body) < length:
            return False
        if b" 200 " not in head[:20]:
            raise SystemExit(f"not a prediction: {bytes(self.received[:400])!r}")
        return True


def run(port: int, requests: list[bytes], *, connections: int, duration_s: float) -> dict[str, float]:
    """Send the requests in turn for a while; returns their number and times [s]."""
    turn = _endless(requests)
    selector = selectors.DefaultSelector()
    latencies_s: list[float] = []
    begun_s = time.perf_counter()
    for _ in range(connections):
        connection = _Connection(socket.create_connection(("127.0.0.1", port)))
        connection.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
        _send(connection, next(turn))
    while (now_s := time.perf_counter()) - begun_s < duration_s:
        for key, _ in selector.select(1.0):
            connection = key.data
            connection.received += connection.socket.recv(65536)
            if connection.is_answered():
                latencies_s.append(time.perf_counter() - connection.sent_s)
                _send(connection, next(turn))
    for key in list(selector.get_map().values()):
        key.data.socket.close()
    latencies_s.sort()
    count = len(latencies_s)
    return {
        "requests": count,
        "duration_s": now_s - begun_s,
        "p50_s": latencies_s[count // 2],
        "p99_s": latencies_s[int(count * 0.99)],
    }


def _send(connection: _Connection, request: bytes) -> None:
    connection.received.clear()
    connection.sent_s = time.perf_counter()
    connection.socket.sendall(request)


def _endless(requests: list[bytes]) -> Iterator[bytes]:
    while True:
        yield from requests


def main() -> None:
    """Read `{path, headers, bodies}` from the standard input, print the result as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--duration-s", type=float, required=True)
    told = parser.parse_args()
    asked = json.load(sys.stdin)
    requests = []
    for body in asked["bodies"]:
        headers = {"host": "twin", "content-type": "application/json", "content-length": len(body), **asked["headers"]}
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        requests.append(f"POST {asked['path']} HTTP/1.1\r\n{head}\r\n{body}".encode())
    json.dump(run(told.port, requests, connections=told.connections, duration_s=told.duration_s), sys.stdout)


if __name__ == "__main__":
    main()
